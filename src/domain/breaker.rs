//! The circuit breaker of a hub: after failures in a row nobody calls for a while, then one call
//! tries, then the pace comes back step by step. Pure; the state lives in the hub's lane row, so
//! that it holds for the cluster.

use std::time::Duration;

use crate::base::clock::Micros;

/// Failures in a row that open it.
pub const OPENS_AFTER: i32 = 5;
/// The first pause; doubles with each failed trial.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause: an app that came back is noticed within this time (F-04).
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where the breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Calls go through.
    Closed,
    /// Nobody calls before `until`.
    Open,
    /// One call tries.
    HalfOpen,
    /// Calls go through, few at first.
    Slow,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Open, Self::HalfOpen, Self::Slow];

    /// The word in the lane row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::Slow => "slow",
        }
    }

    /// Read the word back; an unknown one counts as closed, the attempts will tell.
    pub fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Closed)
    }
}

/// A breaker as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Where it stands.
    pub state: State,
    /// Failures in a row; in [`State::Slow`] the successes since the trial.
    pub count: i32,
    /// While open: when the next trial may be.
    pub until: Micros,
}

impl Breaker {
    /// A breaker nothing has happened to.
    pub const CLOSED: Self = Self { state: State::Closed, count: 0, until: Micros(0) };

    /// How many calls may be in flight in all, of the `most` the hub allows.
    pub fn admits(self, most: i32, now: Micros) -> i32 {
        match self.state {
            State::Closed => most,
            State::Open => i32::from(now >= self.until),
            State::HalfOpen => 1,
            State::Slow => most.min(1_i32 << self.count.clamp(0, 20)),
        }
    }

    /// A call was let through.
    pub fn on_claim(self) -> Self {
        match self.state {
            State::Open => Self { state: State::HalfOpen, ..self },
            State::Closed | State::HalfOpen | State::Slow => self,
        }
    }

    /// A call reached the app and was answered; `most` as in [`Breaker::admits`].
    pub fn on_success(self, most: i32) -> Self {
        match self.state {
            State::Closed => Self::CLOSED,
            State::Open | State::HalfOpen => Self { state: State::Slow, count: 1, until: Micros(0) },
            State::Slow => {
                let count = self.count.saturating_add(1);
                let slower = Self { state: State::Slow, count, until: Micros(0) };
                if slower.admits(most, Micros(0)) >= most { Self::CLOSED } else { slower }
            }
        }
    }

    /// A call failed in passing or with an unknown end.
    pub fn on_failure(self, now: Micros) -> Self {
        let failures = match self.state {
            State::Slow => OPENS_AFTER,
            // Calls that were under way when it opened say nothing new.
            State::Open => return self,
            State::Closed | State::HalfOpen => self.count.saturating_add(1),
        };
        if failures < OPENS_AFTER {
            return Self { state: State::Closed, count: failures, until: Micros(0) };
        }
        let doublings = u32::try_from(failures - OPENS_AFTER).unwrap_or(0).min(10);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        Self { state: State::Open, count: failures, until: now.plus(pause) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_opens_tries_and_comes_back_slowly() {
        let now = Micros(1_000_000);
        let mut breaker = Breaker::CLOSED;
        for _ in 0..OPENS_AFTER {
            assert_eq!(breaker.admits(4, now), 4);
            breaker = breaker.on_failure(now);
        }
        assert_eq!(breaker.state, State::Open);
        assert_eq!(breaker.admits(4, now), 0);
        let later = now.plus(FIRST_PAUSE);
        assert_eq!(breaker.admits(4, later), 1);

        let trial = breaker.on_claim();
        let again = trial.on_failure(later);
        assert_eq!((again.state, again.until), (State::Open, later.plus(FIRST_PAUSE * 2)));

        let slow = trial.on_success(4);
        assert_eq!(slow.admits(4, later), 2);
        assert_eq!(slow.on_success(4), Breaker::CLOSED);
        assert_eq!(slow.on_failure(later).state, State::Open);
    }

    #[test]
    fn an_answer_forgets_failures() {
        let breaker = Breaker::CLOSED.on_failure(Micros(0)).on_failure(Micros(0));
        assert_eq!(breaker.count, 2);
        assert_eq!(breaker.on_success(4), Breaker::CLOSED);
    }

    #[test]
    fn words_round_trip() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.as_str()), state);
        }
    }

    proptest! {
        #[test]
        fn it_never_stands_still_for_good(events in proptest::collection::vec(any::<bool>(), 0..60), most in 1_i32..50) {
            let mut breaker = Breaker::CLOSED;
            let mut now = Micros(0);
            for good in events {
                now = now.plus(Duration::from_secs(1));
                breaker = breaker.on_claim();
                breaker = if good { breaker.on_success(most) } else { breaker.on_failure(now) };
                prop_assert!(breaker.admits(most, now) <= most);
                prop_assert!(breaker.admits(most, now.plus(LONGEST_PAUSE)) >= 1);
            }
        }
    }
}
