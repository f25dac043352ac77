//! A SCIM app with every bad habit of connected-apps.md section 6.3, switched on one by one.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Map, Value, json};

/// What it does wrong.
#[derive(Clone, Debug, Default)]
pub(super) struct Habits {
    /// A filter is answered with this status.
    pub(super) filter_status: Option<u16>,
    /// A filter is read past: everybody comes back.
    pub(super) filter_ignored: bool,
    /// PATCH is answered with this status and a SCIM error.
    pub(super) patch_status: Option<u16>,
    /// PATCH (or PUT) has no route: an HTML 404 from the web server in front.
    pub(super) no_patch_route: bool,
    pub(super) no_put_route: bool,
    /// No ServiceProviderConfig either: an HTML 404.
    pub(super) no_config: bool,
    /// What ServiceProviderConfig says instead of the truth.
    pub(super) config: Option<Value>,
    /// 409 without `scimType`.
    pub(super) plain_conflict: bool,
    /// This userName is taken by an account that SCIM does not show.
    pub(super) hidden: Option<String>,
    /// Lists show ids in upper case.
    pub(super) shouts_ids: bool,
    /// 201 without a body.
    pub(super) silent_create: bool,
    /// 204 for a PATCH.
    pub(super) silent_patch: bool,
    /// Everything is 404.
    pub(super) hides_everything: bool,
    /// 200 with a login page.
    pub(super) login_page: bool,
    /// DELETE is answered with this status and does nothing.
    pub(super) delete_status: Option<u16>,
    /// Page size.
    pub(super) page: Option<usize>,
    /// Lists go by cursor only (RFC 9865).
    pub(super) cursors: bool,
    /// `Resources` is missing where it would be empty, and lower-case otherwise.
    pub(super) odd_list: bool,
    /// At most this many membership changes in one PATCH.
    pub(super) member_cap: Option<usize>,
    /// Filters in paths are refused.
    pub(super) no_value_path: bool,
    /// The wrong version is seen once: 412 for the first PUT.
    pub(super) stale_once: bool,
}

/// What it holds and saw.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) users: Vec<Map<String, Value>>,
    pub(super) groups: Vec<Map<String, Value>>,
    /// `GET /Users` and so on, with the query.
    pub(super) seen: Vec<String>,
    next: usize,
    stale_told: bool,
}

pub(super) struct Bad {
    pub(super) base: String,
    pub(super) state: Arc<Mutex<State>>,
    server: actix_web::dev::ServerHandle,
}

impl Drop for Bad {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

impl Bad {
    pub(super) fn start(habits: Habits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = web::Data::new((habits, Arc::clone(&state)));
        let (sender, started) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server =
                    HttpServer::new(move || App::new().app_data(shared.clone()).default_service(web::to(handle)))
                        .workers(1)
                        .disable_signals()
                        .listen(listener)
                        .unwrap()
                        .run();
                sender.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { base, state, server: started.recv().unwrap() }
    }

    /// How many requests began with this.
    pub(super) fn count(&self, what: &str) -> usize {
        self.state.lock().unwrap().seen.iter().filter(|line| line.starts_with(what)).count()
    }

    pub(super) fn users(&self) -> usize {
        self.state.lock().unwrap().users.len()
    }

    pub(super) fn seed(&self, people: usize) {
        let mut state = self.state.lock().unwrap();
        for person in 0..people {
            let user = json!({"userName": format!("other{person}@example.com"), "active": true});
            state.insert(user.as_object().unwrap().clone());
        }
    }
}

impl State {
    fn insert(&mut self, mut user: Map<String, Value>) -> Map<String, Value> {
        self.next += 1;
        user.insert("id".into(), json!(format!("id-{}", self.next)));
        self.users.push(user.clone());
        user
    }
}

fn error(status: u16, scim_type: Option<&str>) -> HttpResponse {
    let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string()});
    if let Some(kind) = scim_type {
        body["scimType"] = json!(kind);
    }
    answer(status, &body)
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap())
        .content_type("application/scim+json")
        .body(body.to_string())
}

