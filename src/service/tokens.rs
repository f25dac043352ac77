//! Making, listing and ending credentials. The text of a token leaves here once.

use serde::Serialize;
use serde_json::json;

use super::page::{Page, PageRequest};
use super::{Caller, Context, Scope, ServiceError, names, roles};
use crate::base::clock::Micros;
use crate::base::ids::{TokenId, UserId, WorkspaceId};
use crate::base::random;
use crate::base::secret::{Secret, SecretString};
use crate::domain::credential::{self, LOOKUP_BYTES, SECRET_BYTES};
use crate::domain::rights::{Maker, UnknownRole, Wanted, gives, may_end, may_make};
use crate::store::activity::{self, Entry};
use crate::store::tokens::{self, Token};
use crate::store::{DbConn, StoreError, roles as role_rows, sources, workspaces};

pub use crate::domain::credential::Ttl;
pub use crate::domain::rights::Role;

/// A token as the API and the command line show it.
#[derive(Clone, Debug, Serialize)]
pub struct TokenView {
    /// Its public identity.
    pub id: TokenId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scope: &'static str,
    /// The SCIM id of the person it acts as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acts_as: Option<String>,
    /// The role it has as a service; absent for a person's, and for the operator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The name of its source.
    pub source: String,
    /// `active`, `expired`, `revoked`, or `person_inactive` while the person it acts as is not active.
    pub state: &'static str,
    /// When it was made, RFC 3339.
    pub created: String,
    /// When it ends; absent for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
}

/// A token to make.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// The name of its source; `default` unless told.
    pub source: Option<String>,
    /// How long it lives.
    pub ttl: Ttl,
    /// As whom it acts.
    pub acting: NewActing,
}

/// As whom a new token acts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NewActing {
    /// Nobody in particular: with scope `admin` the operator, with `read` an auditor.
    #[default]
    Operator,
    /// A service with this role.
    Service(Role),
    /// A person, by SCIM id or userName.
    Person(String),
}

impl NewActing {
    /// Out of what a request or command named.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`] when it named both, or no role of ours.
    pub fn read(person: Option<String>, role: Option<&str>) -> Result<Self, ServiceError> {
        match (person, role) {
            (None, None) => Ok(Self::Operator),
            (Some(person), None) => Ok(Self::Person(person)),
            (None, Some(role)) => {
                role.parse().map(Self::Service).map_err(|error: UnknownRole| ServiceError::Invalid(error.to_string()))
            }
            (Some(_), Some(_)) => Err(ServiceError::Invalid(String::from(
                "a token acts as a person, whose role is their own, or as a service with a role: not both",
            ))),
        }
    }
}

/// A made token.
#[derive(Clone, Debug)]
pub struct Created {
    /// What can be seen again.
    pub view: TokenView,
    /// What is shown once.
    pub text: SecretString,
}

/// Make a token in the caller's workspace.
///
/// # Errors
/// [`ServiceError::Invalid`] for a bad name or an unknown source, [`ServiceError::Store`].
pub async fn create(context: &Context, caller: &Caller, wanted: NewToken) -> Result<Created, ServiceError> {
    names::check("a token", &wanted.name)?;
    let mut public = [0u8; LOOKUP_BYTES];
    let mut secret = Secret::new([0u8; SECRET_BYTES]);
    random::fill(&mut public);
    random::fill(secret.expose_mut());
    let minted = credential::mint(wanted.scope, &public, &secret);
    let hash = context.token_key.hash(minted.text.expose());
    let now = context.clock.now();
    let expires_at = match wanted.ttl {
        Ttl::For(span) => Some(now.plus(span)),
        Ttl::Never => None,
    };
    let id = TokenId::from_uuid(context.ids.next());
    let record = context.ids.next();
    let source = wanted.source.unwrap_or_else(|| String::from(workspaces::DEFAULT_NAME));
    let (name, scope, workspace, actor) = (wanted.name, wanted.scope, caller.workspace, caller.actor());
    let (acting, maker) = (wanted.acting, caller.maker());
    let request_id = caller.request_id.clone();
    let lookup = minted.lookup;
    let view = context
        .store
        .write(move |tx| {
            let source = sources::by_name(tx, workspace, &source)?.ok_or_else(|| {
                ServiceError::Invalid(format!("there is no source '{source}'; see `scimhub source list`"))
            })?;
            let acting = acting_as(tx, workspace, scope, &acting)?;
            may_make(maker, acting).map_err(ServiceError::Forbidden)?;
            if acting == Wanted::IdentityProvider {
                may_push(tx, workspace, &source, maker)?;
            }
            let token = Token {
                id,
                source: source.id,
                name: name.clone(),
                scope,
                acts_as: match acting {
                    Wanted::Person(user) => Some(user),
                    Wanted::Operator | Wanted::IdentityProvider | Wanted::Service(_) => None,
                },
                role: match acting {
                    Wanted::Service(role) => Some(role),
                    Wanted::Operator | Wanted::IdentityProvider | Wanted::Person(_) => None,
                },
                created_at: now,
                expires_at,
                revoked_at: None,
                last_used_at: None,
            };
            tokens::insert(tx, workspace, &token, &lookup, &hash)?;
            let entry = Entry {
                id: record,
                at: now,
                kind: "token.created",
                actor: &actor,
                target: &format!("token:{id}"),
                hub: None,
                user: None,
                task: None,
                request_id: Some(&request_id),
                detail: json!({
                    "scope": scope.as_str(), "source": source.name, "role": token.role, "acts_as": token.acts_as,
                }),
                // People call their credentials by whose they are.
                personal: Some(json!({ "name": name })),
            };
            activity::record(tx, workspace, &entry)?;
            let standing = standing(tx, workspace, &token)?;
            Ok::<_, ServiceError>(view(token, source.name, standing, now))
        })
        .await?;
    Ok(Created { view, text: minted.text })
}

