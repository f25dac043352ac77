//! Accounts of a hub as people see them, by bucket.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::leavers::{self, Place};
use super::page::{Page, PageRequest};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::clock::Micros;
use crate::base::ids::{MemberId, WorkspaceId};
use crate::domain::catalog::Catalog;
use crate::domain::create_fields;
use crate::domain::hub::Hub;
use crate::domain::mapping::{AssetGrant, HubRole};
use crate::domain::member::Member;
use crate::domain::plan::PRIORITY_LEAVER;
use crate::domain::protection::Protection;
use crate::store::protections::{self, Waiting};
use crate::store::{DbConn, StoreError, given_fields, hub_members};

pub use crate::domain::member::{Bucket, MemberStatus, Presence, Reason};

/// What a list is narrowed to, and its page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberQuery {
    /// `onboarded`, `unmatched`, `guest` or `exempted`.
    pub bucket: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// An account as the API shows it.
#[derive(Clone, Debug, Serialize)]
pub struct MemberView {
    /// Our id.
    pub id: String,
    /// The user's SCIM id, also after the user was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The name people read.
    pub display: String,
    /// Folded e-mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The app's stable id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// Where it stands.
    pub bucket: Bucket,
    /// Whether automation may remove or demote it.
    pub managed: bool,
    /// Never removed or demoted without a person.
    pub protected: bool,
    /// Whether the person left: deactivated or deleted at the identity provider.
    pub left: bool,
    /// Of who left and is still in the app: that they are, and what lets them stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub still_there: Option<String>,
    /// `inviting`, `awaiting_update` … (docs/api.md); empty when there is nothing to report.
    pub status: MemberStatus,
    /// What is missing before it can be added, by the create field's name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// What is known of it.
    pub known: Presence,
    /// The known role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Known assets.
    pub assets: Vec<AssetGrant>,
    /// The role in the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub_role: Option<HubRole>,
    /// Why it is exempted (R4.5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt_reason: Option<String>,
    /// When that became known.
    pub known_at: String,
    /// Why, by whom and until when a person protected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protection: Option<ProtectionView>,
    /// What automation wants of it and a person must decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldChange>,
    /// The mappings under which it was last granted.
    pub reasons: Vec<Reason>,
    /// What the last sync saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedView>,
}

/// A protection, as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct ProtectionView {
    /// Why, in their words.
    pub reason: String,
    /// Who said so.
    pub by: String,
    /// RFC 3339.
    pub since: String,
    /// RFC 3339; absent where it does not end by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

impl From<&Protection> for ProtectionView {
    fn from(given: &Protection) -> Self {
        Self {
            reason: given.reason.clone(),
            by: given.by.clone(),
            since: given.since.to_rfc3339(),
            until: given.until.map(Micros::to_rfc3339),
        }
    }
}

/// A change that waits for a person.
#[derive(Clone, Debug, Serialize)]
pub struct HeldChange {
    /// The task.
    pub task: String,
    /// The batch it is held in: `POST /api/v1/held/{id}/release` with `tasks`.
    pub hold: String,
    /// `add`, `update_role` or `remove`.
    pub kind: String,
    /// Why it is held, in one word.
    pub reason: String,
    /// Whether the person left and is still there.
    pub leaver: bool,
}

impl From<&Waiting> for HeldChange {
    fn from(waiting: &Waiting) -> Self {
        Self {
            task: waiting.task.to_string(),
            hold: waiting.hold.to_string(),
            kind: waiting.kind.clone(),
            reason: waiting.reason.clone(),
            leaver: waiting.priority == PRIORITY_LEAVER,
        }
    }
}

/// What the last sync saw of an account.
#[derive(Clone, Debug, Serialize)]
pub struct ObservedView {
    /// `pending`, `active`, `suspended`.
    pub state: Presence,
    /// Its role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Its assets, where the app tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assets: Option<Vec<AssetGrant>>,
    /// RFC 3339.
    pub at: String,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            id: member.id.to_string(),
            user: member.user.map(|user| user.to_string()),
            display: member.display,
            email: member.email_key,
            remote_id: member.remote_id,
            bucket: member.bucket,
            managed: member.managed,
            protected: member.protected,
            left: false,
            still_there: None,
            status: member.status,
            needs: Vec::new(),
            known: member.known,
            role: member.known_role,
            assets: member.known_assets,
            hub_role: member.hub_role,
            exempt_reason: None,
            known_at: member.known_at.to_rfc3339(),
            protection: None,
            held: None,
            reasons: member.reasons,
            observed: None,
        }
    }
}

