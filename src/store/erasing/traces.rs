//! Where something of a person is written, beside the rows that carry their id. Reads over the whole
//! record: a name may stand in a rule that waited for its user.

use std::collections::HashSet;

use diesel::prelude::*;
use serde_json::Value;

use super::super::conn::DbConn;
use super::super::schema::{access_intervals, activity, hub_members, tasks, users};
use super::texts::{self, Found};
use super::{BATCH, StoreError, effect};
use crate::base::ids::{UserId, WorkspaceId};
use crate::domain::redaction::{ERASED, Names};
use crate::domain::task::Principal;

/// Members of what stands beside a record that are the person's own, where the record is about them.
const OWN: [&str; 4] = ["userName", "person", "user", "display"];

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// What they are called.
    pub names: Names,
    /// Records with something beside them that is about somebody of that name.
    pub records: Vec<Vec<u8>>,
    /// Their tasks, also those for an account of theirs that was nobody's yet.
    pub tasks: Vec<Vec<u8>>,
    /// Events about them, delivered or not.
    pub events: Vec<Vec<u8>>,
    /// Texts of others that name them.
    pub texts: Vec<Found>,
}

impl Traces {
    /// Whether there is nothing left to take out.
    pub fn is_none(&self) -> bool {
        self.records.is_empty() && self.events.is_empty() && self.texts.is_empty()
    }
}

/// Find everything that is written about a person; `more` is what an earlier look knew of their names,
/// which are gone by now.
///
/// # Errors
/// A failed statement.
pub fn traces(conn: &mut DbConn, workspace: WorkspaceId, user: UserId, more: &Names) -> Result<Traces, StoreError> {
    let mut found = Traces { names: more.clone(), ..Traces::default() };
    of_directory(conn, workspace, user, &mut found.names)?;
    of_record(conn, workspace, user, &mut found)?;
    of_accounts(conn, workspace, user, &mut found.names)?;
    of_tasks(conn, workspace, user, &mut found)?;
    let names = &found.names;
    // Of others' records only those that name the person inside a longer text: a userName may have been
    // somebody else's before.
    let records = texts::rows(conn, workspace, ("activity", "id", "personal", "1 = 1"), names)?;
    let own: Vec<Vec<u8>> = std::mem::take(&mut found.records);
    let mut nameless: HashSet<Vec<u8>> = HashSet::new();
    for batch in records.chunks(BATCH) {
        let ids = activity::table
            .filter(activity::workspace.eq(workspace.0))
            .filter(activity::user_id.is_null())
            .filter(activity::id.eq_any(batch.iter().map(|(id, _)| id)))
            .select(activity::id);
        nameless.extend(ids.load::<Vec<u8>>(conn)?);
    }
    let about = |(id, text): &(Vec<u8>, String)| {
        names.are_in(text) || (nameless.contains(id) && holds(&serde_json::from_str(text).unwrap_or_default(), names))
    };
    let others = records.iter().filter(|row| about(row)).map(|(id, _)| id.clone());
    let mut all: Vec<Vec<u8>> = own.into_iter().chain(others).collect();
    all.sort_unstable();
    all.dedup();
    found.records = all;
    let mut with_id = names.clone();
    with_id.id(&user.to_string());
    let events = texts::rows(conn, workspace, ("webhook_deliveries", "event_id", "body", "1 = 1"), &with_id)?;
    let told = |body: &str| with_id.are_in(body) || holds(&serde_json::from_str(body).unwrap_or_default(), &with_id);
    found.events = events.into_iter().filter(|(_, body)| told(body)).map(|(id, _)| id).collect();
    found.events.sort_unstable();
    found.events.dedup();
    found.texts = texts::find(conn, workspace, &found.names)?;
    Ok(found)
}