/// Whoever pushes as an identity provider says who is in its groups: where they give roles, nobody
/// makes a token for it who could not give these.
fn may_push(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    source: &sources::Source,
    maker: Maker,
) -> Result<(), ServiceError> {
    let given = role_rows::mapped_in(conn, workspace, source.id)?;
    match given.into_iter().find(|role| !gives(maker, *role)) {
        None => Ok(()),
        Some(role) => Err(ServiceError::Forbidden(format!(
            "groups of the source '{}' give the role {role}, which you may not give: whoever has this token says who \
             is in them",
            source.name
        ))),
    }
}

/// As whom a token of this scope acts.
fn acting_as(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    scope: Scope,
    acting: &NewActing,
) -> Result<Wanted, ServiceError> {
    match (scope, acting) {
        (Scope::Scim, NewActing::Operator) => Ok(Wanted::IdentityProvider),
        (Scope::Scim, NewActing::Service(_) | NewActing::Person(_)) => Err(ServiceError::Invalid(String::from(
            "a token of scope scim belongs to an identity provider and acts as nobody else",
        ))),
        (Scope::Admin | Scope::Read, NewActing::Operator) => Ok(Wanted::Operator),
        (Scope::Admin | Scope::Read, NewActing::Service(role)) => Ok(Wanted::Service(*role)),
        (Scope::Admin | Scope::Read, NewActing::Person(name)) => {
            let user = roles::person_in_field(conn, workspace, "as", name)?;
            match role_rows::claims_of(conn, workspace, user)? {
                Some(person) if person.active => Ok(Wanted::Person(user)),
                Some(_) | None => Err(ServiceError::Invalid(format!("'{name}' is not active"))),
            }
        }
    }
}

fn acted(token: &Token) -> Wanted {
    match (token.scope, token.acts_as, token.role) {
        (Scope::Scim, _, _) => Wanted::IdentityProvider,
        (Scope::Admin | Scope::Read, Some(user), _) => Wanted::Person(user),
        (Scope::Admin | Scope::Read, None, Some(role)) => Wanted::Service(role),
        (Scope::Admin | Scope::Read, None, None) => Wanted::Operator,
    }
}

/// Whether the person behind a token is active; a token of nobody in particular always stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Stands,
    PersonInactive,
}

fn standing(conn: &mut DbConn, workspace: WorkspaceId, token: &Token) -> Result<Standing, StoreError> {
    let Some(user) = token.acts_as else { return Ok(Standing::Stands) };
    let active = role_rows::claims_of(conn, workspace, user)?.is_some_and(|person| person.active);
    Ok(if active { Standing::Stands } else { Standing::PersonInactive })
}

