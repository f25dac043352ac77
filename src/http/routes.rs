//! Every route of the server, in one table that the security tests go over (threat T-03). What a
//! route demands is read from the first argument of its handler, so that the table cannot say one
//! thing and the handler do another; a handler without a caller does not compile here.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, guard, web};

use super::entry::{authenticate, caller};
use super::error::Refusal;
use super::extract::caller::{Access, Guarded};
use super::openapi::{self, parts::Parts};
use super::page::{self, access::signed_in};
use super::respond::Zone;
use super::rights::{self, Locus, Need, authorize};
use super::{admin, discovery, groups, health, metrics, search, users};
use crate::scim::error::ScimType;
use crate::service::rules::Action;

const SCIM: &str = "/scim/v2";
const API: &str = "/api/v1";

/// All routes. Add a line here, and say with `.needs(Action::…)` what it does: `domain::rights` knows
/// who may. The order inside one path does not matter.
pub fn table() -> Vec<Route> {
    vec![
        open(Method::GET, "/healthz", health::healthz),
        open(Method::GET, "/readyz", health::readyz),
        route(Method::GET, "/metrics", metrics::metrics).needs(Action::ReadMetrics),
        // The page: its static files and the form that takes a token are open
        open(Method::GET, "/static/page.css", page::style),
        open(Method::GET, "/static/page.js", page::script),
        open(Method::GET, "/static/favicon.svg", page::favicon),
        open(Method::GET, "/sign-in", page::session::form),
        open(Method::POST, "/sign-in", page::session::sign_in),
        route(Method::POST, "/sign-out", page::session::sign_out),
        route(Method::GET, "/", page::overview).needs(Action::SeeHubs),
        route(Method::GET, "/tasks", page::task_list::list).needs(Action::ReadLog),
        route(Method::GET, "/tasks/{id}", page::tasks::show).needs(Action::ReadTask),
        route(Method::POST, "/tasks/{id}/decide", page::tasks::decide).needs(Action::ManageMembers),
        route(Method::POST, "/tasks/{id}/item", page::item::change).needs(Action::ManageMembers),
        route(Method::GET, "/tasks/{id}/undo", page::undo::ask_task).needs(Action::ReadHub),
        route(Method::POST, "/tasks/{id}/undo", page::undo::task).needs(Action::ManageMembers),
        route(Method::POST, "/failures/read", page::failures::read).needs(Action::ReadLog),
        route(Method::GET, "/people", page::people::find).needs(Action::ReadDirectory),
        route(Method::GET, "/people/{id}", page::people::show).needs(Action::ReadPerson),
        route(Method::GET, "/manual", page::manual::list).needs(Action::ReadLog),
        route(Method::GET, "/hubs/{hub}", page::hub::show).needs(Action::ReadHub),
        route(Method::POST, "/hubs/{hub}/sync", page::hub::sync).needs(Action::SyncHub),
        route(Method::GET, "/hubs/{hub}/drift", page::drift::show).needs(Action::ReadHub),
        route(Method::POST, "/hubs/{hub}/drift/look", page::drift::look).needs(Action::ManageMembers),
        route(Method::POST, "/hubs/{hub}/drift/repair", page::drift::carry_out).needs(Action::ManageMembers),
        route(Method::GET, "/hubs/{hub}/members", page::hub::show).needs(Action::ReadHub),
        route(Method::GET, "/hubs/{hub}/members/{member}", page::member::show).needs(Action::ReadHub),
        route(Method::POST, "/hubs/{hub}/members/{member}/act", page::member::act).needs(Action::ManageMembers),
        route(Method::POST, "/hubs/{hub}/members/{member}/claim", page::member::claim).needs(Action::AssignManagers),
        route(Method::POST, "/hubs/{hub}/members/{member}/protect", page::member::protect)
            .needs(Action::ProtectMembers),
        route(Method::GET, "/hubs/{hub}/users/{user}", page::explain::show).needs(Action::ExplainAccess),
        route(Method::GET, "/history", page::history::show).needs(Action::ReadLog),
        route(Method::GET, "/activity", page::record::list).needs(Action::ReadActivity),
        route(Method::GET, "/held", page::held::list).needs(Action::ReadLog),
        // Before `{verdict}`: the first path that fits is taken.
        route(Method::POST, "/held/{id}/pass", page::decided::end_pass).needs(Action::ManageMembers),
        // Before `{verdict}`: the first path that fits is taken.
        route(Method::GET, "/held/{id}/undo", page::undo::ask_hold).needs(Action::ReadHub),
        route(Method::POST, "/held/{id}/undo", page::undo::hold).needs(Action::ManageMembers),
        route(Method::GET, "/held/{id}/{verdict}", page::held::ask).needs(Action::ReadTask),
        route(Method::POST, "/held/{id}/{verdict}", page::held::decide).needs(Action::ManageMembers),
        // SCIM: users, groups and discovery
        route(Method::GET, "/scim/v2/Users", users::list).needs(Action::ReadDirectory),
        route(Method::POST, "/scim/v2/Users", users::create),
        // Before `{id}`: the first path that fits is taken.
        route(Method::POST, "/scim/v2/Users/.search", search::users).needs(Action::ReadDirectory),
        route(Method::POST, "/scim/v2/Groups/.search", search::groups).needs(Action::ReadDirectory),
        route(Method::GET, "/scim/v2/Users/{id}", users::read).needs(Action::ReadDirectory),
        route(Method::PUT, "/scim/v2/Users/{id}", users::replace),
        route(Method::PATCH, "/scim/v2/Users/{id}", users::patch),
        route(Method::DELETE, "/scim/v2/Users/{id}", users::delete),
        route(Method::GET, "/scim/v2/Groups", groups::list).needs(Action::ReadDirectory),
        route(Method::POST, "/scim/v2/Groups", groups::create),
        route(Method::GET, "/scim/v2/Groups/{id}", groups::read).needs(Action::ReadDirectory),
        route(Method::PUT, "/scim/v2/Groups/{id}", groups::replace),
        route(Method::PATCH, "/scim/v2/Groups/{id}", groups::patch),
        route(Method::DELETE, "/scim/v2/Groups/{id}", groups::delete),
        open(Method::GET, "/scim/v2/ServiceProviderConfig", discovery::service_provider_config),
        route(Method::GET, "/scim/v2/ResourceTypes", discovery::resource_types).needs(Action::ReadDirectory),
        route(Method::GET, "/scim/v2/ResourceTypes/{name}", discovery::resource_type).needs(Action::ReadDirectory),
        route(Method::GET, "/scim/v2/Schemas", discovery::schemas).needs(Action::ReadDirectory),
        route(Method::GET, "/scim/v2/Schemas/{urn}", discovery::schema).needs(Action::ReadDirectory),
        route(Method::GET, "/api/v1/openapi.json", openapi::show).needs(Action::SeeHubs),
        // The API: credentials
        route(Method::GET, "/api/v1/status", admin::status::show).needs(Action::SeeHubs),
        route(Method::GET, "/api/v1/tokens", admin::tokens::list).needs(Action::ReadTokens),
        route(Method::POST, "/api/v1/tokens", admin::tokens::create).needs(Action::ManageTokens),
        route(Method::DELETE, "/api/v1/tokens/{id}", admin::tokens::revoke).needs(Action::ManageTokens),
        route(Method::GET, "/api/v1/sources", admin::sources::list).needs(Action::ReadProvisioning),
        route(Method::POST, "/api/v1/sources", admin::sources::create).needs(Action::ChangeProvisioning),
        route(Method::GET, "/api/v1/workspaces", admin::workspaces::list).needs(Action::SeeHubs),
        // The API: people
        route(Method::GET, "/api/v1/people", admin::people::list).needs(Action::ReadPeople),
        route(Method::GET, "/api/v1/people/{user}", admin::people::show).needs(Action::ReadPerson),
        route(Method::PUT, "/api/v1/people/{user}/role", admin::people::give_role).needs(Action::ChangeRoles),
        route(Method::DELETE, "/api/v1/people/{user}/role", admin::people::take_role).needs(Action::ChangeRoles),
        route(Method::POST, "/api/v1/people/{user}/transfer-ownership", admin::people::transfer)
            .needs(Action::TransferOwnership),
        // There is no way back.
        route(Method::POST, "/api/v1/people/{user}/erase", admin::erasure::erase).needs(Action::ErasePeople),
        route(Method::GET, "/api/v1/role-mappings", admin::people::mappings).needs(Action::ReadPeople),
        route(Method::PUT, "/api/v1/role-mappings/{group}", admin::people::put_mapping).needs(Action::ChangeRoles),
        route(Method::DELETE, "/api/v1/role-mappings/{group}", admin::people::remove_mapping)
            .needs(Action::ChangeRoles),
        route(Method::POST, "/api/v1/guests", admin::people::invite).needs(Action::InviteGuests),
        route(Method::DELETE, "/api/v1/guests/{guest}", admin::people::remove_guest).needs(Action::RemoveGuests),
        route(Method::GET, "/api/v1/partners", admin::partners::list).needs(Action::ReadPartners),
        route(Method::POST, "/api/v1/partners", admin::partners::create).needs(Action::RemoveGuests),
        route(Method::GET, "/api/v1/partners/{id}", admin::partners::show).needs(Action::ReadPartners),
        route(Method::DELETE, "/api/v1/partners/{id}", admin::partners::delete).needs(Action::RemoveGuests),
        route(Method::POST, "/api/v1/partners/{id}/guests", admin::partners::invite).needs(Action::RunPartner),
        route(Method::PUT, "/api/v1/partners/{id}/members/{user}", admin::partners::put_member)
            .needs(Action::RunPartner),
        route(Method::DELETE, "/api/v1/partners/{id}/members/{user}", admin::partners::remove_member)
            .needs(Action::RunPartner),
        // The API: hubs, mappings, members, tasks, held batches, activity
        route(Method::GET, "/api/v1/apps", admin::hubs::catalog).needs(Action::SeeHubs),
        route(Method::POST, "/api/v1/apps/{id}/check", admin::hubs::check_typed).needs(Action::ConnectHub),
        route(Method::GET, "/api/v1/hubs", admin::hubs::list).needs(Action::SeeHubs),
        route(Method::POST, "/api/v1/hubs", admin::hubs::create).needs(Action::ConnectHub),
        route(Method::GET, "/api/v1/hubs/{id}", admin::hubs::show).needs(Action::UseHub),
        route(Method::PATCH, "/api/v1/hubs/{id}", admin::hubs::patch).needs(Action::EditHub),
        route(Method::DELETE, "/api/v1/hubs/{id}", admin::hubs::remove).needs(Action::DeleteHub),
        route(Method::POST, "/api/v1/hubs/{id}/check", admin::hubs::check).needs(Action::EditHub),
        route(Method::POST, "/api/v1/hubs/{id}/waiting/override", admin::hubs::override_waiting).needs(Action::EditHub),
        route(Method::GET, "/api/v1/hubs/{id}/plan", admin::hubs::plan).needs(Action::ReadHub),
        route(Method::POST, "/api/v1/hubs/{id}/preview", admin::hubs::preview).needs(Action::EditHub),
        route(Method::PUT, "/api/v1/hubs/{id}/secrets/{name}", admin::hubs::set_secret).needs(Action::EditHub),
        route(Method::POST, "/api/v1/hubs/{id}/sync", admin::hubs::sync).needs(Action::SyncHub),
        route(Method::GET, "/api/v1/hubs/{id}/managers", admin::managers::list).needs(Action::ReadHub),
        route(Method::PUT, "/api/v1/hubs/{id}/managers/{user}", admin::managers::put).needs(Action::AssignManagers),
        route(Method::DELETE, "/api/v1/hubs/{id}/managers/{user}", admin::managers::remove)
            .needs(Action::AssignManagers),
        route(Method::GET, "/api/v1/hubs/{id}/members", admin::hubs::members).needs(Action::ReadHub),
        route(Method::GET, "/api/v1/hubs/{id}/drift", admin::drift::list).needs(Action::ReadHub),
        route(Method::POST, "/api/v1/hubs/{id}/drift/repair", admin::drift::repair).needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/drift/repair/preview", admin::drift::preview)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/match", admin::members::bind)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/claim", admin::members::claim)
            .needs(Action::AssignManagers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/exempt", admin::members::exempt)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/unexempt", admin::members::unexempt)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/adopt", admin::members::adopt)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/remove", admin::members::remove)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/role", admin::members::role)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/resend", admin::members::resend)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/protect", admin::members::protect)
            .needs(Action::ProtectMembers),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/unprotect", admin::members::unprotect)
            .needs(Action::ProtectMembers),
        route(Method::GET, "/api/v1/hubs/{id}/users/{user}/explain", admin::hubs::explain).needs(Action::ExplainAccess),
        route(Method::GET, "/api/v1/hubs/{id}/users/{user}/fields", admin::hubs::fields).needs(Action::ReadHub),
        route(Method::PUT, "/api/v1/hubs/{id}/users/{user}/fields", admin::hubs::give_fields)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/users/{user}/release", admin::hubs::release)
            .needs(Action::ManageMembers),
        route(Method::GET, "/api/v1/hubs/{id}/mappings", admin::mappings::list).needs(Action::ReadHub),
        route(Method::PUT, "/api/v1/hubs/{id}/mappings", admin::mappings::put).needs(Action::ManageMembers),
        route(Method::PATCH, "/api/v1/hubs/{id}/mappings", admin::mappings::change).needs(Action::ManageMembers),
        // Before `{mapping}`: the first path that fits is taken.
        route(Method::POST, "/api/v1/hubs/{id}/mappings/preview", admin::mappings::preview)
            .needs(Action::ManageMembers),
        route(Method::GET, "/api/v1/hubs/{id}/mappings/{mapping}", admin::mappings::show).needs(Action::ReadHub),
        route(Method::PUT, "/api/v1/hubs/{id}/mappings/{mapping}", admin::mappings::put_one)
            .needs(Action::ManageMembers),
        route(Method::DELETE, "/api/v1/hubs/{id}/mappings/{mapping}", admin::mappings::remove)
            .needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/hubs/{id}/mappings/{mapping}/bind", admin::mappings::bind)
            .needs(Action::ManageMembers),
        route(Method::GET, "/api/v1/teams", admin::teams::list).needs(Action::ReadDirectory),
        route(Method::POST, "/api/v1/teams", admin::teams::create).needs(Action::ManageTeams),
        route(Method::GET, "/api/v1/teams/{id}", admin::teams::show).needs(Action::ReadDirectory),
        route(Method::PATCH, "/api/v1/teams/{id}", admin::teams::rename).needs(Action::ManageTeams),
        route(Method::DELETE, "/api/v1/teams/{id}", admin::teams::delete).needs(Action::ManageTeams),
        route(Method::PUT, "/api/v1/teams/{id}/members/{user}", admin::teams::put_member).needs(Action::ManageTeams),
        route(Method::DELETE, "/api/v1/teams/{id}/members/{user}", admin::teams::delete_member)
            .needs(Action::ManageTeams),
        route(Method::GET, "/api/v1/tasks", admin::tasks::list).needs(Action::ReadLog),
        // Before `{id}`: the first path that fits is taken.
        route(Method::GET, "/api/v1/tasks/history", admin::tasks::history).needs(Action::ReadMetrics),
        route(Method::GET, "/api/v1/tasks/{id}", admin::tasks::show).needs(Action::ReadTask),
        route(Method::PATCH, "/api/v1/tasks/{id}", admin::items::patch).needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/tasks/{id}/retry", admin::tasks::retry).needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/tasks/{id}/done", admin::tasks::done).needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/tasks/{id}/cancel", admin::tasks::cancel).needs(Action::ManageMembers),
        route(Method::GET, "/api/v1/tasks/{id}/undo", admin::undo::look_at_task).needs(Action::ReadHub),
        route(Method::POST, "/api/v1/tasks/{id}/undo", admin::undo::undo_task).needs(Action::ManageMembers),
        route(Method::GET, "/api/v1/requests/{id}/undo", admin::undo::look_at_request).needs(Action::ReadPeople),
        // Over all hubs and with the names of people in them: an admin's. Each step is checked as well.
        route(Method::POST, "/api/v1/requests/{id}/undo", admin::undo::undo_request).needs(Action::PauseWorkspace),
        route(Method::GET, "/api/v1/failures", admin::items::failures).needs(Action::ReadLog),
        route(Method::POST, "/api/v1/failures/read", admin::items::read).needs(Action::ReadLog),
        route(Method::GET, "/api/v1/held", admin::tasks::held).needs(Action::ReadLog),
        route(Method::GET, "/api/v1/held/{id}", admin::tasks::hold).needs(Action::ReadTask),
        route(Method::DELETE, "/api/v1/held/{id}/pass", admin::tasks::end_pass).needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/held/{id}/release", admin::tasks::release).needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/held/{id}/reject", admin::tasks::reject).needs(Action::ManageMembers),
        route(Method::GET, "/api/v1/held/{id}/undo", admin::undo::look_at_hold).needs(Action::ReadHub),
        route(Method::POST, "/api/v1/held/{id}/undo", admin::undo::undo_hold).needs(Action::ManageMembers),
        route(Method::POST, "/api/v1/plan", admin::files::plan).needs(Action::PlanFiles),
        route(Method::POST, "/api/v1/apply", admin::files::apply).needs(Action::ApplyFiles),
        route(Method::GET, "/api/v1/export", admin::files::export).needs(Action::ExportFiles),
        route(Method::POST, "/api/v1/pause", admin::files::pause).needs(Action::PauseWorkspace),
        route(Method::POST, "/api/v1/resume", admin::files::resume).needs(Action::PauseWorkspace),
        route(Method::GET, "/api/v1/problems", admin::activity::problems).needs(Action::ReadLog),
        // The hub is gone, and with it everybody's rights there: an admin's.
        route(Method::POST, "/api/v1/problems/{hub}/gone", admin::activity::gone).needs(Action::PauseWorkspace),
        // The API: who is told
        route(Method::GET, "/api/v1/notifications", admin::notifications::show).needs(Action::ReadWebhooks),
        route(Method::PUT, "/api/v1/notifications", admin::notifications::put).needs(Action::ManageWebhooks),
        route(Method::GET, "/api/v1/webhooks", admin::webhooks::list).needs(Action::ReadWebhooks),
        route(Method::POST, "/api/v1/webhooks", admin::webhooks::create).needs(Action::ManageWebhooks),
        route(Method::GET, "/api/v1/webhooks/{id}", admin::webhooks::show).needs(Action::ReadWebhooks),
        route(Method::PATCH, "/api/v1/webhooks/{id}", admin::webhooks::patch).needs(Action::ManageWebhooks),
        route(Method::DELETE, "/api/v1/webhooks/{id}", admin::webhooks::remove).needs(Action::ManageWebhooks),
        route(Method::POST, "/api/v1/webhooks/{id}/rotate", admin::webhooks::rotate).needs(Action::ManageWebhooks),
        route(Method::POST, "/api/v1/webhooks/{id}/test", admin::webhooks::test).needs(Action::ManageWebhooks),
        route(Method::GET, "/api/v1/webhooks/{id}/deliveries", admin::webhooks::deliveries).needs(Action::ReadWebhooks),
        // Before `{delivery}`: the first path that fits is taken.
        route(Method::POST, "/api/v1/webhooks/{id}/deliveries/replay", admin::webhooks::replay_dead)
            .needs(Action::ManageWebhooks),
        route(Method::POST, "/api/v1/webhooks/{id}/deliveries/{delivery}/replay", admin::webhooks::replay)
            .needs(Action::ManageWebhooks),
        route(Method::GET, "/api/v1/activity", admin::activity::list).needs(Action::ReadActivity),
        route(Method::GET, "/api/v1/access", admin::activity::access).needs(Action::ReadActivity),
        route(Method::GET, "/api/v1/audit/verify", admin::audit::verify).needs(Action::VerifyRecord),
        route(Method::GET, "/api/v1/audit/checkpoints", admin::audit::checkpoints).needs(Action::VerifyRecord),
        route(Method::POST, "/api/v1/audit/checkpoints", admin::audit::sign).needs(Action::SignRecord),
        route(Method::GET, "/api/v1/reports/access", admin::activity::report).needs(Action::ReadActivity),
    ]
}

