//! Taking a person out, row by row and text by text. What was done, where, when and by whose word stays.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary};
use serde_json::Value;

use super::super::reach::Reach;
use super::super::schema::{
    access_intervals, activity, decisions, failures_read, hub_managers, hub_members, leavers, mail_refusals,
    partner_people, protections, reconcile_marks, sync_seen, task_owners, tasks, tokens, told, webhook_deliveries,
};
use super::super::{StoreError, Tx, given_fields, memberships, roles, users};
use super::{BATCH, Traces, effect, texts};
use crate::base::clock::Micros;
use crate::base::ids::{UserId, WorkspaceId};
use crate::domain::addressee::owner_way;
use crate::domain::member::ONE_PERSON;
use crate::domain::redaction::{ERASED, Names};
use crate::domain::task::{Closing, Principal};
use crate::scim::fold;

/// What was taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Erased {
    /// Whether the user itself was still kept.
    pub user_deleted: bool,
    /// Records whose personal data is gone.
    pub records: usize,
    /// Tasks without names, addresses and texts.
    pub tasks: usize,
    /// Accounts forgotten; none of them exists in an app.
    pub accounts: usize,
    /// Access intervals without an address.
    pub intervals: usize,
    /// Events that were delivered or given up.
    pub events: usize,
    /// Rows of others' that named them.
    pub texts: usize,
}

impl std::ops::AddAssign for Erased {
    fn add_assign(&mut self, more: Self) {
        self.user_deleted |= more.user_deleted;
        self.records += more.records;
        self.tasks = self.tasks.max(more.tasks);
        self.accounts += more.accounts;
        self.intervals += more.intervals;
        self.events += more.events;
        self.texts += more.texts;
    }
}

/// Take the person out. The caller has seen that nothing stands in the way, in this transaction.
///
/// # Errors
/// A failed statement.
pub fn erase(
    tx: &mut Tx<'_>,
    workspace: WorkspaceId,
    user: UserId,
    traces: &Traces,
    now: Micros,
) -> Result<Erased, StoreError> {
    // The directory first: its locks come before all others, as when the user is deleted.
    let mut erased = Erased { user_deleted: directory(tx, workspace, user, now)?, ..Erased::default() };
    for batch in traces.records.chunks(BATCH) {
        erased.records += diesel::update(activity::table)
            .filter(activity::workspace.eq(workspace.0))
            .filter(activity::id.eq_any(batch))
            .filter(activity::personal.is_not_null())
            .set(activity::personal.eq(None::<String>))
            .execute(&mut **tx)?;
    }
    for id in &traces.tasks {
        erased.tasks += task(tx, workspace, id)?;
    }
    for batch in traces.tasks.chunks(BATCH) {
        diesel::delete(task_owners::table)
            .filter(task_owners::workspace.eq(workspace.0))
            .filter(task_owners::task_id.eq_any(batch))
            .execute(&mut **tx)?;
    }
    erased.accounts = accounts(tx, workspace, user, &traces.names)?;
    erased.intervals = intervals(tx, workspace, user, &traces.names)?;
    for batch in traces.events.chunks(BATCH) {
        erased.events += diesel::delete(webhook_deliveries::table)
            .filter(webhook_deliveries::workspace.eq(workspace.0))
            .filter(webhook_deliveries::event_id.eq_any(batch))
            .filter(webhook_deliveries::state.ne("pending"))
            .execute(&mut **tx)?;
    }
    own_rows(tx, workspace, user)?;
    erased.texts = texts::take_out(tx, workspace, &traces.texts)?;
    Ok(erased)
}

/// The user, its groups, roles and addresses, as when the identity provider deletes it.
fn directory(tx: &mut Tx<'_>, workspace: WorkspaceId, user: UserId, now: Micros) -> Result<bool, StoreError> {
    let groups = memberships::group_ids_of(tx, workspace, user.uuid())?;
    memberships::lock_groups(tx, workspace, &groups)?;
    let kept = match users::load_for_delete(tx, workspace, Reach::Workspace, user) {
        Ok(_) => true,
        Err(StoreError::NotFound) => false,
        Err(other) => return Err(other),
    };
    memberships::remove_everywhere(tx, workspace, user.uuid(), now)?;
    if kept {
        users::delete(tx, workspace, user, now)?;
    }
    roles::take(tx, workspace, user)?;
    given_fields::forget_user(tx, workspace, user)?;
    Ok(kept)
}

