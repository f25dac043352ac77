//! Durations as people write them: `60s`, `45min`, `1h 30min`.

use std::time::Duration;

/// The longest duration a file may give; a settle time beyond it would hide removals.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const UNITS: [(&str, u64); 12] = [
    ("ms", 1),
    ("s", 1_000),
    ("sec", 1_000),
    ("second", 1_000),
    ("seconds", 1_000),
    ("min", 60_000),
    ("minute", 60_000),
    ("minutes", 60_000),
    ("h", 3_600_000),
    ("hour", 3_600_000),
    ("hours", 3_600_000),
    ("d", 86_400_000),
];

/// Read a duration.
///
/// # Errors
/// A sentence with examples.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "'{}' is not a duration; write it like \"60s\", \"45min\" or \"1h 30min\"",
            text.chars().take(32).collect::<String>()
        )
    };
    let mut total: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let part = number.checked_mul(*factor).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = tail.trim_start();
    }
    let found = Duration::from_millis(total);
    if found > LONGEST {
        return Err(String::from("that is longer than 30 days"));
    }
    Ok(found)
}

/// Write a duration so that [`duration`] reads it back; parts below a millisecond are dropped.
pub fn humane(duration: Duration) -> String {
    let millis = duration.as_millis();
    let parts = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    for (factor, unit) in parts {
        // One unit is enough for what people write; 90 s stays 90 s.
        if millis >= factor && millis.is_multiple_of(factor) {
            return format!("{}{unit}", millis / factor);
        }
    }
    String::from("0s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, seconds) in
            [("60s", 60), ("45min", 2_700), ("1h 30min", 5_400), ("2 d", 172_800), ("0s", 0), ("1h30min", 5_400)]
        {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "60", "s", "1 fortnight", "-5s", "1.5h", "31d", "99999999999999999999s", "5 s x"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for span in [0, 1, 60, 90, 2_700, 3_600, 86_400, 90_061] {
            let span = Duration::from_secs(span);
            assert_eq!(duration(&humane(span)), Ok(span));
        }
        assert_eq!(humane(Duration::from_secs(2_700)), "45min");
        assert_eq!(humane(Duration::from_secs(90)), "90s");
    }
}