/// One method of one path.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{id}` for what varies.
    pub path: &'static str,
    /// What a caller must be allowed.
    pub access: Access,
    /// What it does; `None` for SCIM's writes, which no role is about, and for what is open.
    pub action: Option<Action>,
    /// The handler's path in the program, for its name in the description of the API.
    pub handler: &'static str,
    describe: fn(&mut Parts),
    make: Box<dyn Fn() -> actix_web::Route>,
}

/// A route whose handler begins with a caller extractor.
pub fn route<F, Args>(method: Method, path: &'static str, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + Guarded + 'static,
    F::Output: Responder + 'static,
{
    let made = method.clone();
    let make = Box::new(move || answering(&made).to(handler.clone()));
    let (handler, access) = (std::any::type_name::<F>(), <Args as Guarded>::ACCESS);
    Route { method, path, access, action: None, handler, describe: <Args as Guarded>::describe, make }
}

/// A route without a credential. DESIGN.md section 5 names all there may be.
pub fn open<F, Args>(method: Method, path: &'static str, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let made = method.clone();
    let make = Box::new(move || answering(&made).to(handler.clone()));
    let handler = std::any::type_name::<F>();
    Route { method, path, access: Access::Open, action: None, handler, describe: |_| {}, make }
}

/// A route for this method. HEAD is GET whose body stays here (RFC 9110 section 9.3.2): the same
/// handler behind the same checks, and the server's encoder leaves the body out.
fn answering(method: &Method) -> actix_web::Route {
    if *method == Method::GET {
        return web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    }
    web::method(method.clone())
}

impl Route {
    /// What it does.
    pub fn needs(self, action: Action) -> Self {
        Self { action: Some(action), ..self }
    }

    /// What its handler takes beside the path.
    pub fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        (self.describe)(&mut parts);
        parts
    }

    /// What is checked before its handler.
    pub fn need(&self) -> Need {
        let (locus, person) = (Locus::of(self.path), rights::person(self.path));
        Need { access: self.access, action: self.action, locus, person }
    }

    fn made(&self) -> actix_web::Route {
        let (made, need) = ((self.make)(), self.need());
        match self.access {
            Access::Open => made,
            Access::ScimWrite
            | Access::ScimRead
            | Access::ApiAdmin
            | Access::ApiRead
            | Access::PageRead
            | Access::PageAct
            | Access::PageLeave => {
                made.wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| authorize(need, request, next)))
            }
        }
    }
}

