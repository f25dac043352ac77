//! What a change of hubs and mappings would mean for people: the planner's own pure decision, run
//! over everybody the change can reach, before and after. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::clock::Micros;
use crate::base::ids::{GroupId, HubId, UserId, WorkspaceId};
use crate::base::limits;
use crate::domain::catalog::Catalog;
use crate::domain::decide::{Facts, Ground};
use crate::domain::entitlement::Rule;
use crate::domain::hub::{Hub, HubMode};
use crate::domain::hub_rules as rules;
use crate::domain::mapping::{Binding, Mapping};
use crate::domain::whatif::stopping::{Stop, left_undone};
use crate::domain::whatif::{self, Begins, Outcome, PersonEffect};
use crate::service::ServiceError;
use crate::service::whatif::holding::Window;
use crate::service::whatif::stops::{self, Open};
use crate::store::{DbConn, StoreError, facts, hub_members, marks, reading};

/// A hub whose mappings or settings change.
#[derive(Clone, Debug)]
pub(in crate::service) struct Touched {
    /// As it will be.
    pub hub: Hub,
    /// As it is; `None` for a new one.
    pub was: Option<Hub>,
    /// Its mappings now.
    pub before: Vec<Mapping>,
    /// Its mappings then, with the bindings they get.
    pub after: Vec<Mapping>,
    /// Whether it stays.
    pub fate: Fate,
    /// Only these people are looked at; `None` for everybody it can reach.
    pub only: Option<BTreeSet<UserId>>,
}

/// Whether a hub is there afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum Fate {
    /// It is.
    Stays,
    /// It is removed: nothing changes in its app.
    Goes,
}

/// What a change means for the people of one hub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubEffect {
    /// The hub.
    pub hub: String,
    /// Whether the hub only observes: then this is shown and not done.
    pub observe: bool,
    /// People who get an account.
    pub adds: usize,
    /// People whose role rises, or changes between equals.
    pub promotes: usize,
    /// People whose role falls.
    pub demotes: usize,
    /// People whose account goes.
    pub removes: usize,
    /// Accounts found in the app that are bound to somebody and managed from then on.
    pub adopts: usize,
    /// People for whom something that was under way is no longer wanted.
    pub withdraws: usize,
    /// People for whom nothing happens although the mappings want it.
    pub keeps: usize,
    /// Of all these, tasks that the app cannot do by machine.
    pub manual: usize,
    /// Of all these, tasks that the guard would hold as things are now, by reason.
    #[serde(default)]
    pub held: BTreeMap<String, usize>,
    /// For a hub that is removed: managed accounts that stay in the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays: Option<usize>,
    /// Where the hub stops pushing with the change: how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stops: Option<Stop>,
    /// Of all these, people who left and whose account stays in the app.
    #[serde(default, skip_serializing_if = "is_none")]
    pub leavers_stay: usize,
    /// Who, in the order of names.
    pub people: Vec<PersonEffect>,
    /// Whether more people are reached than were looked at.
    pub cut: bool,
    /// How many of those counted are not named, because they are many.
    #[serde(default, skip_serializing_if = "is_none")]
    pub more: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_none(more: &usize) -> bool {
    *more == 0
}

impl HubEffect {
    fn count(&mut self, person: &PersonEffect) {
        match person.change {
            Outcome::Add => self.adds += 1,
            Outcome::Promote => self.promotes += 1,
            Outcome::Demote => self.demotes += 1,
            Outcome::Remove => self.removes += 1,
            Outcome::Adopt => self.adopts += 1,
            Outcome::Withdraw => self.withdraws += 1,
            Outcome::Keep => self.keeps += 1,
        }
        self.manual += usize::from(person.begins == Some(Begins::Manual));
        self.leavers_stay += usize::from(person.stays_though_left());
        if let Some(reason) = &person.held {
            *self.held.entry(reason.clone()).or_default() += 1;
        }
    }

    /// `adds 12, promotes 3, demotes 40, removes 7`, and what else there is.
    pub fn counts(&self) -> String {
        let mut text = format!(
            "adds {}, promotes {}, demotes {}, removes {}",
            self.adds, self.promotes, self.demotes, self.removes
        );
        for (number, word) in [(self.adopts, "adopts"), (self.withdraws, "withdraws"), (self.keeps, "keeps")] {
            if number > 0 {
                text.push_str(&format!(", {word} {number}"));
            }
        }
        match self.held.values().sum() {
            0_usize => {}
            held => text.push_str(&format!("; {held} of these held for a person")),
        }
        if self.leavers_stay > 0 {
            text.push_str(&format!("; {} who left and whose account stays", self.leavers_stay));
        }
        text
    }
}

/// People looked at in one statement, and judged together: as many as the planner takes at a time.
const BATCH: usize = 200;

/// The effects on every touched hub.
///
/// # Errors
/// [`ServiceError::Store`].
pub(in crate::service) fn effects(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    touched: &[Touched],
    now: Micros,
) -> Result<Vec<HubEffect>, ServiceError> {
    let mut window = Window::new(workspace, now);
    // In the order in which the planner takes hubs: who is counted in one is counted in the next.
    let mut order: Vec<(usize, &Touched)> = touched.iter().enumerate().collect();
    order.sort_by_key(|(_, one)| one.hub.id);
    let mut found = BTreeMap::new();
    for (place, one) in order {
        found.insert(place, effect(conn, workspace, catalog, one, &mut window, now)?);
    }
    Ok(found.into_values().collect())
}

