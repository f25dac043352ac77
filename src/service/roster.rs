//! Who is in the workspace and as what: a list, and one person with what gives them their role and
//! which hubs they run.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::page::{Page, PageRequest};
use super::rights::standings;
use super::{Caller, Context, ServiceError};
use crate::base::clock::Micros;
use crate::base::ids::{GroupId, SELF_MANAGED, SourceId, UserId, WorkspaceId};
use crate::base::limits::{PEOPLE_LOOKED_AT, PERSON_TEXT};
use crate::domain::catalog::Catalog;
use crate::domain::principal;
use crate::domain::rights::{Claims, HubRight, Role, UnknownRole};
use crate::scim::fold;
use crate::store::people::{self, From, Narrowed};
use crate::store::roles::{self, Named};
use crate::store::users::UserRow;
use crate::store::{DbConn, StoreError, groups, hubs, managers, sources, users};

/// People looked at in one statement.
const LOOK: i64 = 200;

/// What a list is narrowed to.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleQuery {
    /// Only people who are this, whatever gives it.
    pub role: Option<String>,
    /// `live` or `disabled`.
    pub status: Option<String>,
    /// A beginning of the userName, or an e-mail.
    pub q: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Whether somebody is active, in the words of the API this one is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Active.
    Live,
    /// Deactivated.
    Disabled,
}

/// Where somebody comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Origin {
    /// The identity provider of this source.
    Directory {
        /// Its name.
        source: String,
    },
    /// From outside: invited and kept here.
    Guest,
}

/// A person as the API shows them.
#[derive(Clone, Debug, Serialize)]
pub struct PersonView {
    /// The SCIM id.
    pub id: String,
    /// The userName.
    pub user_name: String,
    /// The name people read.
    pub display: String,
    /// The e-mail that apps are told.
    pub email: String,
    /// Whether they are active.
    pub status: Status,
    /// Where they come from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The workspace role that counts now.
    pub role: Role,
    /// What they were given by name, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<GivenView>,
    /// Groups of theirs that give a role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub through: Vec<ThroughView>,
    /// Hubs they have a right in beyond using them; only where one person is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<BTreeMap<String, HubRight>>,
}

/// A role given by name.
#[derive(Clone, Debug, Serialize)]
pub struct GivenView {
    /// The role.
    pub role: Role,
    /// Who gave it: `user:<id>`, `token:<id>` or `cli`.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
    /// Whether it counts: not one from before a deactivation.
    pub counts: bool,
}

/// A role through a group.
#[derive(Clone, Debug, Serialize)]
pub struct ThroughView {
    /// The group's id.
    pub group: String,
    /// Its name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// Whether it counts: not one from before a deactivation, until the identity provider names it again.
    pub counts: bool,
}

/// What is looked for, read.
struct Wanted {
    role: Option<Role>,
    narrowed: Narrowed,
}

impl PeopleQuery {
    fn read(&self) -> Result<Wanted, ServiceError> {
        let role = self.role.as_deref().map(str::parse::<Role>).transpose();
        let role = role.map_err(|error: UnknownRole| ServiceError::Invalid(format!("role: {error}")))?;
        let active = match self.status.as_deref() {
            None => None,
            Some("live") => Some(true),
            Some("disabled") => Some(false),
            Some(_) => return Err(ServiceError::Invalid(String::from("status: one of live, disabled"))),
        };
        let text = match self.q.as_deref().map(str::trim) {
            None => None,
            Some(text)
                if text.is_empty() || text.chars().count() > PERSON_TEXT || text.chars().any(char::is_control) =>
            {
                return Err(ServiceError::Invalid(format!(
                    "q: the beginning of a userName, or an e-mail, of at most {PERSON_TEXT} characters"
                )));
            }
            Some(text) => Some((fold::user_name(text), fold::email(text))),
        };
        let from = match role {
            // What everybody is of whom nobody said anything.
            None | Some(Role::User) => From::Anywhere,
            Some(Role::Guest) => From::GivenOrGuest,
            Some(Role::LoginOnly | Role::Auditor | Role::Admin | Role::SuperAdmin | Role::Owner) => From::Given,
        };
        Ok(Wanted { role, narrowed: Narrowed { active, text, from } })
    }
}

