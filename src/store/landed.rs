//! What an app holds after a task: the member row, the access interval. The one place that turns
//! a finished attempt, or a person's word that it is done, into what we know.

use std::collections::HashMap;

use super::conn::DbConn;
use super::intervals::{self, Because, Holding};
use super::kept::Keep as _;
use super::schema::tasks;
use super::{StoreError, Tx, hub_members};
use crate::base::clock::Micros;
use crate::base::ids::{IntervalId, MemberId, UserId, WorkspaceId};
use crate::base::random::Ids;
use crate::domain::hub::{Hub, Login};
use crate::domain::mapping::AssetGrant;
use crate::domain::member::{Bucket, Member, MemberStatus, Presence};
use crate::domain::task::{Task, TaskKind};
use diesel::prelude::*;

/// The account as the app has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landing {
    /// There, invited, suspended, gone.
    pub presence: Presence,
    /// The app's stable id, when it told.
    pub remote_id: Option<String>,
    /// The role it holds.
    pub role: Option<String>,
    /// The assets it holds; `None` where they were not part of what was done, so that nothing is claimed
    /// that nobody gave.
    pub assets: Option<Vec<AssetGrant>>,
    /// When an invitation runs out.
    pub expires_at: Option<Micros>,
    /// How we know: `applied`, `already_in_state`, `verified`, `by_hand` …
    pub evidence: &'static str,
}

impl Landing {
    /// What the task wanted, on a person's word.
    pub fn by_hand(task: &Task) -> Self {
        let presence = match task.effect.kind {
            TaskKind::Add | TaskKind::UpdateRole | TaskKind::Sync => Presence::Active,
            TaskKind::Remove if task.effect.suspend => Presence::Suspended,
            TaskKind::Remove => Presence::Absent,
        };
        Self {
            presence,
            remote_id: task.effect.remote_id.clone(),
            role: task.effect.role.clone(),
            // The item's steps named them.
            assets: Some(task.effect.assets.clone()),
            expires_at: None,
            evidence: "by_hand",
        }
    }
}

impl Landing {
    /// What the activity record says of it: enough to write the access interval again (T-20).
    pub fn told(&self, task: &Task) -> serde_json::Value {
        let mappings: Vec<String> = task.reasons.iter().map(|reason| reason.mapping.to_string()).collect();
        serde_json::json!({
            "presence": self.presence,
            "role": self.role,
            "hub_role": task.effect.hub_role,
            "assets": self.assets.as_deref().unwrap_or_default(),
            "evidence": self.evidence,
            "mappings": mappings,
            "member": task.member.map(|member| member.to_string()),
        })
    }
}

/// What recording led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It stands in this row.
    In(MemberId),
    /// The account belongs to somebody else here; nothing was written.
    BelongsTo(UserId),
}

/// Record what the app holds for the task's person.
///
/// # Errors
/// A failed statement.
pub fn record(
    tx: &mut Tx<'_>,
    task: &Task,
    hub: &Hub,
    landing: &Landing,
    ids: &Ids,
    now: Micros,
) -> Result<Recorded, StoreError> {
    let workspace = task.workspace;
    let from = format!("task:{}", task.id);
    let mut mine = find(tx, task)?;
    if let Some(remote) = &landing.remote_id
        && let Some(other) = hub_members::by_remote(tx, workspace, task.hub, remote)?
        && mine.as_ref().is_none_or(|mine| mine.id != other.id)
    {
        match (other.user, task.user) {
            (Some(owner), user) if user != Some(owner) => return Ok(Recorded::BelongsTo(owner)),
            _ => mine = Some(join(tx, task, mine, other)?),
        }
    }
    let known = mine.is_some();
    let mut member = mine.unwrap_or_else(|| blank(task, ids, now));
    settle(&mut member, task, hub.login, landing, now);
    if known {
        hub_members::update(tx, workspace, &member, &from, now)?;
    } else {
        hub_members::insert(tx, workspace, &member, &from, now)?;
    }
    if landing.presence == Presence::Pending {
        hub_members::invited(tx, workspace, member.id, now, landing.expires_at)?;
    }
    interval(tx, task, hub, &member, landing, ids, now)?;
    Ok(Recorded::In(member.id))
}

