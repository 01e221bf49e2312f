//! The one place where the program asks what time it is.

use std::time::SystemTime;

/// Seconds since the Unix epoch.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// A time in Unix seconds as date and time of day in UTC.
pub(crate) fn show(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_utc() {
        assert_eq!(show(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(show(u64::MAX), u64::MAX.to_string());
    }
}
