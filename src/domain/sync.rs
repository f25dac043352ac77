//! What a sync makes of the accounts an app lists (business-hubs.md sections 4.1 and 7): whose each
//! is, what changed about those we know, and when it must not be believed. Pure; an e-mail match
//! suggests a binding once and never moves one (threat T-02).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::clock::Micros;
use crate::base::ids::UserId;
use crate::domain::assets;
use crate::domain::hub::{ConnectionValue, Hub, Login};
use crate::domain::mapping::{AssetGrant, HubRole};
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};

/// An account as the app listed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The app's stable id.
    pub remote_id: String,
    /// Its e-mail as [`address`] prepares it, when it shows one.
    pub address: Option<String>,
    /// What people read.
    pub display: String,
    /// Its role.
    pub role: Option<String>,
    /// Its assets; `None` where the app does not tell.
    pub assets: Option<Vec<AssetGrant>>,
    /// What it is in the app.
    pub presence: Presence,
    /// When an invitation runs out.
    pub expires_at: Option<Micros>,
    /// When the app said so.
    pub seen_at: Micros,
}

/// An e-mail address as it is compared: trimmed, ASCII without case. Nothing else is folded
/// (R4.1): a plus tag, a dot, a letter of another script that looks the same, a compatibility form
/// or another composition of one is another address. `None` where it is not one.
pub fn address(shown: &str) -> Option<String> {
    let text = shown.trim().to_ascii_lowercase();
    let (local, domain) = text.rsplit_once('@')?;
    let plain = !local.is_empty() && !domain.is_empty() && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    plain.then_some(text)
}

/// Under which an address is looked for among the directory's, which fold more: who is found so is
/// still compared letter by letter.
pub fn key(address: &str) -> String {
    crate::scim::fold::email(address)
}

/// Somebody of the workspace whose address an account shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Who.
    pub user: UserId,
    /// Whether the address is theirs letter by letter; else it only looks like theirs.
    pub exact: bool,
    /// Whether they are from outside (section 9).
    pub guest: bool,
    /// Whether another account of the hub is theirs already.
    pub has_account: bool,
    /// Whether they took an address after the account was known: what a provider changes matches nobody to
    /// what was there before (T-02).
    pub late: bool,
}

/// What matching one account rests on.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Everybody who bears the address, or one that folds to the same.
    pub claimants: &'a [Claimant],
    /// Accounts in use of the app, this one included, that show the address and are nobody's.
    pub accounts: usize,
    /// Whether it is the account that the hub works with (R4.8).
    pub service: bool,
    /// The people who connected the hub.
    pub owners: &'a BTreeSet<UserId>,
}

/// Whether an account that shows these names is the one that the hub works with (R4.8): its address, its
/// name or its id is the one in the hub's connection.
pub fn is_service<'a>(hub: &Hub, shown: impl IntoIterator<Item = &'a str>) -> bool {
    match hub.connection.get("service_account") {
        Some(ConnectionValue::Plain(name)) => {
            let name = name.trim();
            !name.is_empty() && shown.into_iter().any(|shown| shown.eq_ignore_ascii_case(name))
        }
        Some(ConnectionValue::Secret { .. }) | None => false,
    }
}

/// Where an account that is nobody's goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It is this person's from now on.
    Matched {
        /// Whose.
        user: UserId,
        /// Onboarded, or guest.
        bucket: Bucket,
        /// Owner for who connected the hub, Collaborator for everybody else.
        hub_role: HubRole,
    },
    /// The hub's own account: onboarded, protected, nobody's (R4.8).
    Service,
    /// Two accounts claim one person, or two people one account: a person must say (R4.11).
    Conflict,
    /// Nobody here.
    Unmatched,
}

/// Whose an account is that is nobody's yet.
pub fn place(seen: &Observed, evidence: &Evidence<'_>) -> Placement {
    if evidence.service {
        return Placement::Service;
    }
    match seen.presence {
        // R4.7.
        Presence::Suspended | Presence::Absent => return Placement::Unmatched,
        Presence::Pending | Presence::Active => {}
    }
    match evidence.claimants {
        [] => Placement::Unmatched,
        [only] if !only.exact || only.late => Placement::Unmatched,
        [only] if only.has_account || evidence.accounts > 1 => Placement::Conflict,
        [only] => Placement::Matched {
            user: only.user,
            bucket: if only.guest { Bucket::Guest } else { Bucket::Onboarded },
            hub_role: if evidence.owners.contains(&only.user) { HubRole::Owner } else { HubRole::Collaborator },
        },
        _ => Placement::Conflict,
    }
}

/// A known account as it is now, where the app shows it otherwise than we knew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is in the app.
    pub known: Presence,
    /// Its role.
    pub role: Option<String>,
    /// Its assets.
    pub assets: Vec<AssetGrant>,
    /// What people read beside it.
    pub status: MemberStatus,
    /// Whether an invitation was accepted.
    pub accepted: bool,
}

