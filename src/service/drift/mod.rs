//! Drift as a query (R7.5, R7.8): where a hub's app is otherwise than the mappings say. Gone over in
//! the order of keys, a stretch at a time, in a few statements each; asking changes nothing. What is
//! found is put right on request ([`repair`]) or, where the hub says so, by the sync that finds it.

pub mod repair;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::members::{self, ObservedView, Presence};
use super::page::{Page, PageRequest};
use super::{Caller, Context, ServiceError, hubs};
use crate::base::clock::Micros;
use crate::base::ids::{MemberId, UserId, WorkspaceId};
use crate::base::limits::DRIFT_STRETCHES;
use crate::domain::app::App;
use crate::domain::assets;
use crate::domain::decide::{Facts, Ground};
use crate::domain::drift::{self, Finding, Standing};
use crate::domain::entitlement::Rule;
use crate::domain::hub::{Hub, HubMode};
use crate::domain::hub_rules as rules;
use crate::domain::mapping::AssetGrant;
use crate::domain::member::Member;
use crate::domain::principal;
use crate::store::{DbConn, StoreError, drift as rows, facts, hub_members, pausing, workspaces};

pub use crate::domain::drift::Kind;

/// What a list is narrowed to, and its page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftQuery {
    /// `missing`, `extra`, `wrong_role`, `wrong_assets` or `unknown`; all of them unless told.
    pub kind: Option<String>,
    /// Items on the page.
    pub limit: Option<usize>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// One difference between what is wanted and what there is.
#[derive(Clone, Debug, Serialize)]
pub struct DriftView {
    /// What it is.
    pub kind: Kind,
    /// `open`: a repair puts it right; `by_hand`: it asks a person to; `needs_data`:
    /// it waits for what the app must know of the person; `under_way`: that happens
    /// already; `kept`: something stands against it.
    pub standing: &'static str,
    /// In a sentence.
    pub why: String,
    /// The user's SCIM id, also after the user was deleted; an unknown account has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Our id of the account, where there is or was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// The userName, or the name the app shows.
    pub name: String,
    /// Whether the person left: deactivated or deleted at the identity provider.
    pub left: bool,
    /// The role that is wanted; absent where no access is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// The assets that are wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wanted_assets: Vec<AssetGrant>,
    /// What is known: the newer of the last finished task and the last sync.
    pub known: KnownView,
    /// What the last sync saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<ObservedView>,
    /// The subjects of the mappings behind it: those that give access, or those that once gave what
    /// is left over.
    pub because: Vec<String>,
    /// The open task that puts it right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

impl DriftView {
    /// The assets that are wanted and those that are known, as people read them.
    pub fn assets_in_words(&self) -> (String, String) {
        (assets::words(&self.wanted_assets), assets::words(&self.known.assets))
    }
}

/// What is known of an account.
#[derive(Clone, Debug, Serialize)]
pub struct KnownView {
    /// `absent`, `pending`, `active`, `suspended`.
    pub state: Presence,
    /// Its role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Its assets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<AssetGrant>,
    /// Since when that is known, RFC 3339; absent where there never was an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// Where a page ends: people first, then accounts that belong to nobody, each in the order of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Behind this person.
    Person(UserId),
    /// Behind all people, and behind this account.
    Account(Option<MemberId>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(user) => write!(f, "person.{user}"),
            Self::Account(None) => f.write_str("account."),
            Self::Account(Some(member)) => write!(f, "account.{member}"),
        }
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once('.').ok_or(())? {
            ("person", id) => id.parse().map(Self::Person).map_err(|_| ()),
            ("account", "") => Ok(Self::Account(None)),
            ("account", id) => id.parse().map(|id| Self::Account(Some(id))).map_err(|_| ()),
            _ => Err(()),
        }
    }
}

/// A page of a hub's drift. Everybody in between is looked at and most are in order, so a page ends
/// after [`DRIFT_STRETCHES`] stretches too: it may be short, even empty, while there is a `next`.
///
/// # Errors
/// [`ServiceError::NotFound`] for the hub, [`ServiceError::Invalid`] for an unknown kind or cursor.
pub async fn list(
    context: &Context,
    caller: &Caller,
    slug: &str,
    query: DriftQuery,
) -> Result<Page<DriftView>, ServiceError> {
    let page = PageRequest { limit: query.limit, cursor: query.cursor };
    let (limit, from) = (page.limit(), page.after::<Place>()?);
    let kind = match query.kind.as_deref() {
        None => None,
        Some(word) => Some(Kind::from_word(word).ok_or_else(|| {
            ServiceError::Invalid(String::from("kind must be one of missing, extra, wrong_role, wrong_assets, unknown"))
        })?),
    };
    let (workspace, slug, now) = (caller.workspace, slug.to_owned(), context.clock.now());
    let catalog = context.catalog.clone();
    context
        .store
        .read(move |conn| {
            let hub = hubs::find(conn, workspace, &slug)?;
            let app = rules::app(&catalog, &hub.app).map_err(ServiceError::Invalid)?;
            let app = &*app.with_login(hub.login);
            let mut walk = Walk::new(conn, workspace, &hub, app, now)?;
            walk.kind = kind;
            walk.limit = limit;
            Ok::<_, ServiceError>(walk.page(from)?)
        })
        .await
}

