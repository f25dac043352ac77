//! Every route of the server, in one table that the security tests go over (threat T-03). What a
//! route demands is read from the first argument of its handler, so that the table cannot say one
//! thing and the handler do another; a handler without a caller does not compile here.

use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, web};

use super::entry::{authenticate, caller};
use super::error::Refusal;
use super::extract::caller::{Access, Guarded};
use super::page::{self, access::signed_in};
use super::respond::Zone;
use super::{admin, discovery, groups, health, metrics, search, users};
use crate::scim::error::ScimType;

const SCIM: &str = "/scim/v2";
const API: &str = "/api/v1";

/// All routes. Add a line here; the order inside one path does not matter.
pub fn table() -> Vec<Route> {
    vec![
        open(Method::GET, "/healthz", health::healthz),
        open(Method::GET, "/readyz", health::readyz),
        route(Method::GET, "/metrics", metrics::metrics),
        // The page: its static files and the form that takes a token are open
        open(Method::GET, "/static/page.css", page::style),
        open(Method::GET, "/static/page.js", page::script),
        open(Method::GET, "/static/favicon.svg", page::favicon),
        open(Method::GET, "/sign-in", page::session::form),
        open(Method::POST, "/sign-in", page::session::sign_in),
        route(Method::POST, "/sign-out", page::session::sign_out),
        route(Method::GET, "/", page::overview),
        route(Method::GET, "/tasks", page::tasks::list),
        route(Method::GET, "/tasks/{id}", page::tasks::show),
        route(Method::POST, "/tasks/{id}/decide", page::tasks::decide),
        route(Method::GET, "/people", page::people::find),
        route(Method::GET, "/people/{id}", page::people::show),
        route(Method::GET, "/hubs/{hub}/users/{user}", page::explain::show),
        route(Method::GET, "/history", page::history::show),
        route(Method::GET, "/held", page::held::list),
        // Before `{verdict}`: the first path that fits is taken.
        route(Method::POST, "/held/{id}/pass", page::held::end_pass),
        route(Method::GET, "/held/{id}/{verdict}", page::held::ask),
        route(Method::POST, "/held/{id}/{verdict}", page::held::decide),
        // SCIM: users, groups and discovery
        route(Method::GET, "/scim/v2/Users", users::list),
        route(Method::POST, "/scim/v2/Users", users::create),
        // Before `{id}`: the first path that fits is taken.
        route(Method::POST, "/scim/v2/Users/.search", search::users),
        route(Method::POST, "/scim/v2/Groups/.search", search::groups),
        route(Method::GET, "/scim/v2/Users/{id}", users::read),
        route(Method::PUT, "/scim/v2/Users/{id}", users::replace),
        route(Method::PATCH, "/scim/v2/Users/{id}", users::patch),
        route(Method::DELETE, "/scim/v2/Users/{id}", users::delete),
        route(Method::GET, "/scim/v2/Groups", groups::list),
        route(Method::POST, "/scim/v2/Groups", groups::create),
        route(Method::GET, "/scim/v2/Groups/{id}", groups::read),
        route(Method::PUT, "/scim/v2/Groups/{id}", groups::replace),
        route(Method::PATCH, "/scim/v2/Groups/{id}", groups::patch),
        route(Method::DELETE, "/scim/v2/Groups/{id}", groups::delete),
        open(Method::GET, "/scim/v2/ServiceProviderConfig", discovery::service_provider_config),
        route(Method::GET, "/scim/v2/ResourceTypes", discovery::resource_types),
        route(Method::GET, "/scim/v2/ResourceTypes/{name}", discovery::resource_type),
        route(Method::GET, "/scim/v2/Schemas", discovery::schemas),
        route(Method::GET, "/scim/v2/Schemas/{urn}", discovery::schema),
        // The API: credentials
        route(Method::GET, "/api/v1/status", admin::status::show),
        route(Method::GET, "/api/v1/tokens", admin::tokens::list),
        route(Method::POST, "/api/v1/tokens", admin::tokens::create),
        route(Method::DELETE, "/api/v1/tokens/{id}", admin::tokens::revoke),
        route(Method::GET, "/api/v1/sources", admin::sources::list),
        route(Method::POST, "/api/v1/sources", admin::sources::create),
        route(Method::GET, "/api/v1/workspaces", admin::workspaces::list),
        // The API: hubs, mappings, members, tasks, held batches, activity
        route(Method::GET, "/api/v1/apps", admin::hubs::catalog),
        route(Method::POST, "/api/v1/apps/{id}/check", admin::hubs::check_typed),
        route(Method::GET, "/api/v1/hubs", admin::hubs::list),
        route(Method::POST, "/api/v1/hubs", admin::hubs::create),
        route(Method::GET, "/api/v1/hubs/{id}", admin::hubs::show),
        route(Method::PATCH, "/api/v1/hubs/{id}", admin::hubs::patch),
        route(Method::DELETE, "/api/v1/hubs/{id}", admin::hubs::remove),
        route(Method::POST, "/api/v1/hubs/{id}/check", admin::hubs::check),
        route(Method::POST, "/api/v1/hubs/{id}/waiting/override", admin::hubs::override_waiting),
        route(Method::GET, "/api/v1/hubs/{id}/plan", admin::hubs::plan),
        route(Method::POST, "/api/v1/hubs/{id}/preview", admin::hubs::preview),
        route(Method::PUT, "/api/v1/hubs/{id}/secrets/{name}", admin::hubs::set_secret),
        route(Method::POST, "/api/v1/hubs/{id}/sync", admin::hubs::sync),
        route(Method::GET, "/api/v1/hubs/{id}/members", admin::hubs::members),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/match", admin::members::bind),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/claim", admin::members::claim),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/exempt", admin::members::exempt),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/unexempt", admin::members::unexempt),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/adopt", admin::members::adopt),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/remove", admin::members::remove),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/role", admin::members::role),
        route(Method::POST, "/api/v1/hubs/{id}/members/{member}/resend", admin::members::resend),
        route(Method::GET, "/api/v1/hubs/{id}/users/{user}/explain", admin::hubs::explain),
        route(Method::POST, "/api/v1/hubs/{id}/users/{user}/release", admin::hubs::release),
        route(Method::GET, "/api/v1/hubs/{id}/mappings", admin::mappings::list),
        route(Method::PUT, "/api/v1/hubs/{id}/mappings", admin::mappings::put),
        route(Method::PATCH, "/api/v1/hubs/{id}/mappings", admin::mappings::change),
        // Before `{mapping}`: the first path that fits is taken.
        route(Method::POST, "/api/v1/hubs/{id}/mappings/preview", admin::mappings::preview),
        route(Method::GET, "/api/v1/hubs/{id}/mappings/{mapping}", admin::mappings::show),
        route(Method::PUT, "/api/v1/hubs/{id}/mappings/{mapping}", admin::mappings::put_one),
        route(Method::DELETE, "/api/v1/hubs/{id}/mappings/{mapping}", admin::mappings::remove),
        route(Method::POST, "/api/v1/hubs/{id}/mappings/{mapping}/bind", admin::mappings::bind),
        route(Method::GET, "/api/v1/teams", admin::teams::list),
        route(Method::POST, "/api/v1/teams", admin::teams::create),
        route(Method::GET, "/api/v1/teams/{id}", admin::teams::show),
        route(Method::PATCH, "/api/v1/teams/{id}", admin::teams::rename),
        route(Method::DELETE, "/api/v1/teams/{id}", admin::teams::delete),
        route(Method::PUT, "/api/v1/teams/{id}/members/{user}", admin::teams::put_member),
        route(Method::DELETE, "/api/v1/teams/{id}/members/{user}", admin::teams::delete_member),
        route(Method::GET, "/api/v1/tasks", admin::tasks::list),
        // Before `{id}`: the first path that fits is taken.
        route(Method::GET, "/api/v1/tasks/history", admin::tasks::history),
        route(Method::GET, "/api/v1/tasks/{id}", admin::tasks::show),
        route(Method::POST, "/api/v1/tasks/{id}/retry", admin::tasks::retry),
        route(Method::POST, "/api/v1/tasks/{id}/done", admin::tasks::done),
        route(Method::POST, "/api/v1/tasks/{id}/cancel", admin::tasks::cancel),
        route(Method::GET, "/api/v1/held", admin::tasks::held),
        route(Method::GET, "/api/v1/held/{id}", admin::tasks::hold),
        route(Method::DELETE, "/api/v1/held/{id}/pass", admin::tasks::end_pass),
        route(Method::POST, "/api/v1/held/{id}/release", admin::tasks::release),
        route(Method::POST, "/api/v1/held/{id}/reject", admin::tasks::reject),
        route(Method::POST, "/api/v1/plan", admin::files::plan),
        route(Method::POST, "/api/v1/apply", admin::files::apply),
        route(Method::GET, "/api/v1/export", admin::files::export),
        route(Method::POST, "/api/v1/pause", admin::files::pause),
        route(Method::POST, "/api/v1/resume", admin::files::resume),
        route(Method::GET, "/api/v1/problems", admin::activity::problems),
        // The API: who is told
        route(Method::GET, "/api/v1/webhooks", admin::webhooks::list),
        route(Method::POST, "/api/v1/webhooks", admin::webhooks::create),
        route(Method::GET, "/api/v1/webhooks/{id}", admin::webhooks::show),
        route(Method::PATCH, "/api/v1/webhooks/{id}", admin::webhooks::patch),
        route(Method::DELETE, "/api/v1/webhooks/{id}", admin::webhooks::remove),
        route(Method::POST, "/api/v1/webhooks/{id}/rotate", admin::webhooks::rotate),
        route(Method::POST, "/api/v1/webhooks/{id}/test", admin::webhooks::test),
        route(Method::GET, "/api/v1/webhooks/{id}/deliveries", admin::webhooks::deliveries),
        // Before `{delivery}`: the first path that fits is taken.
        route(Method::POST, "/api/v1/webhooks/{id}/deliveries/replay", admin::webhooks::replay_dead),
        route(Method::POST, "/api/v1/webhooks/{id}/deliveries/{delivery}/replay", admin::webhooks::replay),
        route(Method::GET, "/api/v1/activity", admin::activity::list),
        route(Method::GET, "/api/v1/access", admin::activity::access),
        route(Method::GET, "/api/v1/audit/verify", admin::audit::verify),
        route(Method::GET, "/api/v1/audit/checkpoints", admin::audit::checkpoints),
        route(Method::POST, "/api/v1/audit/checkpoints", admin::audit::sign),
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
    let make = Box::new(move || web::method(made.clone()).to(handler.clone()));
    Route { method, path, access: <Args as Guarded>::ACCESS, make }
}

