use crate::{dice::Dice, fault::Fault};

/// What a seed stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The seed, from which all else follows.
    pub seed: u64,
    /// What goes wrong in the first phase.
    pub faults: Vec<Fault>,
    /// The keys of the keepers, numbered from 1; two keepers may have the same.
    pub keys: Vec<u8>,
    /// Seconds from block to block.
    pub interval: u64,
    /// Blocks for which faults last.
    pub faulty_blocks: u64,
}

impl Scenario {
    /// Every second seed has one kind of fault, in turn, the others a mixture.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 0);
        let faults = if seed.is_multiple_of(2) { one_kind(seed / 2) } else { mixture(&mut dice) };
        Self::with(seed, faults, &mut dice)
    }

    /// Of that seed, with these faults and no others.
    pub fn of_faults(seed: u64, faults: &[Fault]) -> Self {
        Self::with(seed, faults.to_vec(), &mut Dice::new(seed, 0))
    }

    fn with(seed: u64, faults: Vec<Fault>, dice: &mut Dice) -> Self {
        let keys =
            if faults.contains(&Fault::Rivals) { (1..=2 + u8::from(dice.chance(50))).collect() } else { vec![1] };
        let shared = faults.contains(&Fault::SharedKey).then_some(1);
        let keys = keys.into_iter().chain(shared).collect();
        Self { seed, faults, keys, interval: dice.within(5..=40), faulty_blocks: dice.within(30..=60) }
    }

    /// Whether something of that kind goes wrong.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

fn one_kind(number: u64) -> Vec<Fault> {
    let kind = usize::try_from(number % Fault::ALL.len() as u64).unwrap_or_default();
    vec![Fault::ALL[kind]]
}

fn mixture(dice: &mut Dice) -> Vec<Fault> {
    Fault::ALL.into_iter().filter(|_| dice.chance(40)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_seeds_hold_every_kind_alone_and_with_others() {
        let scenarios: Vec<_> = (0..40).map(Scenario::of).collect();
        for fault in Fault::ALL {
            assert!(scenarios.iter().any(|scenario| scenario.faults == [fault]), "{fault}");
            assert!(scenarios.iter().any(|scenario| scenario.has(fault) && scenario.faults.len() > 1), "{fault}");
        }
        assert_eq!(Scenario::of(17), scenarios[17]);
    }
}