/// [`record`] for the usual ends of many tasks of one hub, in few statements: members that have their
/// rows, and accounts that are or become theirs.
///
/// # Errors
/// [`StoreError::NotFound`] where one has no row, [`StoreError::Conflict`] where an account belongs to
/// another row: such ends are for [`record`]. Or that of a statement.
pub fn record_all(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    hub: &Hub,
    landings: &[(&Task, &Landing)],
    ids: &Ids,
    now: Micros,
) -> Result<(), StoreError> {
    let members: Vec<MemberId> = landings.iter().filter_map(|(task, _)| task.member).collect();
    let remotes: Vec<&str> = landings.iter().filter_map(|(_, landing)| landing.remote_id.as_deref()).collect();
    let found = hub_members::of_ends(tx, workspace, hub.id, &members, &remotes)?;
    let owners: HashMap<String, MemberId> =
        found.iter().filter_map(|member| Some((member.remote_id.clone()?, member.id))).collect();
    let mut rows: HashMap<MemberId, Member> = found.into_iter().map(|member| (member.id, member)).collect();
    let mut learned = Vec::with_capacity(landings.len());
    for (task, landing) in landings {
        let mut member = task.member.and_then(|id| rows.remove(&id)).ok_or(StoreError::NotFound)?;
        let owner = landing.remote_id.as_ref().and_then(|remote| owners.get(remote));
        if owner.is_some_and(|owner| *owner != member.id) {
            return Err(StoreError::Conflict { constraint: "hub_members_remote".to_owned() });
        }
        settle(&mut member, task, hub.login, landing, now);
        learned.push((member, format!("task:{}", task.id)));
    }
    hub_members::learn_all(tx, workspace, &learned, now)?;
    let assets: Vec<String> = learned
        .iter()
        .map(|(member, _)| serde_json::to_string(&member.known_assets).map_err(|e| StoreError::Corrupt(e.to_string())))
        .collect::<Result<_, _>>()?;
    let (mut held, mut ended) = (Vec::new(), Vec::new());
    for (((task, landing), (member, _)), assets) in landings.iter().zip(&learned).zip(&assets) {
        let because = because(task, landing, now);
        match landing.presence {
            Presence::Active => held.push((holding(task, hub, member, assets, ids), because)),
            Presence::Absent | Presence::Suspended => ended.push((member.id, because)),
            Presence::Pending => hub_members::invited(tx, workspace, member.id, now, landing.expires_at)?,
        }
    }
    intervals::hold_all(tx, workspace, &held)?;
    intervals::end_all(tx, workspace, &ended)
}

/// The app no longer has the account we knew: forget the id and that it is there.
///
/// # Errors
/// A failed statement.
pub fn gone(tx: &mut Tx<'_>, task: &Task, now: Micros) -> Result<(), StoreError> {
    if let Some(mut member) = find(tx, task)? {
        member.known = Presence::Absent;
        member.known_role = None;
        member.known_assets = Vec::new();
        member.remote_id = None;
        member.known_at = now;
        hub_members::update(tx, task.workspace, &member, &format!("task:{}", task.id), now)?;
        let because = Because { cause: "gone_in_app", task: Some(task.id), evidence: "not_found", now };
        intervals::end(tx, task.workspace, member.id, &because)?;
    }
    Ok(())
}

fn find(conn: &mut DbConn, task: &Task) -> Result<Option<Member>, StoreError> {
    if let Some(id) = task.member {
        match hub_members::load(conn, task.workspace, id) {
            Ok(member) => return Ok(Some(member)),
            Err(StoreError::NotFound) => {}
            Err(other) => return Err(other),
        }
    }
    match task.user {
        Some(user) => hub_members::by_user(conn, task.workspace, task.hub, user),
        None => Ok(None),
    }
}

/// The account was found in the app before we knew whose it is: the row with the app's id stays,
/// a row made when the task was planned goes.
fn join(tx: &mut Tx<'_>, task: &Task, mine: Option<Member>, mut other: Member) -> Result<Member, StoreError> {
    if let Some(mine) = mine {
        let open = Because { cause: "joined", task: Some(task.id), evidence: "same_account", now: mine.known_at };
        intervals::end(tx, task.workspace, mine.id, &open)?;
        intervals::move_member(tx, task.workspace, mine.id, other.id)?;
        hub_members::forget(tx, task.workspace, mine.id, other.id)?;
        other.reasons = mine.reasons;
        other.hub_role = mine.hub_role;
    }
    diesel::update(tasks::table.find((task.workspace.0, task.id.bytes())))
        .set(tasks::member_id.eq(Some(other.id.bytes())))
        .kept()
        .execute(tx)?;
    other.user = task.user;
    if other.bucket == Bucket::Unmatched {
        other.bucket = Bucket::Onboarded;
    }
    Ok(other)
}

