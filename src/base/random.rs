//! Randomness as an argument: ids and jitter come from here, so that tests can fix them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::clock::SharedClock;

/// Fill `buffer` from the operating system.
///
/// # Panics
/// When the system has no random source: no token or id could be trusted then, and the process
/// must not go on.
pub fn fill(buffer: &mut [u8]) {
    if let Err(error) = getrandom::fill(buffer) {
        panic!("the operating system gives no random bytes: {error}");
    }
}

/// Makes UUIDv7 identifiers: sortable by the time they were made, and not guessable.
#[derive(Clone, Debug)]
pub struct Ids {
    clock: SharedClock,
    /// Numbers the ids of a history that must come out the same again; `None` for chance.
    count: Option<Arc<AtomicU64>>,
}

impl Ids {
    /// Take time from `clock`, randomness from the operating system.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, count: None }
    }

    /// The same ids in every run, for simulations: anybody can guess them, so never for a server.
    pub fn repeatable(clock: SharedClock, first: u64) -> Self {
        Self { clock, count: Some(Arc::new(AtomicU64::new(first))) }
    }

    /// The next id. Wrap it: `UserId::from_uuid(ids.next())`.
    pub fn next(&self) -> Uuid {
        let micros = u64::try_from(self.clock.now().0).unwrap_or(0);
        let mut random = [0u8; 10];
        match &self.count {
            Some(count) => random[2..].copy_from_slice(&count.fetch_add(1, Ordering::SeqCst).to_be_bytes()),
            None => fill(&mut random),
        }
        // RFC 9562 method 3: the microseconds within the millisecond go into rand_a, so that
        // ids made in one millisecond still sort by time.
        let sub = u16::try_from((micros % 1000) * 4096 / 1000).unwrap_or(0);
        random[0] = (random[0] & 0xf0) | u8::try_from((sub >> 8) & 0x0f).unwrap_or(0);
        random[1] = u8::try_from(sub & 0xff).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(micros / 1000, &random).into_uuid()
    }
}

/// A source of numbers in `0.0..1.0`, for jitter.
pub trait Dice: Send + Sync {
    /// The next number.
    fn roll(&self) -> f64;
}

/// The operating system's dice.
#[derive(Debug, Default)]
pub struct SystemDice;

impl Dice for SystemDice {
    fn roll(&self) -> f64 {
        let mut bytes = [0u8; 4];
        fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}

/// Dice everybody can hold.
pub type SharedDice = Arc<dyn Dice>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Micros, TestClock};
    use std::time::Duration;

    #[test]
    fn ids_sort_by_time_and_are_version_7() {
        let clock = TestClock::at(Micros(1_763_867_400_123_000));
        let ids = Ids::new(clock.clone());
        let mut last = ids.next();
        assert_eq!(last.get_version_num(), 7);
        for _ in 0..100 {
            clock.advance(Duration::from_micros(1));
            let next = ids.next();
            assert!(next > last);
            last = next;
        }
    }
}
