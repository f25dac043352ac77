//! The one place before every handler where a caller's rights are held against what the route does
//! (business-hubs.md section 3). The body is not looked at yet.

#![deny(clippy::wildcard_enum_match_arm, reason = "a new kind must not slip past a decision (T-15)")]

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};

use super::App;
use super::error::Refusal;
use super::extract::caller::Access;
use super::respond::Zone;
use crate::auth::{Caller, Scope};
use crate::service::rights::{self, About};
use crate::service::rules::{Action, Kind};

/// What a route needs: a scope, and a right.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// What the credential must be for.
    pub access: Access,
    /// What it does; `None` where nobody said, which only the operator may do.
    pub action: Option<Action>,
    /// Which variable of the address says what it is about.
    pub locus: Locus,
    /// Which variable names a person.
    pub person: Option<&'static str>,
}

/// Where the address says which hub a route is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locus {
    /// It is about the workspace.
    Workspace,
    /// This variable is a hub's name.
    Hub(&'static str),
    /// This variable is a task's id.
    Task(&'static str),
    /// This variable is a held batch's id.
    Hold(&'static str),
    /// This variable is a local partner's id.
    Partner(&'static str),
}

impl Locus {
    /// By the address's shape: the variable right behind `hubs`, `tasks`, `held` or `partners`.
    pub fn of(path: &'static str) -> Self {
        type Make = fn(&'static str) -> Locus;
        let known: [(&str, Make); 4] =
            [("hubs", Self::Hub), ("tasks", Self::Task), ("held", Self::Hold), ("partners", Self::Partner)];
        let found = known.into_iter().find_map(|(word, locus)| variable_after(path, word).map(locus));
        found.unwrap_or(Self::Workspace)
    }

    fn about(self, request: &HttpRequest) -> About {
        let value = |name| request.match_info().get(name).unwrap_or_default().to_owned();
        match self {
            Self::Workspace => About::Workspace,
            Self::Hub(name) => About::Hub(value(name)),
            Self::Task(name) => About::Task(value(name)),
            Self::Hold(name) => About::Hold(value(name)),
            Self::Partner(name) => About::Partner(value(name)),
        }
    }
}

/// The variable of the address that names a person: the one behind `users` or `people`.
pub fn person(path: &'static str) -> Option<&'static str> {
    if path.starts_with("/scim/") {
        return None;
    }
    variable_after(path, "users").or_else(|| variable_after(path, "people"))
}

fn variable_after(path: &'static str, word: &str) -> Option<&'static str> {
    let mut segments = path.split('/').skip_while(|segment| *segment != word).skip(1);
    segments.next()?.strip_prefix('{')?.strip_suffix('}')
}

/// Around every handler that needs a credential: whether this caller may do this here.
///
/// # Errors
/// None of its own; a refusal is a reply.
pub async fn authorize(
    need: Need,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match checked(need, request.request()).await {
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
        }
        Ok(None) => {}
        Err(refusal) => {
            let zone = Zone::of(request.match_info().as_str());
            return Ok(request.into_response(zone.refuse(&refusal)));
        }
    }
    next.call(request).await
}

/// The caller with what was looked up about them; `None` where there is nothing to look up.
async fn checked(need: Need, request: &HttpRequest) -> Result<Option<Caller>, Refusal> {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else { return Ok(None) };
    // A scope that is not enough is refused by the handler's own first argument, in its words.
    if !need.access.allows(caller.scope) || caller.rights.kind == Kind::Operator {
        return Ok(None);
    }
    match caller.scope {
        // All of SCIM in its own source, nothing of the rest: no role is involved.
        Scope::Scim => return Ok(None),
        Scope::Admin | Scope::Read => {}
    }
    let action = match (need.access, need.action) {
        (_, Some(action)) => action,
        // Ending one's own session is everybody's who has one, whatever their role is or becomes: it changes
        // nothing but the session that the credential itself began. A route that does anything else names an
        // action, and is held against it however it is reached.
        (Access::PageLeave, None) => return Ok(None),
        (
            Access::Open
            | Access::ScimWrite
            | Access::ScimRead
            | Access::ApiAdmin
            | Access::ApiRead
            | Access::PageRead
            | Access::PageAct,
            None,
        ) => return Err(Refusal::new(StatusCode::FORBIDDEN, "this needs the operator of this installation")),
    };
    let app = request.app_data::<web::Data<App>>().ok_or_else(Refusal::unauthorized)?;
    let about = need.locus.about(request);
    let person = need.person.map(|name| request.match_info().get(name).unwrap_or_default().to_owned());
    Ok(Some(rights::authorize(&app.context, caller, action, about, person).await?))
}