/// A page of the people of the workspace, by id. A page may be short, or empty, and have a `next` all
/// the same: there is an end to how many are looked at for one.
///
/// # Errors
/// [`ServiceError::Invalid`] naming the filter that is wrong, or for a bad cursor.
pub async fn list(context: &Context, caller: &Caller, query: &PeopleQuery) -> Result<Page<PersonView>, ServiceError> {
    let wanted = query.read()?;
    let page = PageRequest { limit: query.limit, cursor: query.cursor.clone() };
    let (workspace, limit, begin) = (caller.workspace, page.limit(), page.after::<UserId>()?);
    context
        .store
        .read(move |conn| {
            let mut found: Vec<UserId> = Vec::new();
            let (mut after, mut looked) = (begin, 0);
            let mut more = true;
            while more && found.len() <= limit && looked < PEOPLE_LOOKED_AT {
                let some = people::page(conn, workspace, &wanted.narrowed, after, LOOK)?;
                more = i64::try_from(some.len()).unwrap_or(LOOK) == LOOK;
                looked = looked.saturating_add(some.len());
                after = some.last().copied().or(after);
                found.extend(those_who_are(conn, workspace, some, wanted.role)?);
            }
            let full = found.len() > limit;
            found.truncate(limit);
            let next = if full { found.last().copied() } else { after.filter(|_| more) };
            let items = views(conn, workspace, &found)?;
            Ok(Page { items, next: next.map(|user| user.to_string()) })
        })
        .await
}

fn those_who_are(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    some: Vec<UserId>,
    role: Option<Role>,
) -> Result<Vec<UserId>, StoreError> {
    let Some(role) = role else { return Ok(some) };
    let claims = roles::claims(conn, workspace, &some)?;
    Ok(some.into_iter().filter(|user| claims.get(user).is_some_and(|claims| claims.role() == role)).collect())
}

/// One person, with the hubs they run.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub async fn show(context: &Context, caller: &Caller, user: &str) -> Result<PersonView, ServiceError> {
    let user: UserId = user.parse().map_err(|_| ServiceError::NotFound("user"))?;
    let (workspace, catalog, now) = (caller.workspace, context.catalog.clone(), context.clock.now());
    context.store.read(move |conn| person(conn, workspace, &catalog, user, now)).await
}

/// The same inside a transaction.
///
/// # Errors
/// [`ServiceError::NotFound`].
pub(super) fn person(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    user: UserId,
    now: Micros,
) -> Result<PersonView, ServiceError> {
    let mut view = views(conn, workspace, &[user])?.pop().ok_or(ServiceError::NotFound("user"))?;
    let mut runs = BTreeMap::new();
    for id in managers::hubs_near(conn, workspace, user)? {
        let hub = match hubs::load(conn, workspace, id) {
            Err(StoreError::NotFound) => continue,
            other => other?,
        };
        let right = standings(conn, workspace, catalog, &hub, &[user], now)?.pop().and_then(|one| one.right);
        if let Some(right) = right.filter(|right| *right > HubRight::Collaborator) {
            runs.insert(hub.slug.to_string(), right);
        }
    }
    view.runs = Some(runs);
    Ok(view)
}

fn views(conn: &mut DbConn, workspace: WorkspaceId, people: &[UserId]) -> Result<Vec<PersonView>, ServiceError> {
    let rows = users::load_many(conn, workspace, people)?;
    let claims = roles::claims(conn, workspace, people)?;
    let mut named = roles::named(conn, workspace, people)?;
    let mut groups_met: Vec<GroupId> =
        claims.values().flat_map(|claims| &claims.given).filter_map(|given| given.group).collect();
    groups_met.sort_unstable();
    groups_met.dedup();
    let groups: HashMap<GroupId, String> =
        groups::load_many(conn, workspace, &groups_met)?.into_iter().map(|row| (row.id, row.display_name)).collect();
    let sources: HashMap<SourceId, String> =
        sources::list(conn, workspace)?.into_iter().map(|source| (source.id, source.name)).collect();
    rows.into_iter()
        .filter_map(|row| claims.get(&row.id).map(|claims| (row, claims)))
        .map(|(row, claims)| {
            let given = named.remove(&row.id);
            view(row, claims, given, &groups, &sources)
        })
        .collect()
}

fn view(
    row: UserRow,
    claims: &Claims,
    given: Option<Named>,
    groups: &HashMap<GroupId, String>,
    sources: &HashMap<SourceId, String>,
) -> Result<PersonView, ServiceError> {
    let document = serde_json::from_str(&row.document).map_err(|_| StoreError::Corrupt("a user's document".into()))?;
    let shown = principal::of_user(row.id, &row.user_name, &document);
    let through = claims.given.iter().filter_map(|given| {
        let group = given.group?;
        Some(ThroughView {
            group: group.to_string(),
            name: groups.get(&group).cloned().unwrap_or_default(),
            role: given.role,
            counts: claims.counts(given),
        })
    });
    Ok(PersonView {
        id: row.id.to_string(),
        display: principal::display(&shown),
        email: shown.email,
        status: if row.active { Status::Live } else { Status::Disabled },
        origin: if row.source == SELF_MANAGED {
            Origin::Guest
        } else {
            Origin::Directory { source: sources.get(&row.source).cloned().unwrap_or_default() }
        },
        role: claims.role(),
        given: given.map(|named| GivenView {
            role: named.role,
            counts: claims.given.iter().any(|given| given.group.is_none() && claims.counts(given)),
            by: named.given_by,
            at: named.given_at.to_rfc3339(),
        }),
        through: through.collect(),
        runs: None,
        user_name: row.user_name,
    })
}