fn html(status: u16) -> HttpResponse {
    HttpResponse::build(actix_web::http::StatusCode::from_u16(status).unwrap())
        .content_type("text/html")
        .body("<html><h1>Error 404 (Not Found)!!1</h1></html>")
}

async fn handle(
    request: HttpRequest,
    body: web::Bytes,
    shared: web::Data<(Habits, Arc<Mutex<State>>)>,
) -> HttpResponse {
    let (habits, state) = shared.get_ref();
    let state = &mut *state.lock().unwrap();
    let method = request.method().as_str();
    state.seen.push(format!("{method} {}", request.uri()));
    let path = request.path().trim_matches('/').to_owned();
    let path: Vec<&str> = path.split('/').collect();
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).unwrap().into_inner();
    let sent: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    if habits.hides_everything {
        return error(404, None);
    }
    if habits.login_page {
        return html(200);
    }
    if method != "GET" && method != "DELETE" {
        let media = request.headers().get("content-type").and_then(|v| v.to_str().ok());
        assert_eq!(media, Some("application/scim+json"), "strict on output");
        assert!(!has_null(&Value::Object(sent.clone())), "no nulls: {sent:?}");
    }
    match (method, path.as_slice()) {
        ("GET", ["ServiceProviderConfig"]) if habits.no_config => html(404),
        ("GET", ["ServiceProviderConfig"]) => {
            answer(200, habits.config.as_ref().unwrap_or(&json!({"patch": {"supported": true}, "bulk": {}})))
        }
        ("GET", [kind @ ("Users" | "Groups")]) => list(habits, state, kind, &query),
        ("POST", ["Users"]) => create(habits, state, sent),
        ("PATCH", [_, _]) if habits.no_patch_route => html(404),
        ("PUT", [_, _]) if habits.no_put_route => html(404),
        ("PATCH", [_, _]) if habits.patch_status.is_some() => error(habits.patch_status.unwrap(), None),
        ("DELETE", [_, _]) if habits.delete_status.is_some() => error(habits.delete_status.unwrap(), None),
        ("PATCH", ["Groups", id]) => patch_group(habits, state, id, &sent),
        (_, ["Users", id]) => one(habits, state, method, id, sent),
        ("GET", ["Groups", id]) => match state.groups.iter().find(|g| g["id"] == *id) {
            Some(group) => answer(200, &Value::Object(group.clone())),
            None => error(404, None),
        },
        _ => html(404),
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(map) => map.values().any(has_null),
        _ => false,
    }
}

fn list(habits: &Habits, state: &State, kind: &str, query: &[(String, String)]) -> HttpResponse {
    let get = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let mut rows: Vec<Map<String, Value>> = if kind == "Users" { state.users.clone() } else { state.groups.clone() };
    if let Some(filter) = get("filter") {
        if let Some(status) = habits.filter_status {
            return error(status, (status == 400).then_some("invalidFilter"));
        }
        if !habits.filter_ignored {
            let (attribute, value) = filter.split_once(" eq ").unwrap();
            let value: String = serde_json::from_str(value).unwrap();
            rows.retain(|row| {
                row.get(attribute).and_then(Value::as_str).is_some_and(|v| v.eq_ignore_ascii_case(&value))
            });
        }
    }
    if habits.shouts_ids {
        for row in &mut rows {
            row["id"] = json!(row["id"].as_str().unwrap().to_uppercase());
        }
    }
    let total = rows.len();
    let count = habits.page.unwrap_or(100).min(get("count").map_or(100, |c| c.parse().unwrap()));
    let start = match get("cursor") {
        Some("") => 1,
        Some(cursor) => cursor.strip_prefix("at-").unwrap().parse().unwrap(),
        None if habits.cursors && get("filter").is_none() => return error(400, Some("invalidCursor")),
        None => get("startIndex").map_or(1, |s| s.parse::<usize>().unwrap()),
    };
    let page: Vec<_> = rows.into_iter().skip(start - 1).take(count).map(Value::Object).collect();
    let mut body = json!({"totalResults": total, "startIndex": start, "itemsPerPage": 7});
    if habits.cursors {
        body = json!({});
        if start - 1 + page.len() < total {
            body["nextCursor"] = json!(format!("at-{}", start + page.len()));
        }
    }
    if habits.odd_list {
        if !page.is_empty() {
            body["resources"] = json!(page);
        }
    } else {
        body["Resources"] = json!(page);
    }
    answer(200, &body)
}