/// A route without a credential. DESIGN.md section 5 names all there may be.
pub fn open<F, Args>(method: Method, path: &'static str, handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let made = method.clone();
    let make = Box::new(move || web::method(made.clone()).to(handler.clone()));
    Route { method, path, access: Access::Open, make }
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
    let mut scim = web::scope(SCIM);
    let mut api = web::scope(API);
    for (path, routes) in &paths {
        let is_open = routes.iter().any(|route| route.access == Access::Open);
        if is_open {
            config.service(resource(path, routes, true));
        } else if let Some(rest) = path.strip_prefix(SCIM) {
            scim = scim.service(resource(rest, routes, false));
        } else if let Some(rest) = path.strip_prefix(API) {
            api = api.service(resource(rest, routes, false));
        } else if routes.iter().all(|route| route.access.is_page()) {
            config.service(resource(path, routes, false).wrap(from_fn(signed_in)));
        } else {
            config.service(resource(path, routes, false).wrap(from_fn(authenticate)));
        }
    }
    config.service(scim.default_service(web::to(no_route)).wrap(from_fn(authenticate)));
    config.service(web::scope("/scim").default_service(web::to(other_version)).wrap(from_fn(authenticate)));
    config.service(api.default_service(web::to(no_route)).wrap(from_fn(authenticate)));
    config.default_service(web::to(no_route));
}

/// One path with its methods; any other method is 405. On an open path the others first need a
/// credential, like everything else.
fn resource(path: &str, routes: &[Route], open: bool) -> Resource {
    // A slash at the end is the same address (R-HTTP-10); nothing else is.
    let mut resource = web::resource(vec![path.to_owned(), format!("{path}/")]);
    for route in routes {
        resource = resource.route((route.make)());
    }
    let allow = routes.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
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
            assert!(!reads || route.method == Method::GET || route.path.ends_with("/.search"), "{}", route.path);
            // A link, a picture or a prefetch must never change anything.
            let acts = matches!(route.access, Access::PageAct | Access::PageLeave);
            assert!(!acts || route.method == Method::POST, "{} {}", route.method, route.path);
        }
    }
}