/// What a sync changes about a known account; `None` where all is as known, or what we know is
/// newer. Whose it is never changes here.
pub fn change(member: &Member, seen: &Observed, login: Login, now: Micros) -> Option<Change> {
    if member.known_at > seen.seen_at {
        return None;
    }
    let accepted = member.known == Presence::Pending && seen.presence == Presence::Active;
    let status = status(member, seen, login, now);
    // Some apps list invited people without a role; what was asked for stays known.
    let role = match seen.presence {
        Presence::Pending => seen.role.clone().or_else(|| member.known_role.clone()),
        Presence::Active | Presence::Suspended | Presence::Absent => seen.role.clone(),
    };
    let assets = known_assets(member, seen);
    let same_assets = assets::diff(&member.known_assets, &assets).is_empty();
    if member.known == seen.presence && member.known_role == role && same_assets && member.status == status {
        return None;
    }
    Some(Change { known: seen.presence, role, assets, status, accepted })
}

/// The assets as the app shows them; what is known stays where it shows none, or not yet, because the person
/// was only invited.
fn known_assets(member: &Member, seen: &Observed) -> Vec<AssetGrant> {
    match (&seen.assets, seen.presence) {
        (None, _) => member.known_assets.clone(),
        (Some(shown), Presence::Pending) if shown.is_empty() => member.known_assets.clone(),
        (Some(shown), Presence::Pending | Presence::Active | Presence::Suspended | Presence::Absent) => {
            // Told in another order, it is the same.
            let same = assets::diff(&member.known_assets, shown).is_empty();
            if same { member.known_assets.clone() } else { shown.clone() }
        }
    }
}

fn status(member: &Member, seen: &Observed, login: Login, now: Micros) -> MemberStatus {
    // What is under way speaks for itself; what a person decided stays.
    if member.status.is_under_way() || member.bucket == Bucket::Exempted {
        return member.status;
    }
    match (seen.presence, member.known) {
        (Presence::Pending, _) if seen.expires_at.is_some_and(|at| at <= now) => MemberStatus::InviteExpired,
        (Presence::Pending, _) => MemberStatus::PendingInviteClaim,
        (Presence::Active, Presence::Pending) if login == Login::Password && member.user.is_some() => {
            MemberStatus::AwaitingUserLogin
        }
        (Presence::Active | Presence::Suspended | Presence::Absent, _) => match member.status {
            // Seen again, or in use: these are over.
            MemberStatus::Removed
            | MemberStatus::PendingInviteClaim
            | MemberStatus::InviteExpired
            | MemberStatus::InviteFailed => at_rest(member.bucket),
            MemberStatus::Settled
            | MemberStatus::UnmatchedUser
            | MemberStatus::Exempted
            | MemberStatus::PendingUserClaim
            | MemberStatus::NeedsData
            | MemberStatus::Inviting
            | MemberStatus::AwaitingUserLogin
            | MemberStatus::AwaitingUpdate
            | MemberStatus::UpdateFailed
            | MemberStatus::AwaitingDeprovisioning
            | MemberStatus::DeprovisioningFailed
            | MemberStatus::SyncFailed => member.status,
        },
    }
}

/// The status of an account about which there is nothing to report but its bucket.
pub const fn at_rest(bucket: Bucket) -> MemberStatus {
    match bucket {
        Bucket::Onboarded | Bucket::Guest => MemberStatus::Settled,
        Bucket::Unmatched => MemberStatus::UnmatchedUser,
        Bucket::Exempted => MemberStatus::Exempted,
    }
}

/// What becomes of a known account that the app no longer lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It is gone.
    Gone,
    /// Its invitation ran out.
    Expired,
    /// Nothing can be concluded: the app may not list invitations (R7.10), or we know better.
    Stays,
}

/// Judge it; `listed_before` says whether an earlier sync saw it, `began` when this list began.
pub fn missing(
    member: &Member,
    listed_before: bool,
    expires_at: Option<Micros>,
    began: Micros,
    now: Micros,
) -> Missing {
    if member.remote_id.is_none() || member.known_at >= began {
        return Missing::Stays;
    }
    match member.known {
        Presence::Absent => Missing::Stays,
        Presence::Active | Presence::Suspended => Missing::Gone,
        Presence::Pending if listed_before => Missing::Gone,
        Presence::Pending if expires_at.is_some_and(|at| at <= now) => Missing::Expired,
        Presence::Pending => Missing::Stays,
    }
}

/// R7.6: whether a sync may mark `gone` of `known` accounts as removed. Strictly more than the
/// threshold does not pass; nothing known never trips.
pub fn trips(gone: i64, known: i64, threshold_percent: u32) -> bool {
    known > 0 && gone.saturating_mul(100) > known.saturating_mul(i64::from(threshold_percent))
}

/// What an account was known to have, and what the app shows on it now.
pub type Both = (Vec<AssetGrant>, Vec<AssetGrant>);

/// How many assets these accounts were known to have, and how many of them are not shown any more. A permission
/// that was taken from us hides them all at once, and looks like everybody's loss (R7.6).
pub fn held_and_lost(accounts: &[Both]) -> (i64, i64) {
    let sum = |of: fn(&Both) -> usize| i64::try_from(accounts.iter().map(of).sum::<usize>()).unwrap_or(i64::MAX);
    (sum(|(held, _)| held.len()), sum(|(held, shown)| assets::lost(held, shown)))
}

/// What a sync found and did, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Accounts nobody knew.
    pub found: i64,
    /// Of these, and of those unmatched before: matched to somebody.
    pub matched: i64,
    /// Claims that a person must settle.
    pub conflicts: i64,
    /// Known accounts that were otherwise than known.
    pub changed: i64,
    /// Known accounts that are gone.
    pub removed: i64,
    /// Manual items that were closed.
    pub closed: i64,
}

#[cfg(test)]
mod tests;