/// The user, where the identity provider never deleted them.
fn of_directory(conn: &mut DbConn, workspace: WorkspaceId, user: UserId, names: &mut Names) -> Result<(), StoreError> {
    let row: Option<(String, Option<String>, String)> = users::table
        .find((workspace.0, user.bytes()))
        .select((users::user_name, users::external_id, users::document))
        .first(conn)
        .optional()?;
    let Some((user_name, external_id, document)) = row else { return Ok(()) };
    names.call(&user_name);
    names.id(external_id.as_deref().unwrap_or_default());
    let document: Value = serde_json::from_str(&document).unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    names.call(&text(document.get("displayName")));
    let name = |part: &str| text(document.pointer(&format!("/name/{part}")));
    names.call(&name("formatted"));
    names.call(&format!("{} {}", name("givenName"), name("familyName")));
    for email in document.get("emails").and_then(Value::as_array).into_iter().flatten() {
        names.call(&text(email.get("value")));
    }
    Ok(())
}

/// What stands beside the records about them.
fn of_record(conn: &mut DbConn, workspace: WorkspaceId, user: UserId, found: &mut Traces) -> Result<(), StoreError> {
    let own: Vec<(Vec<u8>, Option<String>)> = activity::table
        .filter(activity::workspace.eq(workspace.0))
        .filter(activity::user_id.eq(user.bytes()))
        .filter(activity::personal.is_not_null())
        .select((activity::id, activity::personal))
        .load(conn)?;
    for (id, personal) in own {
        let personal: Value = serde_json::from_str(&personal.unwrap_or_default()).unwrap_or_default();
        for name in OWN.iter().filter_map(|key| personal.get(key)?.as_str()) {
            found.names.call(name);
        }
        if let Some(remote) = personal.get("remote_id").and_then(Value::as_str) {
            found.names.id(remote);
        }
        found.records.push(id);
    }
    Ok(())
}

/// What apps and reports called them.
fn of_accounts(conn: &mut DbConn, workspace: WorkspaceId, user: UserId, names: &mut Names) -> Result<(), StoreError> {
    let addresses: Vec<String> = access_intervals::table
        .filter(access_intervals::workspace.eq(workspace.0))
        .filter(access_intervals::user_id.eq(user.bytes()))
        .filter(access_intervals::person.ne(ERASED))
        .select(access_intervals::person)
        .distinct()
        .load(conn)?;
    let accounts: Vec<(Option<String>, String, Option<String>)> = hub_members::table
        .filter(hub_members::workspace.eq(workspace.0))
        .filter(hub_members::user_id.eq(user.bytes()))
        .select((hub_members::email_key, hub_members::display, hub_members::remote_id))
        .load(conn)?;
    for address in addresses {
        names.call(&address);
    }
    for (address, display, remote) in accounts {
        names.call(&address.unwrap_or_default());
        names.call(&display);
        names.id(&remote.unwrap_or_default());
    }
    Ok(())
}

fn of_tasks(conn: &mut DbConn, workspace: WorkspaceId, user: UserId, found: &mut Traces) -> Result<(), StoreError> {
    let own: Vec<(Vec<u8>, String)> = tasks::table
        .filter(tasks::workspace.eq(workspace.0))
        .filter(tasks::user_id.eq(user.bytes()))
        .select((tasks::id, tasks::payload))
        .load(conn)?;
    for (id, payload) in own {
        let effect = effect(&payload)?;
        call(&mut found.names, &effect.principal);
        found.names.id(effect.remote_id.as_deref().unwrap_or_default());
        found.tasks.push(id);
    }
    // For an account of theirs that was nobody's yet.
    let further = "user_id IS NULL AND kind <> 'sync'";
    for (id, payload) in texts::rows(conn, workspace, ("tasks", "id", "payload", further), &found.names)? {
        let principal = effect(&payload)?.principal;
        if found.names.is_one(&principal.email) || found.names.is_one(&principal.user_name) {
            call(&mut found.names, &principal);
            found.tasks.push(id);
        }
    }
    Ok(())
}

fn call(names: &mut Names, principal: &Principal) {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    for name in [&principal.user_name, &principal.email, &part(&principal.display_name)] {
        names.call(name);
    }
    names.call(&format!("{} {}", part(&principal.given_name), part(&principal.family_name)));
}

/// Whether a text anywhere in it is one of these.
fn holds(value: &Value, names: &Names) -> bool {
    match value {
        Value::String(text) => names.is_one(text),
        Value::Array(items) => items.iter().any(|item| holds(item, names)),
        Value::Object(fields) => fields.values().any(|field| holds(field, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
