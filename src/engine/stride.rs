//! How much of long work goes into one transaction on SQLite, where everybody else waits for its end:
//! as much as takes [`STRETCH`], found from how long the last ones took. Decides nothing but sizes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::base::limits::STRETCH;

/// The size of the next stretch; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Stride {
    next: Arc<AtomicI64>,
    most: i64,
    least: i64,
}

impl Stride {
    /// Begins with `most`, which it never exceeds, and never does less than `least`: what a stretch costs
    /// whatever its size is paid as many times more often as it is smaller.
    pub(super) fn new(least: i64, most: i64) -> Self {
        Self { next: Arc::new(AtomicI64::new(most)), most, least: least.clamp(1, most.max(1)) }
    }

    /// How much to do next.
    pub(super) fn size(&self) -> i64 {
        self.next.load(Ordering::Relaxed)
    }

    /// A stretch of this many took this long.
    pub(super) fn took(&self, size: i64, span: Duration) {
        self.next.store(after(size, self.size(), span).clamp(self.least, self.most), Ordering::Relaxed);
    }
}

fn after(size: i64, next: i64, span: Duration) -> i64 {
    let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX).max(1);
    let aim = i64::try_from(STRETCH.as_micros()).unwrap_or(i64::MAX);
    let fits = size.saturating_mul(aim) / span;
    // Down at once, since somebody waits; up by a quarter, since one quick stretch proves little, and a
    // small one less.
    if fits < size { fits.min(next) } else { next.saturating_add(next / 4).min(fits.max(next)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_stretch_is_followed_by_a_smaller_one_and_quick_ones_by_larger_ones() {
        let stride = Stride::new(25, 200);
        assert_eq!(stride.size(), 200);
        stride.took(200, STRETCH * 2);
        assert_eq!(stride.size(), 100, "what fits");
        stride.took(100, STRETCH);
        assert_eq!(stride.size(), 100, "as long as it may take");
        stride.took(100, STRETCH / 2);
        assert_eq!(stride.size(), 125, "a quarter more");
        stride.took(125, STRETCH * 100);
        assert_eq!(stride.size(), 25, "never less than least");
        for _ in 0..20 {
            stride.took(stride.size(), Duration::ZERO);
        }
        assert_eq!(stride.size(), 200, "never more than most");
    }

    #[test]
    fn a_small_rest_teaches_only_when_it_was_slow() {
        let stride = Stride::new(25, 200);
        stride.took(200, STRETCH * 4);
        assert_eq!(stride.size(), 50);
        stride.took(3, STRETCH / 10);
        assert_eq!(stride.size(), 50);
        stride.took(40, STRETCH * 2);
        assert_eq!(stride.size(), 25);
    }
}
