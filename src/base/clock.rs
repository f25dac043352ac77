//! Time as an argument. Nothing else in the program reads the system clock (a lint forbids it),
//! so that expiry, settling and leases are tested without waiting.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A moment: UTC microseconds since 1970, as stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// Later by `span`, stopping at the end of time instead of wrapping.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Earlier by `span`, stopping at the beginning of time.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier`; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2026-11-23T03:10:00.123Z`, the form of SCIM's dateTime and of the API.
    pub fn to_rfc3339(self) -> String {
        jiff::Timestamp::from_microsecond(self.0)
            .map(|t| format!("{t:.3}"))
            .unwrap_or_else(|_| String::from("9999-12-31T23:59:59.999Z"))
    }

    /// Read an RFC 3339 / xsd:dateTime text with a zone; `None` when it is not one.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_microsecond()))
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

/// Where "now" comes from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall-clock time, for what people read and what is stored.
    fn now(&self) -> Micros;

    /// Time since this clock was made; never jumps. Deadlines and leases use it.
    fn monotonic(&self) -> Duration;
}

/// A clock everybody can hold.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Start counting monotonic time from now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
    fn now(&self) -> Micros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clocks")]
    fn monotonic(&self) -> Duration {
        Instant::now().duration_since(self.started)
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct TestClock {
    now: AtomicI64,
    start: i64,
}

impl TestClock {
    /// Stand still at `now`.
    pub fn at(now: Micros) -> Arc<Self> {
        Arc::new(Self { now: AtomicI64::new(now.0), start: now.0 })
    }

    /// Move both clocks forward.
    pub fn advance(&self, span: Duration) {
        self.now.fetch_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Micros {
        Micros(self.now.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.now().since(Micros(self.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_print_and_parse() {
        let moment = Micros(1_763_867_400_123_000);
        assert_eq!(moment.to_rfc3339(), "2025-11-23T03:10:00.123Z");
        assert_eq!(Micros::parse_rfc3339("2025-11-23T05:10:00.123+02:00"), Some(moment));
        assert_eq!(Micros::parse_rfc3339("2025-11-23"), None);
    }

    #[test]
    fn the_test_clock_moves_only_when_told() {
        let clock = TestClock::at(Micros(10));
        assert_eq!(clock.now(), Micros(10));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Micros(1_000_010));
        assert_eq!(clock.monotonic(), Duration::from_secs(1));
    }
}