struct Walk<'a> {
    conn: &'a mut DbConn,
    workspace: WorkspaceId,
    hub: &'a Hub,
    app: &'a App,
    rules: Vec<Rule>,
    now: Micros,
    /// Whether what the planner is to look at is really looked at: it rests while a hub observes or
    /// pushing is paused.
    plans: bool,
    everybody: bool,
    kind: Option<Kind>,
    limit: usize,
    found: Vec<DriftView>,
}

impl<'a> Walk<'a> {
    fn new(
        conn: &'a mut DbConn,
        workspace: WorkspaceId,
        hub: &'a Hub,
        app: &'a App,
        now: Micros,
    ) -> Result<Self, StoreError> {
        let rules = facts::rules(conn, workspace, hub.id)?;
        let active = match hub.mode {
            HubMode::Active => !hub.paused,
            HubMode::Observe => false,
        };
        let plans = active && !workspaces::load(conn, workspace)?.paused && !pausing::is_installation_paused(conn)?;
        let everybody = plans && rows::everybody_marked(conn, workspace, hub.id)?;
        Ok(Self { conn, workspace, hub, app, rules, now, plans, everybody, kind: None, limit: 1, found: Vec::new() })
    }

    fn page(mut self, from: Option<Place>) -> Result<Page<DriftView>, StoreError> {
        let mut after = match from {
            None => None,
            Some(Place::Person(user)) => Some(user),
            Some(Place::Account(member)) => return self.accounts(member),
        };
        if self.kind == Some(Kind::Unknown) {
            return self.accounts(None);
        }
        for _ in 0..DRIFT_STRETCHES {
            let people = rows::people_after(self.conn, self.workspace, self.hub.id, after)?;
            let Some(last) = people.last().copied() else {
                return match self.kind {
                    None | Some(Kind::Unknown) => self.accounts(None),
                    Some(Kind::Missing | Kind::Extra | Kind::WrongRole | Kind::WrongAssets) => {
                        Ok(Page { items: self.found, next: None })
                    }
                };
            };
            if let Some(place) = self.people(&people)? {
                return Ok(Page { items: self.found, next: Some(Place::Person(place).to_string()) });
            }
            after = Some(last);
        }
        Ok(Page { items: self.found, next: after.map(|user| Place::Person(user).to_string()) })
    }

    /// Look at a stretch of people; where the page is full, the last one looked at.
    fn people(&mut self, people: &[UserId]) -> Result<Option<UserId>, StoreError> {
        let facts = facts::of_people(self.conn, self.workspace, self.hub.id, self.app, &self.rules, people)?;
        let ground = Ground { app: self.app, policy: &self.hub.policy, rules: &self.rules };
        let findings: Vec<(Facts, Finding)> = facts
            .into_iter()
            .filter_map(|facts| drift::of(&ground, &facts, self.now).map(|found| (facts, found)))
            .filter(|(_, found)| self.kind.is_none_or(|kind| kind == found.kind))
            .take(self.limit.saturating_sub(self.found.len()))
            .collect();
        if findings.is_empty() {
            return Ok(None);
        }
        let users: Vec<UserId> = findings.iter().map(|(facts, _)| facts.user).collect();
        let marks =
            if self.plans { rows::marked(self.conn, self.workspace, self.hub.id, &users)? } else { HashMap::new() };
        let ids: Vec<MemberId> =
            findings.iter().filter_map(|(facts, _)| facts.member.as_ref().map(|member| member.id)).collect();
        let mut seen: BTreeMap<MemberId, _> =
            hub_members::observed(self.conn, self.workspace, &ids)?.into_iter().collect();
        for (facts, found) in findings {
            let observed = facts.member.as_ref().and_then(|member| seen.remove(&member.id));
            let due = marks.get(&facts.user).copied().or(self.everybody.then_some(self.now));
            self.found.push(of_person(&facts, found, due, observed.map(members::observed_view)));
        }
        Ok((self.found.len() >= self.limit).then(|| users.last().copied()).flatten())
    }

