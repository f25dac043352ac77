//! Chance that can be had again: everything random in one history comes from its seed.

use std::sync::Mutex;

use scimhub::base::random::Dice;

/// SplitMix64: small, fast, and the same on every machine.
#[derive(Debug)]
pub struct Chance(Mutex<u64>);

impl Chance {
    /// The chance of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed ^ 0x5c1a_0b5e_7a11_0f5e))
    }

    /// The next 64 bits.
    pub fn bits(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; zero where nothing is below it.
    pub fn below(&self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.bits() % end as u64) as usize }
    }

    /// True so often in a hundred.
    pub fn percent(&self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of these; none of nothing.
    pub fn one_of<'a, T>(&self, things: &'a [T]) -> Option<&'a T> {
        things.get(self.below(things.len()))
    }
}

impl Dice for Chance {
    fn roll(&self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}
