//! A hub that stops pushing: which of its open tasks end without effect, and what a person should
//! read about it before they do it. Whether a task ends so is decided in `domain::whatif::stopping`.

use std::collections::BTreeSet;

use super::effects::{Fate, HubEffect, Touched};
use crate::base::ids::{HubId, UserId, WorkspaceId};
use crate::base::limits;
use crate::domain::hub::HubMode;
use crate::domain::task::{Task, TaskStatus};
use crate::domain::whatif::stopping::{Stop, left_undone_of_nobody};
use crate::domain::whatif::{Outcome, PersonEffect};
use crate::store::task_list::{self, TaskFilter};
use crate::store::{DbConn, StoreError};

/// Tasks read at a time.
const PAGE: i64 = 500;
/// People named in a note; all of them are among the people of the plan.
const NAMED: usize = 5;

impl Touched {
    /// How the hub stops with this change, where it does.
    pub(super) fn stop(&self) -> Option<Stop> {
        let was = self.was.as_ref()?;
        match (self.fate, was.mode, self.hub.mode) {
            (Fate::Goes, _, _) => Some(Stop::Removed),
            (Fate::Stays, HubMode::Active, HubMode::Observe) => Some(Stop::Observes),
            (Fate::Stays, HubMode::Active, HubMode::Active)
            | (Fate::Stays, HubMode::Observe, HubMode::Active | HubMode::Observe) => None,
        }
    }

    /// Whether the hub pushes as it is.
    pub(super) fn pushes(&self) -> bool {
        self.was.as_ref().is_some_and(|was| was.mode == HubMode::Active)
    }
}

/// The open tasks of a hub, as far as they decide what it leaves undone.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Whom they are about: also who is in no group that is mapped, and has no account yet.
    pub(super) people: BTreeSet<UserId>,
    /// What is told of accounts that are nobody's here.
    pub(super) of_nobody: Vec<PersonEffect>,
    /// Whether there are more than were looked at.
    pub(super) cut: bool,
}

/// Look at them.
///
/// # Errors
/// [`StoreError`] of the statements.
pub(super) fn open(conn: &mut DbConn, workspace: WorkspaceId, hub: HubId, stop: Stop) -> Result<Open, StoreError> {
    let statuses = TaskStatus::ALL.into_iter().filter(|status| status.is_open()).collect();
    let filter = TaskFilter { hub: Some(hub), statuses, ..TaskFilter::default() };
    let (mut found, mut seen, mut cursor) = (Open::default(), 0, None);
    loop {
        let page = task_list::page(conn, workspace, &filter, cursor, PAGE)?;
        let Some(last) = page.last() else { return Ok(found) };
        cursor = Some(last.id);
        seen += page.len();
        page.iter().for_each(|task| found.note(stop, task));
        if seen > limits::FILTER_CANDIDATES {
            found.cut = true;
            return Ok(found);
        }
    }
}

impl Open {
    fn note(&mut self, stop: Stop, task: &Task) {
        match task.user {
            Some(user) => {
                self.people.insert(user);
            }
            None => self.of_nobody.extend(left_undone_of_nobody(stop, task)),
        }
    }
}

/// What a person should know of hubs that stop: what is withdrawn, and who left and stays.
pub(super) fn warnings(effects: &[HubEffect]) -> Vec<String> {
    effects.iter().flat_map(|effect| [withdrawn(effect), leavers(effect)]).flatten().collect()
}

fn withdrawn(effect: &HubEffect) -> Option<String> {
    effect.stops?;
    let all: Vec<&PersonEffect> = effect.people.iter().filter(|one| one.change == Outcome::Withdraw).collect();
    let held = all.iter().filter(|one| one.task.as_deref() == Some(TaskStatus::Held.as_str())).count();
    let what = match all.len() {
        0 => return None,
        1 => String::from("1 change that is under way or due is"),
        many => format!("{many} changes that are under way or due are"),
    };
    let of_them = if held > 0 { format!(" ({held} of them held for a person)") } else { String::new() };
    Some(format!("{}: {what} withdrawn{of_them}: {}", effect.hub, names(all.iter().map(|one| one.user.as_str()))))
}

fn leavers(effect: &HubEffect) -> Option<String> {
    let why = match effect.stops? {
        Stop::Observes => {
            "nothing takes it away while the hub only observes: release or finish their removals first, or remove \
             them in the app by hand. They are a problem until they are gone"
        }
        Stop::Removed => {
            "nobody takes it away once the hub is removed: let their removals be done first, or remove them in the \
             app by hand. They stay a problem until somebody says that they are gone"
        }
    };
    let all: Vec<&str> = effect.people.iter().filter(|one| one.stays_though_left()).map(|one| &*one.user).collect();
    let who = match all.len() {
        0 => return None,
        1 => String::from("1 person who left keeps the account"),
        many => format!("{many} people who left keep their account"),
    };
    Some(format!("{}: {who} ({}), and {why}", effect.hub, names(all.iter().copied())))
}

fn names<'a>(all: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = all.len().saturating_sub(NAMED);
    let mut text = all.take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