/// Rows that are about them alone.
fn own_rows(tx: &mut Tx<'_>, workspace: WorkspaceId, user: UserId) -> Result<(), StoreError> {
    let (id, word, way) = (user.bytes(), format!("user:{user}"), owner_way(user));
    diesel::delete(hub_managers::table)
        .filter(hub_managers::workspace.eq(workspace.0))
        .filter(hub_managers::user_id.eq(&id))
        .execute(&mut **tx)?;
    diesel::delete(partner_people::table)
        .filter(partner_people::workspace.eq(workspace.0))
        .filter(partner_people::user_id.eq(&id))
        .execute(&mut **tx)?;
    diesel::delete(reconcile_marks::table)
        .filter(reconcile_marks::workspace.eq(workspace.0))
        .filter(reconcile_marks::user_id.eq(&id))
        .execute(&mut **tx)?;
    diesel::delete(leavers::table)
        .filter(leavers::workspace.eq(workspace.0))
        .filter(leavers::user_id.eq(&id))
        .execute(&mut **tx)?;
    // What they signed in with: nobody can be them any more.
    diesel::delete(tokens::table)
        .filter(tokens::workspace.eq(workspace.0))
        .filter(tokens::acts_as.eq(&id))
        .execute(&mut **tx)?;
    diesel::delete(task_owners::table)
        .filter(task_owners::workspace.eq(workspace.0))
        .filter(task_owners::user_id.eq(&id))
        .execute(&mut **tx)?;
    diesel::delete(failures_read::table)
        .filter(failures_read::workspace.eq(workspace.0))
        .filter(failures_read::reader.eq(&word))
        .execute(&mut **tx)?;
    diesel::delete(decisions::table)
        .filter(decisions::workspace.eq(workspace.0))
        .filter(decisions::subject.eq(&word))
        .execute(&mut **tx)?;
    // A way holds no space and no wildcard.
    diesel::delete(told::table)
        .filter(told::workspace.eq(workspace.0))
        .filter(told::key.like(format!("{way} %")))
        .execute(&mut **tx)?;
    diesel::delete(mail_refusals::table.find((workspace.0, &way))).execute(&mut **tx)?;
    Ok(())
}

/// Rows of accounts, none of which is in an app any more, with what hangs on them.
fn accounts(tx: &mut Tx<'_>, workspace: WorkspaceId, user: UserId, names: &Names) -> Result<usize, StoreError> {
    let keys: Vec<String> = names.called.iter().map(|name| fold::email(name)).collect();
    let nobodys = hub_members::user_id.is_null().and(hub_members::email_key.eq_any(&keys));
    let gone: Vec<(Vec<u8>, Option<String>)> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::known_state.eq("absent"))
        .filter(hub_members::user_id.eq(user.bytes()).or(nobodys))
        .select((hub_members::id, hub_members::remote_id))
        .load(&mut **tx)?;
    for (id, remote) in &gone {
        diesel::delete(protections::table.find((workspace.0, id))).execute(&mut **tx)?;
        diesel::delete(hub_members::table.find((workspace.0, id))).execute(&mut **tx)?;
        if let Some(remote) = remote {
            diesel::delete(decisions::table)
                .filter(decisions::workspace.eq(workspace.0))
                .filter(decisions::subject.eq(format!("remote:{remote}")))
                .execute(&mut **tx)?;
        }
    }
    diesel::delete(sync_seen::table)
        .filter(sync_seen::workspace.eq(workspace.0))
        .filter(sync_seen::address.eq_any(&keys))
        .execute(&mut **tx)?;
    Ok(gone.len())
}

fn intervals(tx: &mut Tx<'_>, workspace: WorkspaceId, user: UserId, names: &Names) -> Result<usize, StoreError> {
    let written: Vec<&String> = names.called.iter().collect();
    let nobodys = access_intervals::user_id.is_null().and(access_intervals::person.eq_any(&written));
    Ok(diesel::update(access_intervals::table)
        .filter(access_intervals::workspace.eq(workspace.0))
        .filter(access_intervals::user_id.eq(user.bytes()).or(nobodys))
        .filter(access_intervals::person.ne(ERASED))
        .set(access_intervals::person.eq(ERASED))
        .execute(&mut **tx)?)
}

/// A closed task without names, addresses, the account's id and texts: what was done where and when stays.
fn task(tx: &mut Tx<'_>, workspace: WorkspaceId, id: &[u8]) -> Result<usize, StoreError> {
    type Row = (String, String, String, Option<String>);
    let row = tasks::table.find((workspace.0, id));
    let found: Option<Row> =
        row.select((tasks::payload, tasks::reasons, tasks::subject, tasks::finished_by)).first(&mut **tx).optional()?;
    let Some((payload, reasons, subject, closing)) = found else { return Ok(0) };
    let mut effect = effect(&payload)?;
    // Our own id of them, not theirs.
    effect.principal = Principal { external_id: effect.principal.external_id.take(), ..Principal::default() };
    effect.remote_id = None;
    effect.extra.clear();
    let text = serde_json::to_string(&effect).map_err(|error| StoreError::Corrupt(format!("task: {error}")))?;
    let subject = if subject.starts_with("remote:") { format!("remote:{ERASED}") } else { subject };
    diesel::sql_query("UPDATE attempts SET detail = NULL WHERE workspace = $1 AND task_id = $2")
        .bind::<BigInt, _>(workspace.0)
        .bind::<Binary, _>(id)
        .execute(&mut **tx)?;
    Ok(diesel::update(row)
        .set((
            tasks::payload.eq(text),
            tasks::reasons.eq(without_people(&reasons)),
            tasks::subject.eq(subject),
            tasks::finished_by.eq(closing.map(|kept| Closing::read(&kept).actor)),
            tasks::error_detail.eq(None::<String>),
            tasks::instructions.eq(None::<String>),
        ))
        .execute(&mut **tx)?)
}

/// The reasons of a task, a rule for one user without its name.
fn without_people(reasons: &str) -> String {
    let mut all: Value = serde_json::from_str(reasons).unwrap_or_else(|_| Value::Array(Vec::new()));
    for reason in all.as_array_mut().into_iter().flatten() {
        let subject = reason.get_mut("subject");
        if let Some(subject) = subject.filter(|one| one.as_str().is_some_and(|text| text.starts_with(ONE_PERSON))) {
            *subject = Value::from(format!("{ONE_PERSON}{ERASED}"));
        }
    }
    all.to_string()
}
