//! T-08: every route × every workspace role × every right in a hub × every kind of credential, through
//! HTTP. What is expected is computed from `t08_table`, never from the product's own rules.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scimhub::base::clock::{Clock as _, SystemClock};
use scimhub::base::ids::{GroupId, UserId, WorkspaceId};
use scimhub::domain::mapping::HubRole;
use scimhub::domain::rights::Role as Given;
use scimhub::http::routes;
use scimhub::store::managers::Manager;
use scimhub::store::{StoreError, hubs as hub_rows, managers, roles};
use serde_json::{Value, json};

use super::assert_shaped;
use super::t08_table::{Kind, Line, Right, Role, TABLE, allowed};
use crate::hubs::{self, SOON};
use crate::page::visitor::{self, Visitor};
use crate::support::http::{Client, Reply};
use crate::support::server::Server;
use crate::support::{Database, databases, eventually};
use crate::whatif::quiet::dump;

/// What a refusal must not tell.
const LABEL: &str = "Canarylabel";
const PERSON: &str = "canary.person@example.com";

/// Somebody with a credential.
struct Caller {
    kind: Kind,
    looks: bool,
    client: Client,
    page: Option<(Visitor, String)>,
}

impl Caller {
    fn name(&self) -> String {
        format!("{:?}{}", self.kind, if self.looks { " with scope read" } else { "" })
    }
}

/// What the addresses are about.
struct Places {
    task: String,
    hold: String,
    member: String,
    user: String,
}

impl Places {
    /// The address with something real in it, wherever a right hangs on it.
    fn fill(&self, path: &str) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for part in path.split('/') {
            let before = parts.last().copied().unwrap_or_default();
            parts.push(match (before, part) {
                (_, part) if !part.starts_with('{') => part,
                ("hubs", _) => "ours",
                ("tasks", _) => &self.task,
                ("held", _) => &self.hold,
                ("members", "{member}") => &self.member,
                ("users" | "people", _) => &self.user,
                (_, "{verdict}") => "release",
                ("apps", _) => "manual",
                _ => "01890a5d-ac96-774b-bcce-b302099a8057",
            });
        }
        parts.join("/")
    }
}

#[test]
fn t08_the_table_of_the_test_knows_every_route() {
    let there: BTreeSet<(String, &str)> =
        routes::table().iter().map(|route| (route.method.to_string(), route.path)).collect();
    let known: BTreeSet<(String, &str)> = TABLE.iter().map(|line| (line.0.to_owned(), line.1)).collect();
    let new: Vec<_> = there.difference(&known).collect();
    assert!(
        new.is_empty(),
        "these routes are not in TABLE of tests/it/security/t08_table.rs: {new:?}\nadd a line for each: who may call \
         it as business-hubs.md section 3 says (not as the product's own table does), and a body that would change \
         something"
    );
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(gone.is_empty(), "these lines of t08_table.rs are no routes any more, take them out: {gone:?}");
    assert_eq!(TABLE.len(), known.len(), "a route stands in TABLE twice");
}

async fn token(admin: &Client, server: &Server, body: Value) -> Client {
    let made = admin.post("/api/v1/tokens", &body).await.expect(201).json();
    let text = made["token"].as_str().unwrap();
    server.watch("a token", text.rsplit('_').next().unwrap());
    Client::new(&server.base, text)
}

/// Give people their roles and rights, as rows: how they are given through the API is tested elsewhere.
async fn entitle(database: &Database, people: &[(Role, Right, String)], owners: &str) {
    let people: Vec<(Given, Right, UserId)> =
        people.iter().map(|(role, right, id)| (role.word().parse().unwrap(), *right, id.parse().unwrap())).collect();
    let owners: GroupId = owners.parse().unwrap();
    let given = move |tx: &mut scimhub::store::Tx<'_>| {
        let (workspace, now) = (WorkspaceId(1), SystemClock::new().now());
        // One person alone may be Owner by name; a group gives it to all of these at once.
        roles::map(tx, workspace, owners, Given::Owner, "test", (None, None), now)?;
        for (role, right, user) in &people {
            if *role != Given::Owner {
                roles::give(tx, workspace, *user, *role, "test", now)?;
            }
            let (hub, role) = match right {
                Right::Elsewhere => ("theirs", HubRole::Owner),
                Right::Manager => ("ours", HubRole::Manager),
                Right::Owner => ("ours", HubRole::Owner),
                Right::None | Right::Collaborator | Right::SecurityManager => continue,
            };
            let hub = hub_rows::by_slug(tx, workspace, hub)?.id;
            let by_name =
                Manager { user: *user, role, service_account: true, given_by: String::from("test"), given_at: now };
            managers::put(tx, workspace, hub, &by_name)?;
        }
        Ok::<_, StoreError>(())
    };
    database.open().write(given).await.unwrap();
}

