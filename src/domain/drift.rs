//! Drift: where what is known of a hub's app differs from what the mappings say, and whether anything
//! stands in the way of putting it right. The planner's own decision, read as a finding.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use serde::Serialize;

use crate::base::clock::Micros;
use crate::domain::assets;
use crate::domain::decide::{Facts, Ground, decide};
use crate::domain::entitlement::{Entitlement, Seat};
use crate::domain::hub::Deprovision;
use crate::domain::member::{Bucket, Member, Presence};
use crate::domain::plan::{Start, Step};
use crate::domain::reasons::Parted;

pub use crate::domain::plan::Why;

/// What is otherwise than wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Access is wanted and not there, or blocked in the app.
    Missing,
    /// There is access and none is wanted.
    Extra,
    /// There is access with another role than the wanted one.
    WrongRole,
    /// The role is the wanted one, and what is known of its assets is not.
    WrongAssets,
    /// An account of the app that belongs to nobody here.
    Unknown,
}

impl Kind {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Missing, Self::Extra, Self::WrongRole, Self::WrongAssets, Self::Unknown];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::WrongRole => "wrong_role",
            Self::WrongAssets => "wrong_assets",
            Self::Unknown => "unknown",
        }
    }

    /// By its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is under way: the next look of the planner, or a repair, puts it right.
    Open,
    /// The same, and the app cannot do it by machine: it becomes an item for a person.
    ByHand,
    /// The same, and the app must first be told more about the person (section 12.3).
    NeedsData,
    /// A task is open that puts it right, or one runs that must end first.
    UnderWay,
    /// Something stands against it; a repair leaves it alone.
    Kept(Why),
}

impl Standing {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::ByHand => "by_hand",
            Self::NeedsData => "needs_data",
            Self::UnderWay => "under_way",
            Self::Kept(_) => "kept",
        }
    }
}

/// A person whose access is otherwise than wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// And what becomes of it.
    pub standing: Standing,
    /// What they should hold; `None` where nothing.
    pub wanted: Option<Seat>,
    /// The subjects of the mappings behind it: those that give it, or those that once gave what is
    /// left over.
    pub because: Vec<String>,
}

/// Hold one person against what is wanted; `None` where all is as it should be. Removals count as
/// settled, as in every preview: what waits is still a difference.
pub fn of(ground: &Ground<'_>, facts: &Facts, now: Micros) -> Option<Finding> {
    let (entitled, verdict) = decide(ground, facts, now, now);
    let kind = kind(ground, entitled.seat(), facts.member.as_ref())?;
    let standing = match verdict.step {
        Step::Act(action) => match action.start {
            Start::Queued | Start::AfterAcceptance => Standing::Open,
            Start::ByHand => Standing::ByHand,
            Start::NeedsData => Standing::NeedsData,
            Start::StaysHeld => Standing::UnderWay,
        },
        Step::Wait { .. } | Step::Nothing(Why::Planned) => Standing::UnderWay,
        // An account found in the app by its e-mail: binding it is all there is to do.
        Step::Nothing(Why::AsWanted | Why::NotThere) => Standing::Open,
        Step::Nothing(why @ (Why::Exempted | Why::Unmanaged | Why::Protected | Why::Decided | Why::Conflict)) => {
            Standing::Kept(why)
        }
    };
    Some(Finding { kind, standing, because: because(kind, &entitled, facts), wanted: entitled.seat().cloned() })
}

fn kind(ground: &Ground<'_>, wanted: Option<&Seat>, member: Option<&Member>) -> Option<Kind> {
    let known = member.map_or(Presence::Absent, |member| member.known);
    match (wanted, known) {
        (Some(_), Presence::Absent | Presence::Suspended) => Some(Kind::Missing),
        (Some(seat), Presence::Pending | Presence::Active) => {
            let role = member.and_then(|member| member.known_role.as_deref());
            if role != Some(seat.role.as_str()) {
                return Some(Kind::WrongRole);
            }
            let held = member.map(|member| member.known_assets.as_slice()).unwrap_or(&[]);
            let differ = !ground.app.assets.is_empty() && !assets::diff(held, &seat.assets).is_empty();
            differ.then_some(Kind::WrongAssets)
        }
        (None, Presence::Absent) => None,
        (None, Presence::Suspended) => match ground.policy.deprovision {
            Deprovision::Remove => Some(Kind::Extra),
            Deprovision::Suspend => None,
        },
        (None, Presence::Pending | Presence::Active) => Some(Kind::Extra),
    }
}

fn because(kind: Kind, entitled: &Entitlement, facts: &Facts) -> Vec<String> {
    let parted = match kind {
        // An outranked mapping may be what gives an asset.
        Kind::WrongAssets => Parted::by_role(&entitled.reasons, None),
        Kind::Missing | Kind::WrongRole => {
            Parted::by_role(&entitled.reasons, entitled.seat().map(|seat| seat.role.as_str()))
        }
        Kind::Extra | Kind::Unknown => facts
            .member
            .as_ref()
            .map_or_else(Parted::default, |member| Parted::by_role(&member.reasons, member.known_role.as_deref())),
    };
    parted.subjects()
}

/// Whether an account that belongs to nobody is drift: it is there, and nobody decided to keep it.
pub const fn is_unknown(member: &Member) -> bool {
    let there = match member.known {
        Presence::Absent => false,
        Presence::Pending | Presence::Active | Presence::Suspended => true,
    };
    let nobodys = match member.bucket {
        Bucket::Unmatched => true,
        Bucket::Onboarded | Bucket::Guest | Bucket::Exempted => false,
    };
    there && nobodys && member.user.is_none()
}
