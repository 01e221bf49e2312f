use std::path::Path;

use super::Scenario;
use crate::SimError;

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// The scenarios that come with the program: name and text.
        pub const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/", $name, ".toml")))),*];
    };
}

shipped![
    "quiet",
    "congestion",
    "vanishing",
    "starvation",
    "lazy",
    "copying",
    "colluding",
    "concealing",
    "timeouts",
    "late",
    "crashing",
    "keeper-loss",
    "censorship"
];

/// The scenario of that name, or in that file.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn load(name: &str) -> Result<Scenario, SimError> {
    if let Some((name, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        return Scenario::parse(text, name);
    }
    let path = Path::new(name);
    if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml")) {
        let known: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
        return Err(SimError::NoSuchScenario { name: name.to_owned(), known: known.join(", ") });
    }
    let unreadable = |reason| SimError::Unreadable { source_name: name.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    Scenario::parse(&text, name)
}