/// Two hubs with tasks, a held batch and a member, and everybody there can be.
async fn scene(database: &Database, server: &Server) -> (Places, Vec<Caller>) {
    let (admin, scim) = (server.client("admin"), server.client("scim"));
    for (id, label) in [("ours", LABEL), ("theirs", "Other")] {
        let body = json!({"id": id, "app": "ahrefs", "label": label, "mode": "active", "settle": "0s",
            "connection": {"unique_identifier": format!("{id}1"), "service_account": format!("{id}@robots.test")},
            "policy": {"max_seats": 2}});
        admin.post("/api/v1/hubs", &body).await.expect(201);
    }
    let mut people = Vec::new();
    for role in Role::ALL {
        for (number, right) in Right::ALL.into_iter().enumerate() {
            let id = hubs::user(&scim, &format!("{}{number}@example.com", role.word())).await;
            people.push((role, right, id));
        }
    }
    let of = |wanted: fn(&(Role, Right, String)) -> bool| -> Vec<&str> {
        people.iter().filter(|one| wanted(one)).map(|one| one.2.as_str()).collect()
    };
    let owners = hubs::group(&scim, "owners", &of(|one| one.0 == Role::Owner)).await;
    // Without the hub's service account whoever a mapping makes Manager is a Security Manager.
    hubs::group(&scim, "managers", &of(|one| one.1 == Right::SecurityManager)).await;
    hubs::group(&scim, "staff", &of(|one| one.1 == Right::Collaborator)).await;
    let user = hubs::user(&scim, PERSON).await;
    hubs::mapping(&admin, "ours", &json!({"user": PERSON, "app_role": "member"})).await;
    let first = hubs::tasks(&admin, "hub=ours&status=manual", 1).await.remove(0);
    let done = format!("/api/v1/tasks/{}/done", first["id"].as_str().unwrap());
    admin.post(&done, &json!({"note": "added"})).await.expect(200);
    hubs::mapping(&admin, "ours", &json!({"group": "managers", "hub_role": "manager", "seat": false})).await;
    hubs::mapping(&admin, "ours", &json!({"group": "staff", "app_role": "member"})).await;
    entitle(database, &people, &owners).await;

    let task = hubs::tasks(&admin, "hub=ours&status=manual", 1).await.remove(0);
    let mut held = Value::Null;
    eventually("the rest is held", SOON, async || {
        held = admin.get("/api/v1/held").await.expect(200).json()["items"][0].clone();
        held["total"] == Role::ALL.len() - 1
    })
    .await;
    let members = admin.get("/api/v1/hubs/ours/members?limit=200").await.expect(200).json();
    let member = members["items"].as_array().unwrap().iter().find(|one| one["user"] == user.as_str()).unwrap().clone();
    let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let places = Places { task: text(&task), hold: text(&held), member: text(&member), user };

    let mut callers = Vec::new();
    let mut add = |kind, looks, client| callers.push(Caller { kind, looks, client, page: None });
    for (role, right, id) in &people {
        let scope =
            |scope: &str| json!({"name": format!("{}-{right:?}-{scope}", role.word()), "scope": scope, "as": id});
        add(Kind::Person(*role, *right), false, token(&admin, server, scope("admin")).await);
        if *right == Right::Owner {
            add(Kind::Person(*role, *right), true, token(&admin, server, scope("read")).await);
        }
    }
    for role in Role::ALL {
        for (scope, looks) in [("admin", false), ("read", true)] {
            let body = json!({"name": format!("service-{}-{scope}", role.word()), "scope": scope, "role": role.word()});
            add(Kind::Service(role), looks, token(&admin, server, body).await);
        }
    }
    add(Kind::Operator, false, server.client("admin"));
    add(Kind::Operator, true, server.client("read"));
    add(Kind::Provider, false, scim);
    (places, callers)
}