/// Put the table into the application. Everything below `/scim` and `/api`, unknown addresses
/// included, is behind the check of the credential; only open routes stand before it.
pub fn configure(config: &mut web::ServiceConfig) {
    let mut paths: Vec<(&'static str, Vec<Route>)> = Vec::new();
    for route in table() {
        match paths.iter_mut().find(|(path, _)| *path == route.path) {
            Some((_, routes)) => routes.push(route),
            None => paths.push((route.path, vec![route])),
        }
    }
    // An address is compared with one after the other, so what IdPs ask comes first.
    let (below, others): (Vec<_>, Vec<_>) =
        paths.iter().partition(|(path, _)| path.starts_with(SCIM) || path.starts_with(API));
    let mut scim = web::scope(SCIM);
    let mut api = web::scope(API);
    for (path, routes) in below {
        if stands_open(routes) {
            config.service(resource(path, routes, true));
        } else if let Some(rest) = path.strip_prefix(SCIM) {
            scim = scim.service(resource(rest, routes, false));
        } else if let Some(rest) = path.strip_prefix(API) {
            api = api.service(resource(rest, routes, false));
        }
    }
    config.service(scim.default_service(web::to(no_route)).wrap(from_fn(authenticate)));
    config.service(web::scope("/scim").default_service(web::to(other_version)).wrap(from_fn(authenticate)));
    config.service(api.default_service(web::to(no_route)).wrap(from_fn(authenticate)));
    for (path, routes) in others {
        if stands_open(routes) {
            config.service(resource(path, routes, true));
        } else if routes.iter().all(|route| route.access.is_page()) {
            config.service(resource(path, routes, false).wrap(from_fn(signed_in)));
        } else {
            config.service(resource(path, routes, false).wrap(from_fn(authenticate)));
        }
    }
    config.default_service(web::to(no_route));
}

/// Whether a path answers without a credential, by one of its methods at least.
fn stands_open(routes: &[Route]) -> bool {
    routes.iter().any(|route| route.access == Access::Open)
}

/// One path with its methods; any other method is 405. On an open path the others first need a
/// credential, like everything else.
fn resource(path: &str, routes: &[Route], open: bool) -> Resource {
    // A slash at the end is the same address (R-HTTP-10); nothing else is.
    let mut resource = web::resource(vec![path.to_owned(), format!("{path}/")]);
    for route in routes {
        resource = resource.route(route.made());
    }
    let words =
        |route: &Route| if route.method == Method::GET { "GET, HEAD" } else { route.method.as_str() }.to_owned();
    let allow = routes.iter().map(words).collect::<Vec<_>>().join(", ");
    resource.default_service(web::to(move |request: HttpRequest| {
        let allow = allow.clone();
        async move {
            let zone = Zone::of(request.match_info().as_str());
            if open && let Err(refusal) = caller(&request).await {
                return zone.refuse(&refusal);
            }
            let detail = format!("{} is not possible here; {allow} is", request.method());
            zone.refuse(&Refusal { allow: Some(allow), ..Refusal::new(StatusCode::METHOD_NOT_ALLOWED, detail) })
        }
    }))
}

async fn no_route(request: HttpRequest) -> HttpResponse {
    Zone::of_request(&request).refuse(&Refusal::no_route())
}

/// `/scim/v9/…`: a version that is not spoken here (R-ERR-18); anything else leads nowhere.
async fn other_version(request: HttpRequest) -> HttpResponse {
    let segment = request.match_info().as_str().split('/').nth(2).unwrap_or_default().to_owned();
    let is_version =
        segment.strip_prefix(['v', 'V']).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if is_version {
        Refusal::bad(ScimType::InvalidVers, "this server speaks SCIM 2.0 below /scim/v2").scim()
    } else {
        Refusal::no_route().scim()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::rules::Extent;

    #[test]
    fn only_the_named_routes_are_open() {
        let open: Vec<_> = table().into_iter().filter(|r| r.access == Access::Open).collect();
        for route in open {
            let named = match route.path {
                "/healthz" | "/readyz" | "/scim/v2/ServiceProviderConfig" => route.method == Method::GET,
                // The page's static part: files, and the form in which a credential is presented.
                "/static/page.css" | "/static/page.js" | "/static/favicon.svg" => route.method == Method::GET,
                "/sign-in" => route.method == Method::GET || route.method == Method::POST,
                _ => false,
            };
            assert!(named, "{} {} must not be open", route.method, route.path);
        }
    }

    #[test]
    fn every_route_says_what_it_does() {
        for route in table() {
            // No role is about them: what is open, leaving the page, and what only an IdP's token may.
            assert!(route.access != Access::PageLeave || route.path == "/sign-out", "{}: names an action", route.path);
            let needs_none = match route.access {
                Access::Open | Access::ScimWrite | Access::PageLeave => true,
                Access::ScimRead | Access::ApiAdmin | Access::ApiRead | Access::PageRead | Access::PageAct => false,
            };
            let (method, path) = (&route.method, route.path);
            assert_eq!(route.action.is_none(), needs_none, "{method} {path}: add .needs(Action::…)");
            let Some(action) = route.action else { continue };
            let about_hub = !matches!(route.need().locus, Locus::Workspace | Locus::Partner(_));
            assert_eq!(action.extent() == Extent::Hub, about_hub, "{method} {path}: {action:?}");
            if matches!(route.access, Access::ApiRead | Access::PageRead | Access::ScimRead) {
                assert!(!action.changes(), "{method} {path} reads and needs {action:?}");
            }
        }
    }

    #[test]
    fn a_route_demands_what_its_zone_stands_for() {
        for route in table() {
            let zone = Zone::of(route.path);
            match route.access {
                Access::Open => {}
                Access::ScimWrite | Access::ScimRead => assert_eq!(zone, Zone::Scim, "{}", route.path),
                Access::ApiAdmin | Access::ApiRead => assert_eq!(zone, Zone::Api, "{}", route.path),
                Access::PageRead | Access::PageAct | Access::PageLeave => {
                    assert_eq!(zone, Zone::Page, "{}", route.path);
                }
            }
            let reads = matches!(route.access, Access::ScimRead | Access::ApiRead | Access::PageRead);
            let asks = ["/.search", "/plan"].iter().any(|end| route.path.ends_with(end));
            assert!(!reads || route.method == Method::GET || asks, "{}", route.path);
            // A link, a picture or a prefetch must never change anything.
            let acts = matches!(route.access, Access::PageAct | Access::PageLeave);
            assert!(!acts || route.method == Method::POST, "{} {}", route.method, route.path);
        }
    }
}
