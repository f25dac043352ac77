//! Independent permissions: what the roles of an app without ranks are (R5.1). Several are held at
//! once, the grants add up, and some exclude each other.
//!
//! Where ranked apps have one role id, these have the ids in order, joined with `+`: one canonical
//! text for one set, so that columns, effects and comparisons are the same for both.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::app::App;

/// What joins the ids; no permission's id holds it.
pub const JOINT: char = '+';

/// A set of permissions of one app.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permissions(BTreeSet<String>);

impl Permissions {
    /// Read `a+b`, in any order; blanks around the ids do not count.
    pub fn read(text: &str) -> Self {
        text.split(JOINT).map(str::trim).filter(|id| !id.is_empty()).map(String::from).collect()
    }

    /// The ids in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether it is among them.
    pub fn holds(&self, id: &str) -> bool {
        self.0.contains(id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of these are among `others`.
    pub fn within(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }

    /// What one of the two has and the other has not.
    pub fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        self.0.symmetric_difference(&other.0).map(String::as_str)
    }

    /// The first two that the app does not let anybody hold together.
    pub fn clash(&self, app: &App) -> Option<(&str, &str)> {
        self.ids().find_map(|one| self.ids().find(|two| one < *two && exclude(app, one, two)).map(|two| (one, two)))
    }

    /// What can be held together of these, and what gives way to which: what is held stays, then the
    /// smallest id goes first. The same whatever the order in which the grants came.
    pub fn settle(&self, app: &App, held: &Self) -> (Self, Vec<GivesWay>) {
        let (first, then): (Vec<&str>, Vec<&str>) = self.ids().partition(|id| held.holds(id));
        let mut kept = Self::default();
        let mut given_way = Vec::new();
        for id in first.into_iter().chain(then) {
            let stands_against = kept.ids().find(|other| exclude(app, id, other)).map(str::to_owned);
            if let Some(to) = stands_against {
                given_way.push(GivesWay { permission: id.to_owned(), to });
            } else {
                kept.0.insert(id.to_owned());
            }
        }
        given_way.sort();
        (kept, given_way)
    }
}

impl FromIterator<String> for Permissions {
    fn from_iter<I: IntoIterator<Item = String>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, id) in self.ids().enumerate() {
            if place > 0 {
                write!(f, "{JOINT}")?;
            }
            f.write_str(id)?;
        }
        Ok(())
    }
}

/// A permission that is granted and not given, because another excludes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GivesWay {
    /// Which.
    pub permission: String,
    /// To which.
    pub to: String,
}

/// Whether either names the other as incompatible.
fn exclude(app: &App, one: &str, two: &str) -> bool {
    let names = |one: &str, two: &str| app.role(one).is_some_and(|role| role.incompatible.iter().any(|id| id == two));
    names(one, two) || names(two, one)
}

/// The one spelling of what a mapping gives: a ranked app's role is as it is.
pub fn canonical(app: &App, role: &str) -> String {
    if app.ranked { role.to_owned() } else { Permissions::read(role).to_string() }
}

/// The roles a stored text stands for: one of a ranked app, each permission of another.
pub fn each<'a>(app: &App, role: &'a str) -> Vec<&'a str> {
    if app.ranked {
        return vec![role];
    }
    role.split(JOINT).map(str::trim).filter(|id| !id.is_empty()).collect()
}

/// Whether going `from` one role `to` another takes something away: a lower rank, or any permission
/// that is not among the new ones.
pub fn takes_away(app: &App, from: &str, to: &str) -> bool {
    if app.ranked { app.rank(to) < app.rank(from) } else { !Permissions::read(from).within(&Permissions::read(to)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn app() -> App {
        toml::from_str(
            "id='x'\nname='X'\nconnector='scim'\nlogins=['sso']\nsettle_seconds=60\nranked=false\n\
             [tasks]\nsync=true\nadd=true\nupdate_role=true\nremove=true\n\
             [[roles]]\nid='audit'\nlabel='A'\nincompatible=['pay']\n\
             [[roles]]\nid='pay'\nlabel='P'\n[[roles]]\nid='read'\nlabel='R'\n\
             [[roles]]\nid='write'\nlabel='W'\nincompatible=['audit']\n",
        )
        .unwrap()
    }

    #[test]
    fn one_set_has_one_spelling() {
        assert_eq!(canonical(&app(), " write+read ++read"), "read+write");
        assert_eq!(Permissions::read("").to_string(), "");
        assert_eq!(Permissions::read("pay+audit+read").clash(&app()), Some(("audit", "pay")));
        assert_eq!(Permissions::read("pay+read+write").clash(&app()), None);
    }

    #[test]
    fn less_and_other_take_away_and_more_does_not() {
        for (from, to, taken) in [
            ("read", "read+write", false),
            ("read+write", "read", true),
            ("read", "write", true),
            ("pay", "pay", false),
        ] {
            assert_eq!(takes_away(&app(), from, to), taken, "{from} to {to}");
        }
    }

    #[test]
    fn the_one_held_wins_and_else_the_smallest() {
        let wanted = Permissions::read("audit+pay+read");
        let (kept, way) = wanted.settle(&app(), &Permissions::default());
        assert_eq!(kept.to_string(), "audit+read");
        assert_eq!(way, [GivesWay { permission: "pay".into(), to: "audit".into() }]);
        assert_eq!(wanted.settle(&app(), &Permissions::read("pay")).0.to_string(), "pay+read");
    }

    fn set() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(prop::sample::select(vec!["audit", "pay", "read", "write"]).prop_map(String::from), 0..8)
    }

    proptest! {
        /// Order and repetition leave no trace, what is given excludes nothing of itself, what gives
        /// way really had to, and holding the result changes nothing any more.
        #[test]
        fn settling_is_stable(ids in set(), held in set(), order in any::<prop::sample::Index>()) {
            let (app, held) = (app(), Permissions::from_iter(held));
            let (kept, way) = Permissions::from_iter(ids.clone()).settle(&app, &held);
            let mut turned = ids.clone();
            turned.rotate_left(order.index(ids.len().max(1)));
            turned.extend(ids.clone());
            let again = Permissions::from_iter(turned).settle(&app, &held);
            prop_assert_eq!(&again, &(kept.clone(), way.clone()));
            prop_assert_eq!(kept.clash(&app), None);
            for one in &way {
                prop_assert!(kept.holds(&one.to) && !kept.holds(&one.permission));
                prop_assert!(exclude(&app, &one.to, &one.permission));
            }
            let all: Permissions = ids.into_iter().collect();
            prop_assert_eq!(kept.ids().count() + way.len(), all.ids().count());
            prop_assert_eq!(all.settle(&app, &kept).0, kept);
        }
    }
}