/// The tokens of the caller's workspace, oldest first, ended ones included.
///
/// # Errors
/// [`ServiceError::Invalid`] for a bad cursor, [`ServiceError::Store`].
pub async fn list(context: &Context, caller: &Caller, page: &PageRequest) -> Result<Page<TokenView>, ServiceError> {
    let (workspace, limit, after) = (caller.workspace, page.limit(), page.after::<TokenId>()?);
    let now = context.clock.now();
    let wanted = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let found = context
        .store
        .read(move |conn| {
            let sources = sources::list(conn, workspace)?;
            let found = tokens::page(conn, workspace, after, wanted)?;
            let name_of = |token: &Token| {
                sources.iter().find(|s| s.id == token.source).map_or_else(String::new, |s| s.name.clone())
            };
            let people: Vec<UserId> = found.iter().filter_map(|token| token.acts_as).collect();
            let people = role_rows::claims(conn, workspace, &people)?;
            Ok::<_, ServiceError>(
                found
                    .into_iter()
                    .map(|token| {
                        let source = name_of(&token);
                        let active = |user: UserId| people.get(&user).is_some_and(|person| person.active);
                        let stands = token.acts_as.is_none_or(active);
                        view(token, source, if stands { Standing::Stands } else { Standing::PersonInactive }, now)
                    })
                    .collect::<Vec<_>>(),
            )
        })
        .await?;
    Ok(Page::cut(found, limit, |token| token.id.to_string()))
}

/// End a token. It stops working within a second everywhere; ending it again changes nothing.
///
/// # Errors
/// [`ServiceError::NotFound`] when the caller's workspace has no such token.
pub async fn revoke(context: &Context, caller: &Caller, id: &str) -> Result<TokenView, ServiceError> {
    let id: TokenId = id.parse().map_err(|_| ServiceError::NotFound("token"))?;
    let (workspace, actor, request_id) = (caller.workspace, caller.actor(), caller.request_id.clone());
    let (now, record) = (context.clock.now(), context.ids.next());
    let maker = caller.maker();
    context
        .store
        .write(move |tx| {
            match tokens::load(tx, workspace, id) {
                Err(StoreError::NotFound) => return Err(ServiceError::NotFound("token")),
                other => may_end(maker, acted(&other?)).map_err(ServiceError::Forbidden)?,
            }
            let token = match tokens::revoke(tx, workspace, id, now) {
                Err(StoreError::NotFound) => return Err(ServiceError::NotFound("token")),
                other => other?,
            };
            let source = sources::load(tx, workspace, token.source)?;
            if token.revoked_at == Some(now) {
                let entry = Entry {
                    id: record,
                    at: now,
                    kind: "token.revoked",
                    actor: &actor,
                    target: &format!("token:{id}"),
                    hub: None,
                    user: None,
                    task: None,
                    request_id: Some(&request_id),
                    detail: json!({}),
                    personal: Some(json!({ "name": token.name })),
                };
                activity::record(tx, workspace, &entry)?;
            }
            let standing = standing(tx, workspace, &token)?;
            Ok(view(token, source.name, standing, now))
        })
        .await
}

/// End every session of the page that the caller's token began at or before `began` or now,
/// whichever is later: what signing out of one of them does. The token itself lives on.
///
/// # Errors
/// [`ServiceError::Store`].
pub async fn end_sessions(context: &Context, caller: &Caller, began: Micros) -> Result<(), ServiceError> {
    let Some(token) = caller.token else { return Ok(()) };
    let (workspace, actor, request_id) = (caller.workspace, caller.actor(), caller.request_id.clone());
    let (now, record) = (context.clock.now(), context.ids.next());
    context
        .store
        .write(move |tx| {
            tokens::end_sessions(tx, workspace, token, now.max(began))?;
            let entry = Entry {
                id: record,
                at: now,
                kind: "token.signed_out",
                actor: &actor,
                target: &format!("token:{token}"),
                hub: None,
                user: None,
                task: None,
                request_id: Some(&request_id),
                detail: json!({}),
                personal: None,
            };
            activity::record(tx, workspace, &entry)?;
            Ok::<_, ServiceError>(())
        })
        .await
}

fn view(token: Token, source: String, standing: Standing, now: Micros) -> TokenView {
    let state = if token.revoked_at.is_some() {
        "revoked"
    } else if token.expires_at.is_some_and(|end| end <= now) {
        "expired"
    } else if standing == Standing::PersonInactive {
        "person_inactive"
    } else {
        "active"
    };
    TokenView {
        id: token.id,
        name: token.name,
        scope: token.scope.as_str(),
        acts_as: token.acts_as.map(|user| user.to_string()),
        role: token.role,
        source,
        state,
        created: token.created_at.to_rfc3339(),
        expires: token.expires_at.map(|at| at.to_rfc3339()),
        revoked: token.revoked_at.map(|at| at.to_rfc3339()),
        last_used: token.last_used_at.map(|at| at.to_rfc3339()),
    }
}
