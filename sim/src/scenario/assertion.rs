use std::fmt;

use serde::Deserialize;

use super::Figures;
use crate::SimError;

/// What must hold in every run of a scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// The metric.
    pub metric: String,
    /// The least it may be.
    #[serde(default)]
    pub at_least: Option<f64>,
    /// The most it may be.
    #[serde(default)]
    pub at_most: Option<f64>,
    /// If named, the bounds are multiples of this other metric of the same run.
    #[serde(default)]
    pub times: Option<String>,
    /// Why it must hold, in a sentence.
    #[serde(default)]
    pub because: String,
}

/// Whether an assertion holds in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Which.
    pub assertion: Assertion,
    /// What the metric was, divided by the other metric if it names one.
    pub value: f64,
    /// Whether it holds.
    pub holds: bool,
}

impl Assertion {
    /// Whether it holds.
    ///
    /// # Errors
    /// It names a metric that does not exist, or bounds nothing.
    pub fn judge(&self, figures: &Figures) -> Result<Verdict, SimError> {
        if self.at_least.is_none() && self.at_most.is_none() {
            let reason = format!("the assertion about {} has neither at_least nor at_most", self.metric);
            return Err(SimError::Scenario { reason });
        }
        let unit = self.times.as_deref().map_or(Ok(1.0), |name| figures.get(name))?;
        let value = figures.get(&self.metric)?;
        let holds = self.at_least.is_none_or(|least| value >= least * unit)
            && self.at_most.is_none_or(|most| value <= most * unit);
        let value = if unit == 0.0 { value } else { value / unit };
        Ok(Verdict { assertion: self.clone(), value, holds })
    }
}

impl fmt::Display for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.times.as_deref().map(|name| format!(" x {name}")).unwrap_or_default();
        write!(f, "{}", self.metric)?;
        if let Some(least) = self.at_least {
            write!(f, " >= {least}{of}")?;
        }
        if let Some(most) = self.at_most {
            write!(f, " <= {most}{of}")?;
        }
        Ok(())
    }
}
