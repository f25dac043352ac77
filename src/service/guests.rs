//! Guests: people from outside the corporate directory, kept here and by no identity provider
//! (business-hubs.md sections 2 and 9). No SCIM credential sees or changes them. They are a guest in
//! the workspace whatever is given to them, and in a hub as anybody: by a share, or through a team.

use serde::Deserialize;
use serde_json::{Value, json};

use super::rights::check_arrival;
use super::roster::{self, PersonView};
use super::scribe::{About, Scribe};
use super::{Caller, Context, ServiceError, shown};
use crate::base::ids::{SELF_MANAGED, UserId, WorkspaceId};
use crate::domain::catalog::Catalog;
use crate::domain::sync;
use crate::scim::user::{self, UserKeys};
use crate::store::managers::Awaited;
use crate::store::reach::Reach;
use crate::store::rules_lock::rules_change;
use crate::store::{DbConn, StoreError, Tx, marks, memberships, partners, people, roles, users};

/// Somebody to invite.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GuestBody {
    /// Their e-mail, which is their userName here too.
    #[serde(default)]
    pub email: String,
    /// Their given name.
    pub given_name: Option<String>,
    /// Their family name.
    pub family_name: Option<String>,
}

impl GuestBody {
    fn read(&self) -> Result<Value, ServiceError> {
        let Some(email) = sync::address(&self.email) else {
            return Err(ServiceError::Invalid(String::from("email: the e-mail address of whoever is invited")));
        };
        shown::check_identifier("email", Some(&email))?;
        let name = |field: &'static str, text: &Option<String>| match text.as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) if text.chars().any(char::is_control) => {
                Err(ServiceError::Invalid(format!("{field}: no control characters")))
            }
            Some(text) => shown::check_identifier(field, Some(text)).map(|()| Some(text.to_owned())),
        };
        let given = name("given_name", &self.given_name)?;
        let family = name("family_name", &self.family_name)?;
        let mut document = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": email, "active": true,
            "userType": "Guest", "emails": [{ "value": email, "type": "work", "primary": true }],
        });
        let both: Vec<&str> = given.as_deref().into_iter().chain(family.as_deref()).collect();
        if let (false, Some(document)) = (both.is_empty(), document.as_object_mut()) {
            document.insert("displayName".into(), json!(both.join(" ")));
            let mut name = serde_json::Map::new();
            for (key, part) in [("givenName", &given), ("familyName", &family)] {
                if let Some(part) = part {
                    name.insert(key.into(), json!(part));
                }
            }
            document.insert("name".into(), Value::Object(name));
        }
        Ok(document)
    }
}

/// Bring in somebody from outside. Shares that wait for their name are theirs at once.
///
/// # Errors
/// [`ServiceError::Invalid`] naming the field; [`ServiceError::Conflict`] for whoever is in the
/// directory, who becomes a normal member, and for a guest who is here already;
/// [`ServiceError::Missing`] where a hub waits for somebody of this name and the caller may not manage its
/// members.
pub async fn invite(context: &Context, caller: &Caller, body: &GuestBody) -> Result<PersonView, ServiceError> {
    let invitation = Invitation::read(body)?;
    let (scribe, catalog) = (Scribe::new(context, caller), context.catalog.clone());
    let made = context
        .store
        .write(move |tx| {
            let id = invitation.take_in(tx, &scribe, &catalog, json!({}))?;
            roster::person(tx, scribe.workspace, &catalog, id, scribe.now)
        })
        .await?;
    context.nudge.planner();
    Ok(made)
}

/// Somebody to bring in, checked as far as it goes without the database.
pub(super) struct Invitation {
    keys: UserKeys,
    document: String,
}

impl Invitation {
    /// # Errors
    /// [`ServiceError::Invalid`] naming the field.
    pub fn read(body: &GuestBody) -> Result<Self, ServiceError> {
        let document = body.read()?;
        let Value::Object(object) = &document else {
            return Err(ServiceError::Invalid(String::from("email: not an address")));
        };
        Ok(Self { keys: user::keys(object)?, document: document.to_string() })
    }