/// One account of a hub.
///
/// # Errors
/// [`ServiceError::NotFound`] for the hub, and for an account that is not in it.
pub async fn show(context: &Context, caller: &Caller, slug: &str, member: &str) -> Result<MemberView, ServiceError> {
    let id: MemberId = member.parse().map_err(|_| ServiceError::NotFound("member"))?;
    let (workspace, slug, catalog) = (caller.workspace, slug.to_owned(), context.catalog.clone());
    let now = context.clock.now();
    context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let member = match hub_members::load(conn, workspace, id) {
                Ok(member) if member.hub == hub.id => member,
                Ok(_) | Err(StoreError::NotFound) => return Err(ServiceError::NotFound("member")),
                Err(other) => return Err(other.into()),
            };
            let these = vec![member];
            let needs = needs(conn, workspace, &catalog, &hub, &these)?.remove(&id).unwrap_or_default();
            let Some(member) = these.into_iter().next() else { return Err(ServiceError::NotFound("member")) };
            let place = Place { workspace, hub: &hub, app: catalog.get(&hub.app), now };
            Ok(MemberView { needs, ..whole(conn, &place, member)? })
        })
        .await
}

/// What the waiting additions among these members lack.
fn needs(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    hub: &Hub,
    members: &[Member],
) -> Result<HashMap<MemberId, Vec<String>>, StoreError> {
    let Some(app) = catalog.get(&hub.app).filter(|app| !app.create_fields.is_empty()) else {
        return Ok(HashMap::new());
    };
    let waiting = given_fields::of_waiting(conn, workspace, members)?;
    let names = |values| create_fields::lacking(app, &values).into_iter().map(|field| field.name.clone()).collect();
    Ok(waiting.into_iter().map(|(member, values)| (member, names(values))).collect())
}

/// An account with everything that is known around it.
pub(super) fn whole(conn: &mut DbConn, place: &Place<'_>, member: Member) -> Result<MemberView, ServiceError> {
    let (workspace, id) = (place.workspace, member.id);
    let exempt_reason = hub_members::exempt_reason(conn, workspace, id)?;
    let seen = hub_members::observed(conn, workspace, &[id])?.into_iter().next();
    let observed = seen.map(|(_, seen)| observed_view(seen));
    let protection = protections::of_members(conn, workspace, [&member])?.get(&id).map(ProtectionView::from);
    let these = std::slice::from_ref(&member);
    let held = protections::waiting(conn, workspace, member.hub, these)?.get(&id).map(HeldChange::from);
    let gone = leavers::among(conn, place, these)?.remove(&id);
    let (left, still_there) = (gone.is_some(), gone.flatten());
    Ok(MemberView { exempt_reason, observed, protection, held, left, still_there, ..MemberView::from(member) })
}

pub(super) fn observed_view(seen: hub_members::Observed) -> ObservedView {
    ObservedView { state: seen.state, role: seen.role, assets: seen.assets, at: seen.at.to_rfc3339() }
}

/// A page of a hub's accounts.
///
/// # Errors
/// [`ServiceError::NotFound`] for the hub, [`ServiceError::Invalid`] for an unknown bucket.
pub async fn list(
    context: &Context,
    caller: &Caller,
    slug: &str,
    query: MemberQuery,
) -> Result<Page<MemberView>, ServiceError> {
    let (workspace, slug, catalog) = (caller.workspace, slug.to_owned(), context.catalog.clone());
    let now = context.clock.now();
    let page = PageRequest { limit: query.limit, cursor: query.cursor };
    let (limit, after) = (page.limit(), page.after::<MemberId>()?);
    let bucket = match query.bucket.as_deref() {
        None => None,
        Some(word) => Some(Bucket::from_word(word).ok_or_else(|| {
            ServiceError::Invalid(String::from("bucket must be one of onboarded, unmatched, guest, exempted"))
        })?),
    };
    let found = context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
            let rows = hub_members::page(conn, workspace, hub.id, bucket, after, wanted)?;
            let ids: Vec<MemberId> = rows.iter().map(|member| member.id).collect();
            let mut reasons = hub_members::exempt_reasons(conn, workspace, &rows)?;
            let protected = protections::of_members(conn, workspace, &rows)?;
            let waiting = protections::waiting(conn, workspace, hub.id, &rows)?;
            let mut seen: BTreeMap<MemberId, _> = hub_members::observed(conn, workspace, &ids)?.into_iter().collect();
            let mut missing = needs(conn, workspace, &catalog, &hub, &rows)?;
            let place = Place { workspace, hub: &hub, app: catalog.get(&hub.app), now };
            let mut gone = leavers::among(conn, &place, &rows)?;
            let view = |member: Member| {
                let exempt_reason = reasons.remove(&member.id);
                let seen = seen.remove(&member.id);
                let observed = seen.map(observed_view);
                let needs = missing.remove(&member.id).unwrap_or_default();
                let protection = protected.get(&member.id).map(ProtectionView::from);
                let held = waiting.get(&member.id).map(HeldChange::from);
                let gone = gone.remove(&member.id);
                let (left, still_there) = (gone.is_some(), gone.flatten());
                MemberView {
                    exempt_reason,
                    observed,
                    needs,
                    protection,
                    held,
                    left,
                    still_there,
                    ..MemberView::from(member)
                }
            };
            Ok::<_, ServiceError>(rows.into_iter().map(view).collect::<Vec<_>>())
        })
        .await?;
    Ok(Page::cut(found, limit, |member| member.id.clone()))
}
