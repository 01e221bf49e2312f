//! Which of a machine's GPUs CUDA means by a number.
//!
//! CUDA numbers the GPUs that `CUDA_VISIBLE_DEVICES` leaves, in the order of that list or, without it, in the order that
//! `CUDA_DEVICE_ORDER` says (CUDA programming guide, "CUDA environment variables"). Unless that is `PCI_BUS_ID`, the order
//! is one of speed that is not specified further, so that a number alone says nothing where there are several GPUs.

use std::env;

const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";
const ORDER: &str = "CUDA_DEVICE_ORDER";

/// What the environment says about the order of GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    visible: Option<String>,
    by_bus: bool,
}

impl Order {
    /// From the values of the two variables.
    pub(super) fn new(visible: Option<&str>, order: Option<&str>) -> Self {
        Self { visible: visible.map(str::to_owned), by_bus: order == Some("PCI_BUS_ID") }
    }

    pub(super) fn of_this_process() -> Self {
        let value = |name| env::var(name).ok();
        Self::new(value(VISIBLE).as_deref(), value(ORDER).as_deref())
    }

    /// The place of the GPU that CUDA knows by this number among `uuids`, which are in the order of the PCI bus.
    pub(super) fn place(&self, number: u32, uuids: &[&str]) -> Result<usize, String> {
        let visible = self.visible(uuids)?;
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        visible.get(number).copied().ok_or_else(|| format!("CUDA sees {} GPUs here", visible.len()))
    }

    /// The places of all GPUs that CUDA sees, in its order.
    fn visible(&self, uuids: &[&str]) -> Result<Vec<usize>, String> {
        let Some(list) = &self.visible else {
            self.numbers_are_places(uuids)?;
            return Ok((0..uuids.len()).collect());
        };
        let mut places = Vec::new();
        for word in list.split(',').map(str::trim) {
            // What comes after a word that names no GPU is not seen.
            let Some(place) = self.named(word, uuids)? else { break };
            places.push(place);
        }
        Ok(places)
    }

    /// The GPU of one word of the list: a number, or the beginning of an identity that fits one GPU only.
    fn named(&self, word: &str, uuids: &[&str]) -> Result<Option<usize>, String> {
        if word.starts_with("MIG-") {
            return Err(format!("{VISIBLE} names an instance of a divided GPU, {word}"));
        }
        if word.starts_with("GPU-") {
            let mut fitting = uuids.iter().enumerate().filter(|(_, uuid)| uuid.starts_with(word));
            let first = fitting.next().map(|(place, _)| place);
            return Ok(first.filter(|_| fitting.next().is_none()));
        }
        let place = word.parse().ok().filter(|place| *place < uuids.len());
        if place.is_some() {
            self.numbers_are_places(uuids)?;
        }
        Ok(place)
    }

    fn numbers_are_places(&self, uuids: &[&str]) -> Result<(), String> {
        if self.by_bus || uuids.len() <= 1 {
            return Ok(());
        }
        Err(format!(
            "there are {} GPUs, and CUDA's order of them is not specified; set {ORDER}=PCI_BUS_ID",
            uuids.len()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUIDS: [&str; 3] = ["GPU-aa1", "GPU-aa2", "GPU-bb3"];

    fn place(visible: Option<&str>, order: Option<&str>, number: u32) -> Result<usize, String> {
        Order::new(visible, order).place(number, &UUIDS)
    }

    #[test]
    fn an_order_that_is_not_specified_is_not_guessed() {
        for order in [None, Some("FASTEST_FIRST")] {
            assert!(place(None, order, 0).unwrap_err().contains("CUDA_DEVICE_ORDER=PCI_BUS_ID"));
            assert!(place(Some("1,0"), order, 0).is_err());
        }
        assert_eq!(Order::new(None, None).place(0, &["GPU-x"]), Ok(0));
    }

    #[test]
    fn what_is_not_visible_has_no_number() {
        let by_bus = Some("PCI_BUS_ID");
        for (visible, number) in
            [("", 0), ("-1", 0), ("1", 1), ("2,9,0", 1), ("GPU-aa", 0), ("GPU-zz", 0), ("0,x,1", 1)]
        {
            let error = place(Some(visible), by_bus, number).unwrap_err();
            assert!(error.contains("CUDA sees"), "{visible}: {error}");
        }
        assert!(place(Some("MIG-1"), by_bus, 0).unwrap_err().contains("divided"));
    }

    #[test]
    fn the_list_is_the_order() {
        let by_bus = Some("PCI_BUS_ID");
        assert_eq!(place(None, by_bus, 2), Ok(2));
        assert_eq!(place(Some("2, 0"), by_bus, 1), Ok(0));
        // An identity says which one, whatever the order.
        assert_eq!(place(Some("GPU-bb,GPU-aa1"), None, 0), Ok(2));
        assert_eq!(place(Some("GPU-bb,GPU-aa1"), None, 1), Ok(0));
    }
}
