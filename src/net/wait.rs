//! `Retry-After`: how long the other side asks us to wait (RFC 9110 section 10.2.3).

use std::time::Duration;

use crate::base::clock::Micros;

/// Longer than this nobody means; the worker pauses the hub long before (DESIGN.md section 2.12).
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Read the header: whole seconds, or an HTTP date held against `now`. Anything else, zero,
/// negative numbers and dates in the past give `None`: the normal schedule applies (F-06).
pub fn retry_after(value: &str, now: Micros) -> Option<Duration> {
    let value = value.trim();
    if value.is_empty() || value.len() > 64 {
        return None;
    }
    let asked = if value.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
        Micros(date.as_microsecond()).since(now)
    };
    (!asked.is_zero()).then(|| asked.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f06_seconds_dates_and_rubbish() {
        let now = Micros::parse_rfc3339("1994-11-06T08:49:07Z").unwrap();
        let seconds = |s| Some(Duration::from_secs(s));
        for (value, wait) in [
            ("120", seconds(120)),
            (" 7 ", seconds(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(30)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", None),
            ("31536000", seconds(31_536_000)),
            ("99999999999999999999999", Some(LONGEST)),
            ("0", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("1e9", None),
        ] {
            assert_eq!(retry_after(value, now), wait, "{value:?}");
        }
    }
}
