//! What the practice app holds: spaces, their seats, and every effect that ever happened, so
//! that a test can count effects that happened twice.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::assets::{self, AssetKinds};
use super::invitations::{EXTENSION, Invitation, Invites};
use crate::base::clock::Micros;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// One seat: a SCIM user.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    /// The app's stable id.
    pub(super) id: String,
    /// The user without id and meta.
    pub(super) document: Object,
    /// When it was made.
    pub(super) created: Micros,
    /// When it last changed.
    pub(super) modified: Micros,
    /// Counts changes; shown as the ETag.
    pub(super) version: u64,
    /// Set until the person has joined.
    pub(super) invitation: Option<Invitation>,
}

/// The role in a document: the primary one of `roles[]`, else the first.
pub(super) fn role_of(document: &Object) -> Option<&str> {
    let roles = document.get("roles")?.as_array()?;
    let primary = roles.iter().find(|r| r.get("primary") == Some(&Value::Bool(true))).or_else(|| roles.first())?;
    primary.get("value")?.as_str()
}

impl Seat {
    fn text(&self, name: &str) -> &str {
        self.document.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The login name as given.
    pub(super) fn user_name(&self) -> &str {
        self.text("userName")
    }

    /// The name people read.
    pub(super) fn display(&self) -> String {
        let name = |part| self.document.get("name").and_then(|n| n.get(part)).and_then(Value::as_str);
        match (self.text("displayName"), name("givenName"), name("familyName")) {
            ("", Some(given), Some(family)) => format!("{given} {family}"),
            ("", Some(one), None) | ("", None, Some(one)) => one.to_owned(),
            ("", None, None) => self.user_name().to_owned(),
            (display, _, _) => display.to_owned(),
        }
    }

    /// The e-mail addresses, primary first.
    pub(super) fn emails(&self) -> Vec<&str> {
        let mut found: Vec<(bool, &str)> = self
            .document
            .get("emails")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|e| Some((e.get("primary") != Some(&Value::Bool(true)), e.get("value")?.as_str()?)))
            .collect();
        found.sort_by_key(|(secondary, _)| *secondary);
        found.into_iter().map(|(_, email)| email).collect()
    }

    /// The role: the primary one of `roles[]`, else the first.
    pub(super) fn role(&self) -> Option<&str> {
        role_of(&self.document)
    }

    /// Whether the person can use the app.
    pub(super) fn active(&self) -> bool {
        self.document.get("active").and_then(Value::as_bool).unwrap_or(true)
    }

    /// The resource as answered.
    pub(super) fn render(&self, base: &str, now: Micros) -> Value {
        let mut whole = Map::new();
        let mut schemas = vec![super::users::USER];
        schemas.extend(self.invitation.map(|_| EXTENSION));
        schemas.extend(self.document.contains_key(assets::EXTENSION).then_some(assets::EXTENSION));
        whole.insert(String::from("schemas"), json!(schemas));
        whole.insert(String::from("id"), Value::String(self.id.clone()));
        for (name, value) in &self.document {
            if name != "schemas" {
                whole.insert(name.clone(), value.clone());
            }
        }
        if let Some(invitation) = self.invitation {
            whole.insert(String::from(EXTENSION), invitation.render(now));
        }
        whole.insert(
            String::from("meta"),
            json!({
                "resourceType": "User",
                "created": self.created.to_rfc3339(),
                "lastModified": self.modified.to_rfc3339(),
                "location": format!("{base}/Users/{}", self.id),
                "version": self.etag(),
            }),
        );
        Value::Object(whole)
    }

    /// The version as an ETag.
    pub(super) fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }
}

/// One change that took effect.
#[derive(Clone, Debug)]
pub(super) struct Done {
    /// `create`, `invite`, `accept`, `role`, `assets`, `profile`, `suspend`, `reactivate`, `revoke`, `delete`.
    pub(super) kind: &'static str,
    /// The caller's operation id (`X-Request-Id`).
    pub(super) op_id: Option<String>,
    /// Which seat.
    pub(super) id: String,
    /// Whose.
    pub(super) user_name: String,
    /// The role afterwards.
    pub(super) role: Option<String>,
    /// When.
    pub(super) at: Micros,
}