fn create(habits: &Habits, state: &mut State, sent: Map<String, Value>) -> HttpResponse {
    let name = sent["userName"].as_str().unwrap().to_lowercase();
    let taken = state.users.iter().any(|u| u["userName"].as_str().unwrap().to_lowercase() == name);
    if taken || habits.hidden.as_deref() == Some(name.as_str()) {
        return error(409, (!habits.plain_conflict).then_some("uniqueness"));
    }
    let user = state.insert(sent);
    if habits.silent_create { HttpResponse::Created().finish() } else { answer(201, &Value::Object(user)) }
}

fn one(habits: &Habits, state: &mut State, method: &str, id: &str, sent: Map<String, Value>) -> HttpResponse {
    let Some(at) = state.users.iter().position(|u| u["id"].as_str().unwrap().eq_ignore_ascii_case(id)) else {
        return error(404, None);
    };
    match method {
        "GET" => answer(200, &Value::Object(state.users[at].clone())),
        "DELETE" => {
            state.users.remove(at);
            HttpResponse::NoContent().finish()
        }
        "PUT" => {
            if habits.stale_once && !state.stale_told {
                state.stale_told = true;
                return error(412, None);
            }
            let mut user = sent;
            user.insert("id".into(), state.users[at]["id"].clone());
            state.users[at] = user.clone();
            answer(200, &Value::Object(user))
        }
        "PATCH" => {
            for operation in sent["Operations"].as_array().unwrap() {
                assert_eq!(operation["op"], "replace", "lower case, one attribute each");
                let path = operation["path"].as_str().expect("path always").to_owned();
                state.users[at].insert(path, operation["value"].clone());
            }
            if habits.silent_patch {
                return HttpResponse::NoContent().finish();
            }
            answer(200, &Value::Object(state.users[at].clone()))
        }
        _ => html(404),
    }
}

fn patch_group(habits: &Habits, state: &mut State, id: &str, sent: &Map<String, Value>) -> HttpResponse {
    let Some(group) = state.groups.iter_mut().find(|g| g["id"] == id) else { return error(404, None) };
    let mut changes = 0;
    let mut members: Vec<Value> = group["members"].as_array().cloned().unwrap_or_default();
    for operation in sent["Operations"].as_array().unwrap() {
        let path = operation["path"].as_str().expect("path always");
        let values: Vec<Value> = operation.get("value").and_then(Value::as_array).cloned().unwrap_or_default();
        changes += values.len().max(1);
        match (operation["op"].as_str().unwrap(), path) {
            ("add", "members") => members.extend(values),
            ("remove", "members") => members.retain(|m| !values.iter().any(|v| v["value"] == m["value"])),
            ("remove", filter) if !habits.no_value_path => {
                let wanted = filter.strip_prefix("members[value eq ").unwrap().strip_suffix(']').unwrap();
                let wanted: Value = serde_json::from_str(wanted).unwrap();
                members.retain(|m| m["value"] != wanted);
            }
            _ => return error(400, Some("invalidPath")),
        }
    }
    if habits.member_cap.is_some_and(|cap| changes > cap) {
        return error(413, None);
    }
    group.insert("members".into(), Value::Array(members));
    HttpResponse::NoContent().finish()
}
