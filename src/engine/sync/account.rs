//! One account of the list as a row of ours: a fresh one, whether it may be matched, how it is told of.

use serde_json::json;

use crate::base::clock::Micros;
use crate::base::ids::MemberId;
use crate::domain::hub::Hub;
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};
use crate::domain::sync::Observed;
use crate::store::StoreError;

/// The row of an account that nobody knew.
pub(super) fn blank(hub: &Hub, id: MemberId, seen: &Observed) -> Member {
    Member {
        id,
        hub: hub.id,
        user: None,
        remote_id: Some(seen.remote_id.clone()),
        email_key: seen.address.clone(),
        display: seen.display.clone(),
        bucket: Bucket::Unmatched,
        managed: false,
        protected: false,
        status: MemberStatus::UnmatchedUser,
        hub_role: None,
        known: seen.presence,
        known_role: seen.role.clone(),
        known_assets: seen.assets.clone().unwrap_or_default(),
        known_at: seen.seen_at,
        reasons: Vec::new(),
    }
}

/// An account that was found, or turned out to be one that had another row.
pub(super) fn found(member: &Member, was: Option<MemberId>) -> serde_json::Value {
    json!({
        "member": member.id, "known": member.known, "role": member.known_role, "assets": member.known_assets,
        "was": was,
    })
}

/// Its assets as an access interval keeps them.
pub(super) fn assets_json(member: &Member) -> Result<String, StoreError> {
    serde_json::to_string(&member.known_assets).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A row that is nobody's may be matched as long as it shows the address that it was found with: one
/// that changed since is a person's to judge (T-02).
pub(super) fn open_to_match(row: &Member, seen: &Observed) -> bool {
    let open = row.user.is_none() && row.bucket == Bucket::Unmatched && row.email_key == seen.address;
    // Nor one that somebody protected.
    open && !row.protected
}

/// Whether a person's row has an account of the app.
pub(super) fn has_account(member: &Member) -> bool {
    member.known != Presence::Absent && member.remote_id.is_some()
}

/// What is read beside an account that was just matched.
pub(super) fn first_status(seen: &Observed, now: Micros) -> MemberStatus {
    match seen.presence {
        Presence::Pending if seen.expires_at.is_some_and(|at| at <= now) => MemberStatus::InviteExpired,
        Presence::Pending => MemberStatus::PendingInviteClaim,
        Presence::Active | Presence::Suspended | Presence::Absent => MemberStatus::Settled,
    }
}