/// Rules of the whole app, changed by the switchboard's `seed`.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Role ids the app knows; anything else is refused. Empty: any.
    pub(super) roles: Vec<String>,
    /// Whether two seats of one userName are refused (switched off to show who looks first).
    pub(super) unique: bool,
    /// Seats bought for each space.
    pub(super) seats: Option<usize>,
    /// How people are brought in.
    pub(super) invites: Invites,
    /// Texts without which nobody is added: attributes, perhaps behind the URN of an extension and a colon.
    pub(super) needs: Vec<String>,
    /// The assets that seats have; `None`: the app has none, and keeps what it is told of them unlooked at.
    pub(super) assets: Option<AssetKinds>,
}

impl Default for Rules {
    fn default() -> Self {
        let roles = ["viewer", "editor", "admin"].map(String::from).to_vec();
        Self { roles, unique: true, seats: None, invites: Invites::Off, needs: Vec::new(), assets: None }
    }
}

/// One connected account of the app.
#[derive(Clone, Debug, Default)]
pub(super) struct Space {
    seats: BTreeMap<u64, Seat>,
    numbers: HashMap<String, u64>,
    by_name: HashMap<String, Vec<u64>>,
    by_external: HashMap<String, Vec<u64>>,
    next: u64,
    /// Everything that took effect, in order.
    pub(super) effects: Vec<Done>,
}

fn fold(text: &str) -> String {
    text.to_lowercase()
}

impl Space {
    /// A seat by id.
    pub(super) fn get(&self, id: &str) -> Option<&Seat> {
        self.numbers.get(id).and_then(|number| self.seats.get(number))
    }

