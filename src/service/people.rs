//! People: found by userName or e-mail, and everything one of them holds or should hold, hub by hub.

use serde::Serialize;

use super::{Caller, Context, ServiceError};
use crate::base::ids::{UserId, WorkspaceId};
use crate::base::limits::PERSON_TEXT;
use crate::domain::decide::{Ground, decide};
use crate::domain::hub_rules as rules;
use crate::domain::member::Presence;
use crate::domain::task::TaskStatus;
use crate::scim::fold;
use crate::store::hubs as hub_rows;
use crate::store::{DbConn, StoreError, facts, people, reading, users};

/// People shown for one look.
const FOUND: i64 = 25;

/// A person who was found.
#[derive(Clone, Debug, Serialize)]
pub struct FoundPerson {
    /// SCIM id.
    pub id: String,
    /// The userName; absent after the user was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Whether the identity provider calls them active; absent after the user was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}

/// What was found; `more` when the list was cut.
#[derive(Clone, Debug, Serialize)]
pub struct FoundPeople {
    /// At most 25.
    pub items: Vec<FoundPerson>,
    /// Whether there are more: the text should be longer.
    pub more: bool,
}

/// One person in all hubs.
#[derive(Clone, Debug, Serialize)]
pub struct PersonHubs {
    /// Who.
    pub person: FoundPerson,
    /// Every hub of the workspace that has, had or wants them, then the others.
    pub hubs: Vec<PersonHub>,
}

/// One person in one hub.
#[derive(Clone, Debug, Serialize)]
pub struct PersonHub {
    /// The hub's id.
    pub hub: String,
    /// The name people read.
    pub label: String,
    /// The role they should hold there; absent for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// What is known of their account; absent where they never had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<Presence>,
    /// The role they hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Where their open task stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskStatus>,
}

impl PersonHub {
    /// Whether the hub has anything to do with them.
    pub const fn concerns(&self) -> bool {
        self.wanted.is_some() || self.known.is_some() || self.task.is_some()
    }
}

/// People whose userName begins with the text, or who have exactly this e-mail.
///
/// # Errors
/// [`ServiceError::Invalid`] for an empty or very long text.
pub async fn find(context: &Context, caller: &Caller, text: &str) -> Result<FoundPeople, ServiceError> {
    let text = text.trim().to_owned();
    if text.is_empty() || text.chars().count() > PERSON_TEXT || text.chars().any(char::is_control) {
        return Err(ServiceError::Invalid(format!(
            "look for a userName or an e-mail of at most {PERSON_TEXT} characters"
        )));
    }
    let workspace = caller.workspace;
    context
        .store
        .read(move |conn| {
            let limit = FOUND.saturating_add(1);
            let (name, email) = (fold::user_name(&text), fold::email(&text));
            let mut ids = people::by_user_name(conn, workspace, &name, limit)?;
            ids.extend(people::by_email(conn, workspace, &email, limit)?);
            ids.extend(people::by_account_email(conn, workspace, &email, limit)?);
            let mut found = Vec::new();
            for id in ids {
                if !found.contains(&id) {
                    found.push(id);
                }
            }
            let shown = usize::try_from(FOUND).unwrap_or(usize::MAX);
            let more = found.len() > shown;
            found.truncate(shown);
            let items = found.into_iter().map(|id| person(conn, workspace, id)).collect::<Result<_, _>>()?;
            Ok(FoundPeople { items, more })
        })
        .await
}

/// Who is meant by a text that somebody typed.
#[derive(Clone, Debug)]
pub enum Meant {
    /// This person.
    One(FoundPerson),
    /// One of these.
    Several(FoundPeople),
    /// Nobody who is known, or nobody whom the reader may find.
    Nobody,
}

/// Who is meant by an id, a userName or its beginning, or an e-mail. Who sees only what is theirs is not
/// told who else there is: several are nobody.
///
/// # Errors
/// As [`find`].
pub async fn meant(context: &Context, caller: &Caller, text: &str) -> Result<Meant, ServiceError> {
    let workspace = caller.workspace;
    if let Ok(id) = text.trim().parse::<UserId>() {
        return Ok(Meant::One(context.store.read(move |conn| person(conn, workspace, id)).await?));
    }
    let mut found = find(context, caller, text).await?;
    let exact = fold::user_name(text.trim());
    let is_it = |one: &FoundPerson| one.user_name.as_deref().is_some_and(|name| fold::user_name(name) == exact);
    let place = found.items.iter().position(is_it).or((found.items.len() == 1).then_some(0));
    Ok(match (place, caller.sight.narrowed()) {
        (Some(place), _) => Meant::One(found.items.swap_remove(place)),
        (None, None) if !found.items.is_empty() => Meant::Several(found),
        (None, _) => Meant::Nobody,
    })
}

fn person(conn: &mut DbConn, workspace: WorkspaceId, id: UserId) -> Result<FoundPerson, StoreError> {
    let row = users::load_many(conn, workspace, &[id])?.pop();
    Ok(FoundPerson {
        id: id.to_string(),
        active: row.as_ref().map(|row| row.active),
        user_name: row.map(|row| row.user_name),
    })
}

/// One person in every hub of the workspace.
///
/// # Errors
/// [`ServiceError::NotFound`] for somebody the workspace never had.
pub async fn hubs(context: &Context, caller: &Caller, id: &str) -> Result<PersonHubs, ServiceError> {
    let user = super::tasks::user(id)?;
    let (workspace, now, catalog) = (caller.workspace, context.clock.now(), context.catalog.clone());
    context
        .store
        .read(move |conn| {
            let person = person(conn, workspace, user)?;
            let mut all = Vec::new();
            for record in hub_rows::records(conn, workspace)? {
                let hub = record.hub;
                // An app that is not in the catalog any more says nothing about anybody.
                let Ok(app) = rules::app(&catalog, &hub.app) else { continue };
                let rules = facts::rules(conn, workspace, hub.id)?;
                let Some(facts) = facts::of_people(conn, workspace, hub.id, app, &rules, &[user])?.pop() else {
                    continue;
                };
                let ground = Ground { app, policy: &hub.policy, rules: &rules };
                let (entitled, _) = decide(&ground, &facts, now, now);
                all.push(PersonHub {
                    hub: hub.slug.to_string(),
                    label: hub.label,
                    wanted: entitled.seat().map(|seat| seat.role.clone()),
                    known: facts.member.as_ref().map(|member| member.known),
                    role: facts.member.and_then(|member| member.known_role),
                    task: facts.open.map(|task| task.status),
                });
            }
            let is_stranger = person.user_name.is_none()
                && !all.iter().any(PersonHub::concerns)
                && reading::activity(
                    conn,
                    workspace,
                    &reading::ActivityFilter { user: Some(user), ..Default::default() },
                    None,
                    1,
                )?
                .is_empty();
            if is_stranger {
                return Err(ServiceError::NotFound("user"));
            }
            all.sort_by_key(|hub| !hub.concerns());
            Ok(PersonHubs { person, hubs: all })
        })
        .await
}