    /// Fill the page with accounts that belong to nobody.
    fn accounts(mut self, after: Option<MemberId>) -> Result<Page<DriftView>, StoreError> {
        let room = self.limit.saturating_sub(self.found.len());
        let wanted = i64::try_from(room).unwrap_or(i64::MAX).saturating_add(1);
        let mut accounts = rows::unknown_after(self.conn, self.workspace, self.hub.id, after, wanted)?;
        accounts.retain(drift::is_unknown);
        let more = accounts.len() > room;
        accounts.truncate(room);
        let last = accounts.last().map_or(after, |member| Some(member.id));
        let ids: Vec<MemberId> = accounts.iter().map(|member| member.id).collect();
        let mut seen: BTreeMap<MemberId, _> =
            hub_members::observed(self.conn, self.workspace, &ids)?.into_iter().collect();
        for member in accounts {
            let observed = seen.remove(&member.id).map(members::observed_view);
            self.found.push(unknown(member, observed));
        }
        Ok(Page { items: self.found, next: more.then(|| Place::Account(last).to_string()) })
    }
}

fn of_person(facts: &Facts, found: Finding, due: Option<Micros>, observed: Option<ObservedView>) -> DriftView {
    let (standing, why) = match (found.standing, due) {
        (Standing::Open | Standing::ByHand | Standing::NeedsData, Some(due)) => {
            (Standing::UnderWay, format!("the planner looks at it from {} on", due.to_rfc3339()))
        }
        (Standing::Open, None) if facts.protection.is_some() => {
            (found.standing, String::from("nothing is under way: a repair of a protected account is held for a person"))
        }
        (Standing::Open, None) => (found.standing, String::from("nothing is under way: a repair puts it right")),
        (Standing::ByHand, None) => {
            (found.standing, String::from("the app cannot do it by machine: a repair makes it an item for a person"))
        }
        (Standing::NeedsData, None) => {
            (found.standing, String::from("the app needs more about this person: a repair makes it wait for that"))
        }
        (Standing::UnderWay, _) => {
            let status = facts.open.as_ref().map_or("open", |task| task.status.as_str());
            (found.standing, format!("a task that puts it right is {status}"))
        }
        (Standing::Kept(why), _) => (found.standing, kept(facts, why)),
    };
    let task = match standing {
        Standing::UnderWay => facts.open.as_ref().map(|task| task.id.to_string()),
        Standing::Open | Standing::ByHand | Standing::NeedsData | Standing::Kept(_) => None,
    };
    let name = principal::named(&facts.principal);
    DriftView {
        kind: found.kind,
        standing: standing.as_str(),
        why,
        user: Some(facts.user.to_string()),
        member: facts.member.as_ref().map(|member| member.id.to_string()),
        name,
        left: !facts.person.as_ref().is_some_and(|person| person.active),
        wanted_assets: found.wanted.as_ref().map(|seat| seat.assets.clone()).unwrap_or_default(),
        wanted: found.wanted.map(|seat| seat.role),
        known: known(facts.member.as_ref()),
        observed,
        because: found.because,
        task,
    }
}

fn kept(facts: &Facts, why: drift::Why) -> String {
    match (why, &facts.decision) {
        (drift::Why::Decided, Some(decision)) => {
            let note = decision.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
            format!("{} by {}{note}; nothing has changed since", decision.kind.as_str(), decision.decided_by)
        }
        (why, _) => why.explain().to_owned(),
    }
}

fn unknown(member: Member, observed: Option<ObservedView>) -> DriftView {
    DriftView {
        kind: Kind::Unknown,
        standing: "kept",
        why: String::from("nobody here is known to own it, so nothing touches it: match, exempt or remove it"),
        user: None,
        known: known(Some(&member)),
        member: Some(member.id.to_string()),
        name: member.display,
        left: false,
        wanted: None,
        wanted_assets: Vec::new(),
        observed,
        because: Vec::new(),
        task: None,
    }
}

fn known(member: Option<&Member>) -> KnownView {
    KnownView {
        state: member.map_or(Presence::Absent, |member| member.known),
        role: member.and_then(|member| member.known_role.clone()),
        assets: member.map(|member| member.known_assets.clone()).unwrap_or_default(),
        at: member.map(|member| member.known_at.to_rfc3339()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let id = uuid::Uuid::from_u128(7);
        let places =
            [Place::Person(UserId::from_uuid(id)), Place::Account(None), Place::Account(Some(MemberId::from_uuid(id)))];
        for place in places {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for bad in ["", "person", "person.", "account.x", "somebody.00000000-0000-0000-0000-000000000007"] {
            assert_eq!(bad.parse::<Place>(), Err(()), "{bad}");
        }
    }
}
