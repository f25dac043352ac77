//! An address of a hub's connection changes: what that means for the secrets that were given for the old
//! one and for whom we know there, said before it is done and kept in sight afterwards.

use super::ServiceError;
use super::scribe::Scribe;
use crate::domain::app::{App, FieldFormat};
use crate::domain::hub::Hub;
use crate::domain::problem::{self, Cause};
use crate::store::{DbConn, Tx, hub_members, hub_secrets, problems};

/// Fields of the connection that are addresses and differ.
pub(super) fn moved_addresses(app: &App, before: &Hub, after: &Hub) -> Vec<String> {
    let urls = app.fields.iter().filter(|field| field.format == FieldFormat::Url);
    urls.filter(|field| before.connection.get(&field.name) != after.connection.get(&field.name))
        .map(|field| field.name.clone())
        .collect()
}

/// What nobody else says when an address of the connection changes: we believe what we knew.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn known_as_before(
    conn: &mut DbConn,
    scribe: &Scribe,
    hub: &Hub,
    moved: &[String],
) -> Result<Option<String>, ServiceError> {
    let known = hub_members::managed_now(conn, scribe.workspace, hub.id)?;
    if moved.is_empty() || known == 0 {
        return Ok(None);
    }
    let who = if known == 1 { "1 person stays known" } else { &format!("{known} people stay known") };
    Ok(Some(format!(
        "{}: {} changes: {who} as at the old address; nobody is added at the new one or removed at the old one for \
         that. If it is another space of the app, connect it as a hub of its own",
        hub.slug,
        moved.join(", "),
    )))
}

/// What a changed address does to the secrets that were given for the old one (threat T-21), where they
/// are not given again with the change.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn secrets_lost(
    conn: &mut DbConn,
    app: &App,
    before: &Hub,
    after: &Hub,
    moved: &[String],
    (scribe, given): (&Scribe, &[String]),
) -> Result<Option<String>, ServiceError> {
    if moved.is_empty() {
        return Ok(None);
    }
    let (wanted, mut lost) = (after.secret_names(), hub_secrets::names(conn, scribe.workspace, before.id)?);
    lost.retain(|name| wanted.contains(name) && !given.contains(name));
    Ok(give_again(app, after, moved, &lost))
}

/// The change was made, and these secrets went with the old address. Not only once a task meets it: the
/// hub can do nothing from now on, and somebody should know. Answers what to tell of it.
///
/// # Errors
/// [`ServiceError::Store`].
pub(super) fn stands_still(
    tx: &mut Tx<'_>,
    scribe: &Scribe,
    app: &App,
    hub: &Hub,
    moved: &[String],
    mut lost: Vec<String>,
) -> Result<Option<String>, ServiceError> {
    let wanted = hub.secret_names();
    lost.retain(|name| wanted.contains(name));
    if app.is_called() && !lost.is_empty() {
        let message = problem::secrets_missing(&lost, moved);
        problems::report(tx, scribe.workspace, hub.id, Cause::AuthBroken, &message, scribe.now)?;
    }
    Ok(give_again(app, hub, moved, &lost))
}

fn give_again(app: &App, hub: &Hub, moved: &[String], lost: &[String]) -> Option<String> {
    if lost.is_empty() {
        return None;
    }
    let stands = if app.is_called() { "; until then the hub stands still" } else { "" };
    let (slug, commands) = (&hub.slug, problem::set_commands(hub.slug.as_str(), lost));
    Some(format!(
        "{slug}: {} changes, so the secrets of the old address are forgotten and these must be given again: {}. \
         Set them with {commands}{stands}",
        moved.join(", "),
        lost.join(", "),
    ))
}