/// Everybody but the identity provider signs in to the page.
async fn sign_in(server: &Server, callers: &mut [Caller]) {
    for caller in callers.iter_mut().filter(|caller| caller.kind != Kind::Provider) {
        let text = caller.client.token().to_owned();
        let visitor = Visitor::signed_in(&server.base, &text).await;
        let proof = visitor.proof().await;
        caller.page = Some((visitor, proof));
    }
}

fn is_page(path: &str) -> bool {
    !path.starts_with("/api/") && !path.starts_with("/scim/") && path != "/metrics"
}

/// Call a route: with a body that would change something, or one that no route understands.
async fn call(caller: &Caller, line: &Line, places: &Places, in_earnest: bool) -> Option<Reply> {
    let (method, path, _, body) = *line;
    let mut to = places.fill(path);
    if is_page(path) {
        let (visitor, proof) = caller.page.as_ref()?;
        if method == "GET" {
            return Some(visitor.get(&to).await);
        }
        let nonsense = [("proof", proof.as_str()), ("act", "nonsense")];
        let mut fields = vec![("proof", proof.as_str())];
        fields.extend(body.split('&').filter_map(|pair| pair.split_once('=')));
        return Some(visitor.post(&to, if in_earnest { &fields } else { &nonsense }).await);
    }
    if method == "GET" {
        return Some(caller.client.get(&to).await);
    }
    if in_earnest && method == "DELETE" && path == "/api/v1/hubs/{id}" {
        to.push_str("?reason=trial");
    }
    let media = if path.starts_with("/scim/") { "application/scim+json" } else { "application/json" };
    let body = if in_earnest { body } else { r#"{"nonsense": 1}"# };
    let body = if method == "DELETE" { None } else { Some(body.as_bytes().to_vec()) };
    Some(caller.client.send(method, &to, &[("content-type", media)], body).await)
}

fn check(caller: &Caller, line: &Line, places: &Places, expected: bool, reply: &Reply) {
    let (method, path, who, _) = line;
    let what = || format!("{} {method} {path} ({who:?}): {} {}", caller.name(), reply.status, reply.text());
    if expected {
        assert!(!matches!(reply.status, 401 | 403), "must be allowed by section 3 and is refused: {}", what());
        assert!(reply.status < 500, "{}", what());
        return;
    }
    // A hub that is nothing to somebody is as unknown to them as none: its name cannot be found out.
    let status = if is_unknown(path, caller.kind) { 404 } else { 403 };
    assert_eq!(reply.status, status, "must be refused by section 3: {}", what());
    assert_shaped(reply, &places.fill(path));
    let text = reply.text();
    for told in [LABEL, PERSON, "robots.test", "ahrefs", "member\""] {
        assert!(!text.contains(told), "a refusal tells '{told}': {}", what());
    }
}

/// Whether the address names a hub, or something in one, that this caller may not know to be there.
fn is_unknown(path: &str, kind: Kind) -> bool {
    let in_hub = ["/hubs/{", "/tasks/{", "/held/{"].iter().any(|place| path.contains(place));
    let Kind::Person(role, right) = kind else { return false };
    let sees_all = matches!(role, Role::Admin | Role::SuperAdmin | Role::Owner | Role::Auditor);
    in_hub && !sees_all && matches!(right, Right::None | Right::Elsewhere)
}

/// Every call of these, some at a time.
async fn all(scene: &Arc<(Places, Vec<Caller>)>, lines: &'static [Line], expected: bool) -> usize {
    let next = Arc::new(AtomicUsize::new(0));
    let mut lanes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (scene, next) = (Arc::clone(scene), Arc::clone(&next));
        lanes.spawn(async move {
            let (places, callers) = &*scene;
            let mut made = 0;
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                let (Some(line), caller) = (lines.get(number / callers.len()), &callers[number % callers.len()]) else {
                    return made;
                };
                // Signing in and out changes who is there: see the other tests of the page.
                if line.1.starts_with("/sign-") || allowed(line, caller.kind, caller.looks) != expected {
                    continue;
                }
                if let Some(reply) = call(caller, line, places, !expected).await {
                    check(caller, line, places, expected, &reply);
                    made += 1;
                }
            }
        });
    }
    let mut made = 0;
    while let Some(lane) = lanes.join_next().await {
        made += lane.unwrap();
    }
    made
}