fn effect(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    catalog: &Catalog,
    touched: &Touched,
    window: &mut Window,
    now: Micros,
) -> Result<HubEffect, ServiceError> {
    let app = rules::app(catalog, &touched.hub.app).map_err(ServiceError::Invalid)?;
    let app = &*app.with_login(touched.hub.login);
    let everything: Vec<Mapping> = touched.before.iter().chain(&touched.after).cloned().collect();
    let reach = facts::rules_of(conn, workspace, everything)?;
    let before = facts::rules_of(conn, workspace, touched.before.clone())?;
    let after = facts::rules_of(conn, workspace, touched.after.clone())?;
    let stop = touched.stop();
    let open = match stop {
        Some(stop) => stops::open(conn, workspace, touched.hub.id, stop)?,
        None => Open::default(),
    };
    let (people, cut) = people(conn, workspace, touched, &reach, &open)?;
    let mut found = HubEffect {
        hub: touched.hub.slug.to_string(),
        observe: touched.hub.mode == HubMode::Observe,
        stays: match touched.fate {
            Fate::Stays => None,
            Fate::Goes => Some(managed(conn, workspace, touched.hub.id)?),
        },
        stops: stop,
        cut: cut || open.cut,
        people: open.of_nobody,
        ..HubEffect::default()
    };
    let ground = Ground { app, policy: &touched.hub.policy, rules: &after };
    let was = touched.compared_with();
    let was = was.map(|hub| Ground { app, policy: &hub.policy, rules: &before });
    let mut guard = window.hub(touched.hub.id, people.len());
    for batch in people.chunks(BATCH) {
        // Of thousands of individual shares only those of these people.
        let (reach, after, before) = (about(&reach, batch), about(&after, batch), about(&before, batch));
        let ground = Ground { rules: &after, ..ground };
        let was = was.map(|was| Ground { rules: &before, ..was });
        let mut facts = facts::of_people(conn, workspace, touched.hub.id, app, &reach, batch)?;
        if let (Some(stop), Some(was)) = (stop, &was) {
            // What is left undone of somebody is what the change means for them, whatever else it says.
            facts.retain(|facts| {
                let left = left_undone(app, was, stop, touched.pushes(), facts, now);
                let goes_on = left.is_none();
                found.people.extend(left);
                goes_on
            });
        }
        if touched.fate == Fate::Goes {
            continue;
        }
        let awaited = marks::awaited(conn, workspace, touched.hub.id, batch)?;
        let effect = |facts: Facts| {
            let awaited = awaited.contains(&facts.user);
            whatif::effect(app, was.as_ref(), &ground, facts, awaited, now)
        };
        let mut judged: Vec<_> = facts.into_iter().map(effect).collect();
        guard.judge(conn, &ground, &mut judged)?;
        found.people.extend(judged.into_iter().filter_map(|one| one.effect));
    }
    found.people.sort();
    for person in std::mem::take(&mut found.people) {
        found.count(&person);
        found.people.push(person);
    }
    Ok(found)
}

/// Managed accounts of a hub.
fn managed(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId) -> Result<usize, StoreError> {
    let managed = hub_members::managed_now(conn, workspace, hub)?;
    Ok(usize::try_from(managed).unwrap_or(0))
}

/// The rules that can be about these people.
fn about(rules: &[Rule], people: &[UserId]) -> Vec<Rule> {
    let people: BTreeSet<UserId> = people.iter().copied().collect();
    let concerns = |rule: &&Rule| match rule.mapping.binding {
        Binding::User(user) => people.contains(&user),
        Binding::Group(_) | Binding::Waiting | Binding::Gone => true,
    };
    rules.iter().filter(concerns).cloned().collect()
}

impl Touched {
    /// The hub that the effects are a difference to; `None` where everything the hub does comes of
    /// the change: it is new, or pushes from now on.
    fn compared_with(&self) -> Option<&Hub> {
        let activates = |was: &&Hub| was.mode == HubMode::Observe && self.hub.mode == HubMode::Active;
        self.was.as_ref().filter(|was| !activates(was))
    }

    /// The groups and users that the mappings are bound to, before and after, and who is looked at.
    pub fn subjects(&self) -> (Vec<GroupId>, Vec<UserId>) {
        let (groups, mut users) = subjects(self.before.iter().chain(&self.after));
        users.extend(self.only.iter().flatten());
        (groups, users)
    }
}

fn subjects<'a>(mappings: impl Iterator<Item = &'a Mapping>) -> (Vec<GroupId>, Vec<UserId>) {
    let (mut groups, mut users) = (BTreeSet::new(), BTreeSet::new());
    for mapping in mappings {
        match mapping.binding {
            Binding::Group(group) => {
                groups.insert(group);
            }
            Binding::User(user) => {
                users.insert(user);
            }
            Binding::Waiting | Binding::Gone => {}
        }
    }
    (groups.into_iter().collect(), users.into_iter().collect())
}

fn people(
    conn: &mut DbConn,
    workspace: WorkspaceId,
    touched: &Touched,
    reach: &[Rule],
    open: &Open,
) -> Result<(Vec<UserId>, bool), ServiceError> {
    if let Some(only) = &touched.only {
        return Ok((only.iter().copied().collect(), false));
    }
    let (groups, users) = subjects(reach.iter().map(|rule| &rule.mapping));
    let mut found: BTreeSet<UserId> = users.into_iter().chain(open.people.iter().copied()).collect();
    let limit = i64::try_from(limits::FILTER_CANDIDATES).unwrap_or(i64::MAX).saturating_add(1);
    found.extend(reading::people_in_groups(conn, workspace, &groups, limit)?);
    found.extend(reading::people_of_hub(conn, workspace, touched.hub.id, limit)?);
    let cut = found.len() > limits::FILTER_CANDIDATES;
    Ok((found.into_iter().take(limits::FILTER_CANDIDATES).collect(), cut))
}
