//! What everybody should hold, worked out without the product: a few lists and the rules of
//! DESIGN.md section 8 as a sentence each. The product is held against this.

use std::collections::{BTreeMap, BTreeSet};

/// The roles of the app, the lowest first.
pub const ROLES: [&str; 3] = ["viewer", "editor", "admin"];

/// A user at the identity provider.
#[derive(Clone, Debug)]
pub struct Person {
    /// The SCIM id.
    pub id: String,
    pub email: String,
    pub active: bool,
    /// Deleted at the identity provider.
    pub deleted: bool,
    /// Their groups, and whether the provider named the membership since the last deactivation.
    pub groups: BTreeMap<usize, bool>,
    /// A share of their own (rank), and whether it was given since the last deactivation.
    pub share: Option<(usize, bool)>,
}

/// A group at the identity provider.
#[derive(Clone, Debug)]
pub struct Group {
    /// The SCIM id.
    pub id: String,
    pub name: String,
    pub deleted: bool,
    /// The rank its mapping gives.
    pub mapped: Option<usize>,
}

/// Everything there is.
#[derive(Debug, Default)]
pub struct Model {
    pub people: Vec<Person>,
    pub groups: Vec<Group>,
    /// Memberships come back by themselves after a reactivation (Entra never sends them again).
    pub regains: bool,
    /// Accounts made in the app by hand, for nobody here: never to be touched.
    pub strangers: BTreeSet<String>,
    /// Whose account is protected for as long as nobody ends it or lets a change out, and how long the app's log
    /// was then.
    pub protected: BTreeMap<String, usize>,
    /// Mappings by their subject, as the API named them.
    pub mappings: BTreeMap<String, String>,
}

impl Model {
    /// The role somebody should hold: the highest of what counts.
    pub fn wanted(&self, person: &Person) -> Option<&'static str> {
        if person.deleted || !person.active {
            return None;
        }
        let from_groups = person.groups.iter().filter_map(|(group, confirmed)| {
            let group = self.groups.get(*group)?;
            if group.deleted || !(*confirmed || self.regains) { None } else { group.mapped }
        });
        let own = person.share.and_then(|(rank, counts)| counts.then_some(rank));
        from_groups.chain(own).max().and_then(|rank| ROLES.get(rank).copied())
    }

    pub fn deactivate(&mut self, index: usize) {
        if let Some(person) = self.people.get_mut(index).filter(|person| person.active) {
            person.active = false;
            for confirmed in person.groups.values_mut() {
                *confirmed = false;
            }
            person.share = person.share.map(|(rank, _)| (rank, false));
        }
    }

    pub fn delete(&mut self, index: usize) {
        if let Some(person) = self.people.get_mut(index) {
            person.deleted = true;
            person.groups.clear();
            person.share = None;
        }
    }

    pub fn join(&mut self, group: usize, people: &[usize]) {
        for index in people {
            if let Some(person) = self.people.get_mut(*index) {
                person.groups.insert(group, true);
            }
        }
    }

    pub fn leave(&mut self, group: usize, people: &[usize]) {
        for index in people {
            if let Some(person) = self.people.get_mut(*index) {
                person.groups.remove(&group);
            }
        }
    }

    /// Whoever still exists.
    pub fn living(&self) -> Vec<usize> {
        self.people.iter().enumerate().filter(|(_, person)| !person.deleted).map(|(index, _)| index).collect()
    }

    /// Groups that still exist.
    pub fn standing(&self) -> Vec<usize> {
        self.groups.iter().enumerate().filter(|(_, group)| !group.deleted).map(|(index, _)| index).collect()
    }
}
