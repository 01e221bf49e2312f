use std::ops::Range;

use alloy::primitives::Bytes;

use crate::contracts;

/// A contract's code as compiled into this program.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code {
    /// The contract's name.
    pub(super) name: &'static str,
    /// What a deployment runs, without the constructor's arguments.
    pub(super) creation: &'static Bytes,
    runtime: &'static Bytes,
    immutables: &'static [Range<usize>],
}

impl Code {
    /// Whether `deployed` is this code, whatever values its immutables have.
    pub(super) fn is(&self, deployed: &[u8]) -> bool {
        let is_immutable = |at: usize| self.immutables.iter().any(|range| range.contains(&at));
        let same = |(at, (ours, theirs)): (usize, (&u8, &u8))| ours == theirs || is_immutable(at);
        self.runtime.len() == deployed.len() && self.runtime.iter().zip(deployed).enumerate().all(same)
    }
}

/// Makes a `Code` from the bindings of one contract.
macro_rules! code {
    ($contract:ident) => {
        Code {
            name: stringify!($contract),
            creation: &contracts::$contract::BYTECODE,
            runtime: &contracts::$contract::DEPLOYED_BYTECODE,
            immutables: contracts::immutables::$contract,
        }
    };
}

pub(super) static FACTORY: Code = code!(Create3Factory);
pub(super) static NODE: Code = code!(Node);
pub(super) static TASK: Code = code!(Task);
pub(super) static QUEUE: Code = code!(TaskQueue);
pub(super) static QOS: Code = code!(QoS);
pub(super) static STATS: Code = code!(NetworkStats);
pub(super) static TIMELOCK: Code = code!(Timelock);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_code_is_told_apart() {
        let code = TASK.runtime.to_vec();
        assert!(TASK.is(&code));
        assert!(!TASK.is(&[]));
        assert!(!TASK.is(&code[1..]));
        assert!(!TASK.is(NODE.runtime));
    }

    #[test]
    fn only_immutables_may_differ() {
        let fixed = (0..NODE.runtime.len()).find(|at| !NODE.immutables.iter().any(|range| range.contains(at)));
        let flipped = |at: usize| {
            let mut code = NODE.runtime.to_vec();
            code[at] ^= 1;
            code
        };
        assert!(!NODE.is(&flipped(fixed.unwrap())));
        assert!(NODE.is(&flipped(NODE.immutables[0].start)));
    }
}