fn blank(task: &Task, ids: &Ids, now: Micros) -> Member {
    let principal = &task.effect.principal;
    Member {
        id: MemberId::from_uuid(ids.next()),
        hub: task.hub,
        user: task.user,
        remote_id: None,
        email_key: Some(crate::scim::fold::email(&principal.email)).filter(|key| !key.is_empty()),
        display: principal.display_name.clone().unwrap_or_else(|| principal.user_name.clone()),
        bucket: if task.user.is_some() { Bucket::Onboarded } else { Bucket::Unmatched },
        managed: false,
        protected: false,
        status: MemberStatus::Settled,
        hub_role: None,
        known: Presence::Absent,
        known_role: None,
        known_assets: Vec::new(),
        known_at: now,
        reasons: Vec::new(),
    }
}

fn settle(member: &mut Member, task: &Task, login: Login, landing: &Landing, now: Micros) {
    member.known = landing.presence;
    member.known_at = now;
    member.status = match landing.presence {
        Presence::Pending => MemberStatus::PendingInviteClaim,
        Presence::Absent => MemberStatus::Removed,
        // Joined at once, and their password for the app is not known yet.
        Presence::Active if task.effect.kind == TaskKind::Add && login == Login::Password && member.user.is_some() => {
            MemberStatus::AwaitingUserLogin
        }
        Presence::Active | Presence::Suspended => MemberStatus::Settled,
    };
    match landing.presence {
        Presence::Absent => {
            member.known_role = None;
            member.known_assets = Vec::new();
            member.remote_id = None;
            member.reasons = Vec::new();
        }
        Presence::Suspended => {
            if let Some(assets) = &landing.assets {
                member.known_assets.clone_from(assets);
            }
            member.remote_id = landing.remote_id.clone().or_else(|| member.remote_id.take());
            member.reasons = Vec::new();
        }
        Presence::Pending | Presence::Active => {
            member.known_role = landing.role.clone();
            if let Some(assets) = &landing.assets {
                member.known_assets = assets.clone();
            }
            member.remote_id = landing.remote_id.clone().or_else(|| member.remote_id.take());
            member.managed = true;
            member.hub_role = task.effect.hub_role.or(member.hub_role);
            member.reasons = task.reasons.clone();
        }
    }
}

fn interval(
    tx: &mut Tx<'_>,
    task: &Task,
    hub: &Hub,
    member: &Member,
    landing: &Landing,
    ids: &Ids,
    now: Micros,
) -> Result<(), StoreError> {
    let because = because(task, landing, now);
    match landing.presence {
        // An invitation is no access yet; the sync that sees it accepted opens the interval.
        Presence::Pending => Ok(()),
        Presence::Absent | Presence::Suspended => intervals::end(tx, task.workspace, member.id, &because),
        Presence::Active => {
            let assets = serde_json::to_string(&member.known_assets).map_err(|e| StoreError::Corrupt(e.to_string()))?;
            intervals::hold(tx, task.workspace, &holding(task, hub, member, &assets, ids), &because)
        }
    }
}

fn because<'a>(task: &'a Task, landing: &'a Landing, now: Micros) -> Because<'a> {
    Because { cause: &task.cause, task: Some(task.id), evidence: landing.evidence, now }
}

fn holding<'a>(task: &'a Task, hub: &'a Hub, member: &'a Member, assets: &'a str, ids: &Ids) -> Holding<'a> {
    Holding {
        id: IntervalId::from_uuid(ids.next()),
        user: member.user,
        person: &task.effect.principal.email,
        hub: task.hub,
        hub_slug: hub.slug.as_str(),
        member: member.id,
        app_role: member.known_role.as_deref(),
        assets,
    }
}

/// The task failed, or waits for a person: its member's row says so (section 4.2). A kept account shows
/// that it is kept, whatever happened.
///
/// # Errors
/// A failed statement.
pub fn failed(tx: &mut Tx<'_>, task: &Task, now: Micros) -> Result<(), StoreError> {
    let Some(mut member) = find(tx, task)?.filter(|member| member.bucket != Bucket::Exempted) else { return Ok(()) };
    let status = MemberStatus::failed(task.effect.kind);
    if member.status == status {
        return Ok(());
    }
    member.status = status;
    hub_members::set_plan(tx, task.workspace, &member, now)
}