    /// Bring them in; `detail` goes into the record.
    ///
    /// # Errors
    /// [`ServiceError::Conflict`] for whoever is here already; [`ServiceError::Missing`] naming the hubs in
    /// which they would take up a waiting share that is not the caller's to give.
    pub fn take_in(
        &self,
        tx: &mut Tx<'_>,
        scribe: &Scribe,
        catalog: &Catalog,
        detail: Value,
    ) -> Result<UserId, ServiceError> {
        let (workspace, keys) = (scribe.workspace, &self.keys);
        rules_change(tx, workspace)?;
        nobody_has(tx, workspace, &keys.user_name_key, &keys.emails)?;
        check_arrival(tx, scribe, catalog, Awaited::Person(&keys.user_name_key))?;
        let id = UserId::from_uuid(scribe.id());
        users::insert(tx, workspace, SELF_MANAGED, id, keys, &self.document, scribe.now)?;
        marks::user_arrived(tx, workspace, id, &keys.user_name_key, &scribe.change("guest_invited"))?;
        let target = format!("user:{id}");
        let personal = Some(json!({ "userName": keys.user_name }));
        scribe.record(
            tx,
            "guest.invited",
            About { target: &target, user: Some(id), detail, personal, ..About::default() },
        )?;
        Ok(id)
    }
}

/// Somebody in the directory is a normal member and no guest.
fn nobody_has(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    name: &str,
    emails: &[(String, String)],
) -> Result<(), ServiceError> {
    let mut found: Vec<UserId> = crate::store::reading::user_by_name(conn, workspace, name)?.into_iter().collect();
    for (email, _) in emails {
        found.extend(people::by_email(conn, workspace, email, 1)?);
    }
    let Some(row) = users::load_many(conn, workspace, &found)?.pop() else { return Ok(()) };
    Err(ServiceError::Conflict(if row.source == SELF_MANAGED {
        format!("email: they are a guest here already: {}", row.id)
    } else {
        format!("email: they are in the directory already, and a normal member: user {}", row.id)
    }))
}

/// Take a guest out of the workspace: what they were given ends, and so do their seats (R9.1).
///
/// # Errors
/// [`ServiceError::NotFound`] for nobody, and for whoever an identity provider keeps.
pub async fn remove(context: &Context, caller: &Caller, id: &str) -> Result<(), ServiceError> {
    let id: UserId = id.parse().map_err(|_| ServiceError::NotFound("guest"))?;
    let scribe = Scribe::new(context, caller);
    context.store.write(move |tx| send_off(tx, &scribe, &[id])).await?;
    context.nudge.planner();
    Ok(())
}

/// The same for several, in one transaction.
///
/// # Errors
/// [`ServiceError::NotFound`] when one of them is no guest.
pub(super) fn send_off(tx: &mut Tx<'_>, scribe: &Scribe, guests: &[UserId]) -> Result<(), ServiceError> {
    let workspace = scribe.workspace;
    rules_change(tx, workspace)?;
    // Groups before the users, as a change of members does it, so that the two never wait for each other
    // crosswise.
    let mut groups = Vec::new();
    for id in guests {
        groups.extend(memberships::group_ids_of(tx, workspace, id.uuid())?);
    }
    groups.sort_unstable();
    groups.dedup();
    memberships::lock_groups(tx, workspace, &groups)?;
    for id in guests {
        let row = match users::load_for_delete(tx, workspace, Reach::Source(SELF_MANAGED), *id) {
            Err(StoreError::NotFound) => return Err(ServiceError::NotFound("guest")),
            other => other?,
        };
        roles::take(tx, workspace, *id)?;
        partners::forget(tx, workspace, *id)?;
        forget(tx, scribe, *id, &row.user_name)?;
    }
    Ok(())
}

/// Marks first, while the rows still say which hubs are concerned.
fn forget(tx: &mut Tx<'_>, scribe: &Scribe, id: UserId, user_name: &str) -> Result<(), ServiceError> {
    let workspace = scribe.workspace;
    marks::user_changed(tx, workspace, id, &scribe.change("guest_removed"))?;
    let groups = memberships::remove_everywhere(tx, workspace, id.uuid(), scribe.now)?;
    users::delete(tx, workspace, id, scribe.now)?;
    let target = format!("user:{id}");
    let about = About {
        target: &target,
        user: Some(id),
        detail: json!({ "left": groups }),
        personal: Some(json!({ "userName": user_name })),
        ..About::default()
    };
    Ok(scribe.record(tx, "guest.removed", about)?)
}
