use std::collections::BTreeMap;

use alloy::primitives::U256;
use xenon_protocol::contracts::Ending;

use super::Scenario;
use crate::{
    Engine, SimError,
    ledger::{CallCount, GroupCount, KindCount, as_float, coins},
};

/// How tasks end, as metrics name it.
const ENDINGS: [(&str, Ending); 8] = [
    ("agreed", Ending::Agreed),
    ("disagreed", Ending::Disagreed),
    ("failed", Ending::Failed),
    ("mixed", Ending::Mixed),
    ("unanswered", Ending::Unanswered),
    ("cancelled", Ending::Cancelled),
    ("expired", Ending::Expired),
    ("evicted", Ending::Evicted),
];

/// Functions that a run need not call: then their counts are zero.
const CALLS: [&str; 12] = [
    "absorb",
    "advance",
    "appeal",
    "arbitrate",
    "cancel",
    "expire",
    "reserve",
    "resume",
    "review",
    "slash",
    "thaw",
    "wake",
];

/// The metrics of one run, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// What came out of a run.
    pub fn of(scenario: &Scenario, engine: &Engine, has_ended: bool) -> Self {
        let mut figures = Self::default();
        let ledger = engine.ledger();
        let seconds = as_float(ledger.seconds().max(1).into());
        for (kind, count) in ledger.kinds() {
            figures.add_kind(&format!("kind{kind}"), count, seconds);
        }
        figures.add_kind("tasks", &together(ledger.kinds().values()), seconds);
        for (number, name) in scenario.group_names() {
            let count = ledger.groups().get(&number).cloned().unwrap_or_default();
            figures.add_group(name, &count);
        }
        for call in CALLS.iter().filter(|call| !ledger.calls().contains_key(*call)) {
            figures.add_call(call, CallCount::default());
        }
        for (call, count) in ledger.calls() {
            figures.add_call(call, *count);
        }
        let [queued, busy, active] = ledger.means();
        figures.set("queue.mean", queued);
        figures.set("nodes.active", active);
        figures.set("nodes.utilisation", if active > 0.0 { busy / active } else { 0.0 });
        figures.set("all_ended", f64::from(u8::from(has_ended)));
        figures
    }

    /// The value of a metric.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn get(&self, name: &str) -> Result<f64, SimError> {
        self.0.get(name).copied().ok_or_else(|| self.missing(name))
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    fn missing(&self, name: &str) -> SimError {
        let family = name.split('.').next().unwrap_or_default();
        let like: Vec<_> = self.0.keys().filter(|known| known.split('.').next() == Some(family)).cloned().collect();
        let known = if like.is_empty() { self.0.keys().cloned().collect() } else { like };
        SimError::NoSuchMetric { name: name.to_owned(), known: known.join(", ") }
    }

    fn set(&mut self, name: impl Into<String>, value: f64) {
        self.0.insert(name.into(), value);
    }

    fn add_call(&mut self, name: &str, count: CallCount) {
        self.set(format!("calls.{name}.done"), as_float(count.done.into()));
        self.set(format!("calls.{name}.refused"), as_float(count.refused.into()));
        self.set(format!("calls.{name}.gas"), share(count.gas, count.done));
    }

    fn add_kind(&mut self, name: &str, count: &KindCount, seconds: f64) {
        let ended: u64 = count.endings.values().sum();
        let of = |ending: Ending| count.endings.get(&(ending as u8)).copied().unwrap_or_default();
        for (word, ending) in ENDINGS {
            self.set(format!("{name}.{word}"), as_float(of(ending).into()));
        }
        self.set(format!("{name}.created"), as_float(count.created.into()));
        self.set(format!("{name}.per_hour"), as_float(count.ended_in_time.into()) * 3600.0 / seconds);
        self.set(format!("{name}.delivered"), as_float(count.delivered.into()));
        self.set(format!("{name}.success"), share(of(Ending::Agreed), ended));
        self.set(format!("{name}.fees"), coins(count.fees));
        self.set(format!("{name}.refunds"), coins(count.refunds));
        self.set(format!("{name}.price"), count.value_sum / as_float(count.seated.max(1).into()));
        self.add_times(&format!("{name}.wait"), &count.waits);
        self.add_times(&format!("{name}.life"), &count.lives);
        self.add_times(&format!("{name}.turnaround"), &count.turnarounds);
    }

    fn add_times(&mut self, name: &str, times: &[u32]) {
        let mut times = times.to_vec();
        times.sort_unstable();
        let at =
            |percent: usize| times.get((times.len().saturating_sub(1)) * percent / 100).copied().unwrap_or_default();
        let sum: u64 = times.iter().copied().map(u64::from).sum();
        self.set(format!("{name}.mean_s"), share(sum, times.len() as u64));
        for (word, percent) in [("p50_s", 50), ("p95_s", 95), ("max_s", 100)] {
            self.set(format!("{name}.{word}"), f64::from(at(percent)));
        }
    }

    fn add_group(&mut self, name: &str, count: &GroupCount) {
        let nodes = as_float(count.joined.max(1).into());
        let lost = count.penalties + count.slashed_wei;
        self.set(format!("nodes.{name}.joined"), as_float(count.joined.into()));
        self.set(format!("nodes.{name}.seats"), as_float(count.seats.into()));
        self.set(format!("nodes.{name}.agreed"), share(count.agreed, count.seats));
        self.set(format!("nodes.{name}.income"), coins(count.income) / nodes);
        self.set(format!("nodes.{name}.lost"), coins(lost) / nodes);
        self.set(format!("nodes.{name}.profit"), (coins(count.income) - coins(lost)) / nodes);
        self.set(format!("nodes.{name}.frozen"), as_float(count.frozen.into()));
        self.set(format!("nodes.{name}.slashed"), as_float(count.slashed.into()));
        self.set(format!("nodes.{name}.suspended"), as_float(count.suspended.into()));
        self.set(format!("nodes.{name}.kicked"), as_float(count.kicked.into()));
    }
}

fn together<'a>(kinds: impl Iterator<Item = &'a KindCount>) -> KindCount {
    let mut all = KindCount { fees: U256::ZERO, ..KindCount::default() };
    for kind in kinds {
        all.created += kind.created;
        all.delivered += kind.delivered;
        all.seated += kind.seated;
        all.value_sum += kind.value_sum;
        all.fees += kind.fees;
        all.refunds += kind.refunds;
        all.ended_in_time += kind.ended_in_time;
        all.waits.extend(&kind.waits);
        all.lives.extend(&kind.lives);
        all.turnarounds.extend(&kind.turnarounds);
        for (ending, count) in &kind.endings {
            *all.endings.entry(*ending).or_default() += count;
        }
    }
    all
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { as_float(part.into()) / as_float(whole.into()) }
}