/// The routes that the forms and the asking links of a page lead to.
fn offered(page: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for form in page.split("<form").skip(1) {
        let tag = form.split('>').next().unwrap();
        if tag.contains("method=\"post\"") {
            found.push(("POST", visitor::after(tag, "action=\"", "\"").unwrap().to_owned()));
        }
    }
    for link in page.split("href=\"/held/").skip(1) {
        found.push(("GET", format!("/held/{}", link.split('"').next().unwrap())));
    }
    found
}

/// No page shows its reader a form that would be refused, and everybody who may decide finds the form.
async fn pages_offer_what_is_allowed(places: &Places, callers: &[Caller]) {
    let line = |method: &str, path: &str| TABLE.iter().find(|line| (line.0, line.1) == (method, path)).unwrap();
    // The hub's app cannot be read by machine, so that nobody is offered a sync of it.
    let pages = [
        ("/hubs/{hub}/members/{member}", "POST", "/hubs/{hub}/members/{member}/act"),
        ("/hubs/{hub}/members/{member}", "POST", "/hubs/{hub}/members/{member}/protect"),
        ("/tasks/{id}", "POST", "/tasks/{id}/decide"),
        ("/manual", "POST", "/tasks/{id}/decide"),
        ("/held", "GET", "/held/{id}/{verdict}"),
    ];
    for caller in callers {
        let Some((visitor, _)) = &caller.page else { continue };
        for (path, method, form) in pages {
            if !allowed(line("GET", path), caller.kind, caller.looks) {
                continue;
            }
            let page = visitor.get(&places.fill(path)).await.expect(200).text();
            let shown: Vec<_> = offered(&page).into_iter().filter(|(_, to)| to != "/sign-out").collect();
            for (method, to) in &shown {
                let route = TABLE.iter().find(|line| {
                    let same = |(part, given): (&str, &str)| part == given || part.starts_with('{');
                    line.0 == *method
                        && line.1.split('/').count() == to.split('/').count()
                        && line.1.split('/').zip(to.split('/')).all(same)
                });
                let route = route.unwrap_or_else(|| panic!("{path} leads to {method} {to}, which is no route"));
                let may = allowed(route, caller.kind, caller.looks);
                assert!(may, "{} sees on {path} what they may not use: {method} {to}", caller.name());
            }
            let sees = shown.iter().any(|(shown, to)| *shown == method && *to == places.fill(form));
            let may = allowed(line(method, form), caller.kind, caller.looks);
            assert_eq!(sees, may, "{} on {path}: the way to {method} {form}", caller.name());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t08_every_route_allows_and_refuses_as_section_3_says() {
    for database in databases() {
        let log = [("SCIMHUB_LOG", String::from("warn"))];
        let server = Server::try_start_in(&database, &[], &log).unwrap();
        let (places, mut callers) = scene(&database, &server).await;
        if database.name != "sqlite" {
            // The same look-ups; a part of everybody is enough to see them answer alike.
            let mut number = 0;
            callers.retain(|_| {
                number += 1;
                number % 4 == 0
            });
        }
        sign_in(&server, &mut callers).await;
        pages_offer_what_is_allowed(&places, &callers).await;
        let scene = Arc::new((places, callers));

        // Refused calls change nothing, though each would: as rows, everything is as before.
        let before = dump(&database);
        let refused = all(&scene, TABLE, false).await;
        let after = dump(&database);
        let differs: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
        assert!(after == before, "{}: refused calls changed {differs:?}", database.name);

        let made = all(&scene, TABLE, true).await;
        let most = scene.1.len() * 110;
        assert!(refused + made > most, "{}: {refused} refused, {made} allowed", database.name);
        // What is only somebody's own is theirs for everybody.
        let (places, callers) = &*scene;
        for caller in callers.iter().filter(|caller| matches!(caller.kind, Kind::Person(..))) {
            let unknown = caller.client.get("/api/v1/hubs/nowhere").await;
            assert_eq!(unknown.status, 404, "{}: {}", caller.name(), unknown.text());
        }
        // Whatever their role is, they may end their own session, and by nobody's else proof.
        let mut proofs = callers.iter().filter_map(|caller| caller.page.as_ref());
        let (first, second) = (proofs.next().unwrap(), proofs.next().unwrap());
        first.0.post("/sign-out", &[("proof", &second.1)]).await.expect(403);
        first.0.get(&places.fill("/")).await.expect(200);
        for (visitor, proof) in callers.iter().filter_map(|caller| caller.page.as_ref()) {
            visitor.post("/sign-out", &[("proof", proof)]).await.expect(303);
            visitor.get("/").await.expect(401);
        }
    }
}
