//! `/_test/…`: reset, seed, state, faults and log, for tests and for watching what a client did.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::assets::AssetKinds;
use super::invitations::Invites;
use super::lock;
use super::serve::Shared;
use super::users;

/// What `seed` takes: rules, and seats that are there already.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seed {
    #[serde(default = "default_space")]
    space: String,
    roles: Option<Vec<String>>,
    unique: Option<bool>,
    max_seats: Option<usize>,
    invites: Option<InvitesSeed>,
    needs: Option<Vec<String>>,
    assets: Option<AssetKinds>,
    #[serde(default)]
    users: Vec<Map<String, Value>>,
    /// Make this many people, `person-1@example.com` and so on.
    #[serde(default)]
    people: usize,
}

/// `{"mode": "off" | "listed" | "hidden", "seconds": 60}`: how people are brought in from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InvitesSeed {
    mode: InvitesMode,
    seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum InvitesMode {
    Off,
    Listed,
    Hidden,
}

impl InvitesSeed {
    fn read(&self) -> Invites {
        let lasts = self.seconds.map(Duration::from_secs);
        match self.mode {
            InvitesMode::Off => Invites::Off,
            InvitesMode::Listed => Invites::On { lasts, listed: true },
            InvitesMode::Hidden => Invites::On { lasts, listed: false },
        }
    }
}

fn default_space() -> String {
    String::from("default")
}

/// Answer a switchboard call: status and body.
pub(super) fn answer(shared: &Shared, method: &str, what: &str, body: &[u8]) -> (u16, Value) {
    match (method, what) {
        ("POST", "reset") => {
            *lock(&shared.spaces) = super::seats::Spaces::default();
            lock(&shared.faults).clear();
            lock(&shared.log).clear();
            (200, json!({"reset": true}))
        }
        ("POST", "seed") => match serde_json::from_slice(body) {
            Ok(seed) => apply(shared, seed),
            Err(error) => (400, json!({"error": error.to_string()})),
        },
        ("GET", "state") => (200, lock(&shared.spaces).state()),
        ("POST", "faults") => match serde_json::from_slice(body)
            .map_err(|e| e.to_string())
            .and_then(|value: Value| lock(&shared.faults).add(&value))
        {
            Ok(()) => (200, json!({"waiting": lock(&shared.faults).len()})),
            Err(error) => (400, json!({"error": error})),
        },
        ("GET", "faults") => (200, json!({"waiting": lock(&shared.faults).len()})),
        ("DELETE", "faults") => {
            lock(&shared.faults).clear();
            (200, json!({"waiting": 0}))
        }
        ("GET", "log") => (200, json!({"requests": lock(&shared.log).iter().collect::<Vec<_>>()})),
        _ => (404, json!({"error": "reset, seed, state, faults or log"})),
    }
}

fn apply(shared: &Shared, seed: Seed) -> (u16, Value) {
    let now = shared.clock.now();
    let mut spaces = lock(&shared.spaces);
    if let Some(roles) = seed.roles {
        spaces.rules.roles = roles;
    }
    if let Some(unique) = seed.unique {
        spaces.rules.unique = unique;
    }
    if seed.max_seats.is_some() {
        spaces.rules.seats = seed.max_seats;
    }
    if let Some(invites) = seed.invites {
        spaces.rules.invites = invites.read();
    }
    if let Some(needs) = seed.needs {
        spaces.rules.needs = needs;
    }
    if seed.assets.is_some() {
        spaces.rules.assets = seed.assets;
    }
    let rules = spaces.rules.clone();
    let space = spaces.spaces.entry(seed.space).or_default();
    for user in seed.users {
        if let Err(refused) = users::check(&user, &rules) {
            return (refused.status, refused.body.unwrap_or(Value::Null));
        }
        space.insert(user, None, None, now);
    }
    for number in 1..=seed.people {
        let email = format!("person-{number}@example.com");
        let document = json!({"userName": email, "active": true, "emails": [{"value": email, "primary": true}]});
        if let Value::Object(document) = document {
            space.insert(document, None, None, now);
        }
    }
    (200, json!({"seats": space.len()}))
}
