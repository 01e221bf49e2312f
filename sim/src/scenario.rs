//! Scenarios: who takes part, what they want, for how long, and what must come out.

mod assertion;
mod build;
mod figures;
mod parameters;
mod shipped;

use std::collections::BTreeSet;

use serde::Deserialize;
use xenon_keeper::Policy;

pub use self::{
    assertion::{Assertion, Verdict},
    figures::Figures,
    parameters::Parameters,
    shipped::{SHIPPED, load},
};
use crate::{
    SimError,
    agents::{Demand, Diligence},
    conduct::Conducts,
};

/// A scenario, as a TOML file has it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in a sentence.
    pub about: String,
    /// Seconds that are counted.
    pub duration_s: u64,
    /// Seconds before that, in which everybody joins and the first tasks run.
    #[serde(default)]
    pub warmup_s: u64,
    /// Seconds at most, after that, for the tasks that have not ended.
    #[serde(default = "drain_s")]
    pub drain_s: u64,
    /// Seconds from one block to the next.
    #[serde(default = "block_s")]
    pub block_s: u64,
    /// Gwei every gas costs.
    #[serde(default = "base_fee_gwei")]
    pub base_fee_gwei: f64,
    /// How many seeds a run without a choice of them has: 0 up to one less.
    #[serde(default = "seeds")]
    pub seeds: u64,
    /// Parameters of the network that are not the default.
    #[serde(default)]
    pub parameters: Parameters,
    /// The nodes, by groups.
    pub nodes: Vec<Nodes>,
    /// The applications, by groups.
    pub creators: Vec<Creators>,
    /// The keepers; one without fault if none is named.
    #[serde(default)]
    pub keepers: Vec<Keepers>,
    /// Seconds after which the arbiter decides an appeal; never if none.
    #[serde(default)]
    pub arbiter_s: Option<u64>,
    /// What must come out.
    #[serde(default, rename = "assert")]
    pub assertions: Vec<Assertion>,
}

/// Nodes that are alike.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nodes {
    /// Their name, for metrics.
    pub group: String,
    /// How many.
    pub count: u32,
    /// How many are of one operator.
    #[serde(default = "one")]
    pub per_operator: u32,
    /// Over how many execution classes they are spread.
    #[serde(default = "one")]
    pub classes: u32,
    /// The name of their classes: groups that share it share classes.
    #[serde(default = "class")]
    pub class: String,
    /// GB of memory.
    #[serde(default = "vram")]
    pub vram_gb: u16,
    /// How they behave.
    pub conduct: Conducts,
    /// Seconds after the beginning at which they join.
    #[serde(default)]
    pub joins_s: u64,
}

/// Applications that are alike.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Creators {
    /// Their name.
    pub group: String,
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
    /// What each of them wants.
    pub demand: Demand,
    /// Seconds after the beginning at which they come.
    #[serde(default)]
    pub from_s: u64,
}

/// Keepers that are alike.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keepers {
    /// Their name.
    pub group: String,
    /// How many.
    #[serde(default = "one")]
    pub count: u32,
    /// How well they work.
    #[serde(default)]
    pub diligence: Diligence,
    /// How much they do at once.
    #[serde(default)]
    pub policy: Policy,
}

const fn drain_s() -> u64 {
    24 * 3600
}

const fn block_s() -> u64 {
    2
}

const fn base_fee_gwei() -> f64 {
    0.01
}

const fn seeds() -> u64 {
    1
}

const fn one() -> u32 {
    1
}

const fn vram() -> u16 {
    24
}

fn class() -> String {
    String::from("a class")
}

impl Scenario {
    /// Reads a scenario. `source` is its name in messages.
    ///
    /// # Errors
    /// It is no scenario, or one that cannot be.
    pub fn parse(text: &str, source: &str) -> Result<Self, SimError> {
        let scenario: Self = toml::from_str(text)
            .map_err(|error| SimError::Unreadable { source_name: source.to_owned(), reason: error.to_string() })?;
        scenario.check()?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), SimError> {
        let wrong = |reason: String| Err(SimError::Scenario { reason });
        let nodes = self.nodes.iter().map(|nodes| &nodes.group);
        let creators = || self.creators.iter().map(|creators| &creators.group);
        let keepers = self.keepers.iter().map(|keepers| &keepers.group);
        for (parties, names) in
            [("nodes", nodes.collect()), ("creators", creators().collect()), ("keepers", keepers.collect())]
        {
            if let Some(name) = twice(names) {
                return wrong(format!("two groups of {parties} are called {name}; give each its own name"));
            }
        }
        for (keepers, name) in
            self.keepers.iter().flat_map(|keepers| keepers.diligence.censors.iter().map(move |name| (keepers, name)))
        {
            if !creators().any(|creators| creators == name) {
                return wrong(format!("the keeper {} censors {name}, and no creators are called that", keepers.group));
            }
        }
        if let Some(nodes) =
            self.nodes.iter().find(|nodes| nodes.count == 0 || nodes.classes == 0 || nodes.per_operator == 0)
        {
            return wrong(format!("of the nodes {} count, classes and per_operator must be 1 or more", nodes.group));
        }
        if let Some(creators) = self.creators.iter().find(|creators| !creators.demand.arrivals.is_valid()) {
            return wrong(format!(
                "the arrivals of {} need positive, finite rates and a swing from 0 to 1",
                creators.group
            ));
        }
        if let Some(creators) = self.creators.iter().find(|creators| !is_span(creators.demand.size)) {
            return wrong(format!("the size of {} is [least, most], from 1", creators.group));
        }
        if self.block_s == 0 || self.duration_s == 0 || self.seeds == 0 {
            return wrong(String::from("block_s, duration_s and seeds must be 1 or more"));
        }
        if !self.base_fee_gwei.is_finite() || self.base_fee_gwei < 0.0 {
            return wrong(String::from("base_fee_gwei must be 0 or more"));
        }
        Ok(())
    }
}

const fn is_span(size: [u32; 2]) -> bool {
    size[0] >= 1 && size[0] <= size[1]
}

/// A name that is there more than once.
fn twice(names: Vec<&String>) -> Option<&String> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}
