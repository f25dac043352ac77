//! How a hub stands (business-hubs.md section 7), from facts: one word that says who must act.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::clock::Micros;
use crate::base::limits::SYNC_STALE;
use crate::domain::problem::Cause;

/// The word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HubStatus {
    /// The first hub of its app in the workspace; nothing has succeeded yet.
    UnderValidation,
    /// Something is wrong that is looked into: the app is away, a sync was halted, somebody who left
    /// is still present.
    UnderReview,
    /// The hub's settings stop its tasks.
    ReviewConfiguration,
    /// The credential is wrong, lacks a right, or is not set.
    ReviewServiceAccount,
    /// No sync has completed for two days.
    RequiresSync,
    /// Working and current.
    Healthy,
    /// A person stopped it.
    Disabled,
}

impl HubStatus {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderValidation => "under_validation",
            Self::UnderReview => "under_review",
            Self::ReviewConfiguration => "review_configuration",
            Self::ReviewServiceAccount => "review_service_account",
            Self::RequiresSync => "requires_sync",
            Self::Healthy => "healthy",
            Self::Disabled => "disabled",
        }
    }
}

/// What it rests on.
#[derive(Clone, Copy, Debug)]
pub struct HubFacts<'a> {
    /// Whether a person paused the hub.
    pub paused: bool,
    /// Causes of its open problems.
    pub problems: &'a BTreeSet<Cause>,
    /// Whether its connection names secrets that nobody has set, and its app is called with them: it can
    /// do nothing, whether that was met yet or not.
    pub lacks_secrets: bool,
    /// Whether a hub of this app in the workspace ever completed a task or a sync.
    pub proven: bool,
    /// Whether its app can be read at all.
    pub syncs: bool,
    /// When a sync last completed.
    pub last_synced: Option<Micros>,
    /// When it was connected.
    pub connected: Micros,
    /// Now.
    pub now: Micros,
}

/// The first that holds: stopped, credential, settings, anything else that is wrong, not proven,
/// out of date.
pub fn status(facts: &HubFacts<'_>) -> HubStatus {
    let has = |causes: &[Cause]| causes.iter().any(|cause| facts.problems.contains(cause));
    if facts.paused {
        HubStatus::Disabled
    } else if facts.lacks_secrets || has(&[Cause::AuthBroken, Cause::Forbidden]) {
        HubStatus::ReviewServiceAccount
    } else if has(&[
        Cause::AddressRefused,
        Cause::ConnectionIncomplete,
        Cause::RateLimited,
        Cause::SeatLimit,
        Cause::NeedsData,
    ]) {
        HubStatus::ReviewConfiguration
    } else if !facts.problems.is_empty() {
        HubStatus::UnderReview
    } else if !facts.proven {
        HubStatus::UnderValidation
    } else if facts.syncs && facts.now.since(facts.last_synced.unwrap_or(facts.connected)) > SYNC_STALE {
        HubStatus::RequiresSync
    } else {
        HubStatus::Healthy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_status_is_reached_and_the_worst_comes_first() {
        let none = BTreeSet::new();
        let now = Micros(1_000_000_000_000_000);
        let fine = HubFacts {
            paused: false,
            problems: &none,
            lacks_secrets: false,
            proven: true,
            syncs: true,
            last_synced: Some(now),
            connected: now.minus(Duration::from_secs(90 * 86_400)),
            now,
        };
        assert_eq!(status(&fine), HubStatus::Healthy);
        let old = Some(now.minus(SYNC_STALE).minus(Duration::from_secs(1)));
        assert_eq!(status(&HubFacts { last_synced: old, ..fine }), HubStatus::RequiresSync);
        assert_eq!(status(&HubFacts { last_synced: None, ..fine }), HubStatus::RequiresSync);
        assert_eq!(status(&HubFacts { last_synced: None, syncs: false, ..fine }), HubStatus::Healthy);
        assert_eq!(status(&HubFacts { last_synced: Some(now.minus(SYNC_STALE)), ..fine }), HubStatus::Healthy);
        assert_eq!(status(&HubFacts { proven: false, ..fine }), HubStatus::UnderValidation);
        for proven in [false, true] {
            let lacking = HubFacts { lacks_secrets: true, proven, ..fine };
            assert_eq!(status(&lacking), HubStatus::ReviewServiceAccount);
            assert_eq!(status(&HubFacts { paused: true, ..lacking }), HubStatus::Disabled);
        }
        for cause in Cause::ALL {
            let one = BTreeSet::from([cause]);
            let of = status(&HubFacts { problems: &one, proven: false, last_synced: None, ..fine });
            assert!(!matches!(of, HubStatus::Healthy | HubStatus::RequiresSync | HubStatus::UnderValidation), "{of:?}");
            assert_eq!(status(&HubFacts { problems: &one, paused: true, ..fine }), HubStatus::Disabled);
        }
        let broken = BTreeSet::from([Cause::AuthBroken, Cause::SeatLimit, Cause::SyncHalted]);
        assert_eq!(status(&HubFacts { problems: &broken, ..fine }), HubStatus::ReviewServiceAccount);
    }
}