    /// Seats in the order they were made.
    pub(super) fn all(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Seats of this login name, whatever its case.
    pub(super) fn named(&self, user_name: &str) -> Vec<&Seat> {
        self.by_name.get(&fold(user_name)).into_iter().flatten().filter_map(|n| self.seats.get(n)).collect()
    }

    /// Seats of this externalId, exactly.
    pub(super) fn external(&self, external_id: &str) -> Vec<&Seat> {
        self.by_external.get(external_id).into_iter().flatten().filter_map(|n| self.seats.get(n)).collect()
    }

    fn index(&mut self, number: u64) {
        let Some(seat) = self.seats.get(&number) else { return };
        self.by_name.entry(fold(seat.user_name())).or_default().push(number);
        if let Some(external) = seat.document.get("externalId").and_then(Value::as_str) {
            self.by_external.entry(external.to_owned()).or_default().push(number);
        }
    }

    fn unindex(&mut self, number: u64) {
        let Some(seat) = self.seats.get(&number) else { return };
        let keys = (fold(seat.user_name()), seat.document.get("externalId").and_then(Value::as_str).map(String::from));
        if let Some(numbers) = self.by_name.get_mut(&keys.0) {
            numbers.retain(|n| *n != number);
        }
        if let Some(numbers) = keys.1.and_then(|external| self.by_external.get_mut(&external)) {
            numbers.retain(|n| *n != number);
        }
    }

    /// Take a new seat, or invite to one; the document has been checked.
    pub(super) fn insert(
        &mut self,
        document: Object,
        invitation: Option<Invitation>,
        op_id: Option<String>,
        now: Micros,
    ) -> Seat {
        let number = self.next;
        self.next += 1;
        let id = format!("seat-{}", number + 1);
        let seat = Seat { id, document, created: now, modified: now, version: 1, invitation };
        self.numbers.insert(seat.id.clone(), number);
        self.seats.insert(number, seat.clone());
        self.index(number);
        self.record(if invitation.is_some() { "invite" } else { "create" }, &seat, op_id, now);
        seat
    }

    /// Somebody followed their invitation: the seat is theirs.
    pub(super) fn accept(&mut self, id: &str, now: Micros) {
        let Some(seat) = self.numbers.get(id).and_then(|number| self.seats.get_mut(number)) else { return };
        seat.invitation = None;
        seat.modified = now;
        seat.version += 1;
        let seat = seat.clone();
        self.record("accept", &seat, None, now);
    }

    /// Forget invitations that ran out.
    pub(super) fn forget_invitations(&mut self, now: Micros) {
        let gone: Vec<String> = self
            .all()
            .filter(|seat| seat.invitation.is_some_and(|invitation| invitation.ran_out(now)))
            .map(|seat| seat.id.clone())
            .collect();
        for id in gone {
            self.remove(&id, None, now);
        }
    }

    /// Put a changed document in place; nothing happens where nothing changed.
    pub(super) fn update(&mut self, id: &str, document: Object, op_id: Option<&str>, now: Micros) -> Option<Seat> {
        let number = *self.numbers.get(id)?;
        let before = self.seats.get(&number)?.clone();
        if before.document == document {
            return Some(before);
        }
        self.unindex(number);
        let after = Seat { document, modified: now, version: before.version + 1, ..before.clone() };
        self.seats.insert(number, after.clone());
        self.index(number);
        let op = || op_id.map(String::from);
        let mut kinds = Vec::new();
        match (before.active(), after.active()) {
            (true, false) => kinds.push("suspend"),
            (false, true) => kinds.push("reactivate"),
            (true, true) | (false, false) => {}
        }
        if before.role() != after.role() {
            kinds.push("role");
        }
        if !assets::of(&before.document).eq(assets::of(&after.document)) {
            kinds.push("assets");
        }
        if kinds.is_empty() {
            kinds.push("profile");
        }
        for kind in kinds {
            self.record(kind, &after, op(), now);
        }
        Some(after)
    }

    /// Free a seat; whether there was one.
    pub(super) fn remove(&mut self, id: &str, op_id: Option<String>, now: Micros) -> bool {
        let Some(number) = self.numbers.get(id).copied() else { return false };
        self.unindex(number);
        self.numbers.remove(id);
        let Some(seat) = self.seats.remove(&number) else { return false };
        self.record(if seat.invitation.is_some() { "revoke" } else { "delete" }, &seat, op_id, now);
        true
    }

    fn record(&mut self, kind: &'static str, seat: &Seat, op_id: Option<String>, now: Micros) {
        self.effects.push(Done {
            kind,
            op_id,
            id: seat.id.clone(),
            user_name: seat.user_name().to_owned(),
            role: seat.role().map(String::from),
            at: now,
        });
    }

    /// Seats that are a second one for the same person.
    fn duplicates(&self) -> usize {
        self.by_name.values().map(|numbers| numbers.len().saturating_sub(1)).sum()
    }

    fn state(&self) -> Value {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for done in &self.effects {
            *counts.entry(done.kind).or_default() += 1;
        }
        let seats: Vec<Value> = self
            .all()
            .map(|seat| {
                json!({
                    "id": seat.id,
                    "userName": seat.user_name(),
                    "email": seat.emails().first(),
                    "role": seat.role(),
                    "assets": assets::of(&seat.document).collect::<Vec<_>>(),
                    "active": seat.active(),
                    "invited": seat.invitation.is_some(),
                    "externalId": seat.document.get("externalId"),
                    "created": seat.created.to_rfc3339(),
                })
            })
            .collect();
        let effects: Vec<Value> = self
            .effects
            .iter()
            .map(|done| {
                json!({
                    "kind": done.kind,
                    "op_id": done.op_id,
                    "id": done.id,
                    "userName": done.user_name,
                    "role": done.role,
                    "at": done.at.to_rfc3339(),
                })
            })
            .collect();
        json!({"seats": seats, "effects": effects, "counts": counts, "duplicates": self.duplicates()})
    }
}

/// All spaces.
#[derive(Clone, Debug, Default)]
pub(super) struct Spaces {
    /// The app's rules.
    pub(super) rules: Rules,
    /// By name.
    pub(super) spaces: BTreeMap<String, Space>,
}

impl Spaces {
    /// Everything, for the switchboard.
    pub(super) fn state(&self) -> Value {
        let spaces: Map<String, Value> =
            self.spaces.iter().map(|(name, space)| (name.clone(), space.state())).collect();
        json!({"spaces": spaces})
    }
}
