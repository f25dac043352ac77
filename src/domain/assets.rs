//! Assets that somebody holds against those they should hold: what is to be given, and what taken away
//! (business-hubs.md section 2, "Asset permission"). Named actions are *partial*, no names are *full*.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::mapping::AssetGrant;

/// A difference. Taking away `take` and then giving `give` makes held into wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Actions that are wanted and not held; an asset without names is wanted in full.
    pub give: Vec<AssetGrant>,
    /// Actions that are held and not wanted; an asset without names goes whole.
    pub take: Vec<AssetGrant>,
}

impl Diff {
    /// Whether all is as wanted.
    pub fn is_empty(&self) -> bool {
        self.give.is_empty() && self.take.is_empty()
    }
}

/// Compare. Each asset stands in either list once.
pub fn diff(held: &[AssetGrant], wanted: &[AssetGrant]) -> Diff {
    let mut diff = Diff::default();
    for one in wanted {
        match same(held, one) {
            Some(other) if is_full(other) && !is_full(one) => {
                // Nobody limits full permission: it goes, and the named actions come.
                diff.take.push(other.clone());
                diff.give.push(one.clone());
            }
            Some(other) if is_full(one) && !is_full(other) => diff.give.push(one.clone()),
            Some(other) => {
                diff.give.extend(less(one, other));
                diff.take.extend(less(other, one));
            }
            None => diff.give.push(one.clone()),
        }
    }
    diff.take.extend(held.iter().filter(|one| same(wanted, one).is_none()).cloned());
    diff
}

/// Per asset the same rule as for roles (business-hubs.md section 5.1): the named actions of all grants add up,
/// and full permission has everything. One grant for each asset, in order.
pub fn united<'a>(grants: impl IntoIterator<Item = &'a AssetGrant>) -> Vec<AssetGrant> {
    let mut all: BTreeMap<(&str, &str), Option<BTreeSet<&str>>> = BTreeMap::new();
    for grant in grants {
        let actions = all.entry((&grant.kind, &grant.id)).or_insert_with(|| Some(BTreeSet::new()));
        if is_full(grant) {
            *actions = None;
        } else if let Some(actions) = actions {
            actions.extend(grant.tasks.iter().map(String::as_str));
        }
    }
    all.into_iter()
        .map(|((kind, id), actions)| AssetGrant {
            kind: kind.to_owned(),
            id: id.to_owned(),
            tasks: actions.into_iter().flatten().map(String::from).collect(),
        })
        .collect()
}

/// How many assets of `held` are gone from `now`, whole or in part: what the safeguard of a sync counts (R7.6).
pub fn lost(held: &[AssetGrant], now: &[AssetGrant]) -> usize {
    let gone = diff(held, now).take;
    held.iter().filter(|one| same(&gone, one).is_some()).count()
}

fn same<'a>(list: &'a [AssetGrant], one: &AssetGrant) -> Option<&'a AssetGrant> {
    list.iter().find(|other| (&other.kind, &other.id) == (&one.kind, &one.id))
}

const fn is_full(grant: &AssetGrant) -> bool {
    grant.tasks.is_empty()
}

/// The actions of one that the other has not.
fn less(one: &AssetGrant, other: &AssetGrant) -> Option<AssetGrant> {
    let has: BTreeSet<&String> = other.tasks.iter().collect();
    let tasks: Vec<String> = one.tasks.iter().filter(|task| !has.contains(task)).cloned().collect();
    (!tasks.is_empty()).then(|| AssetGrant { kind: one.kind.clone(), id: one.id.clone(), tasks })
}

/// As people read it: `ad_account act_1 (ANALYZE, MANAGE), page 7 (everything)`.
pub fn words(grants: &[AssetGrant]) -> String {
    let word = |grant: &AssetGrant| {
        let what = if is_full(grant) { String::from("everything") } else { grant.tasks.join(", ") };
        format!("{} {} ({what})", grant.kind, grant.id)
    };
    grants.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// `None`: full.
    type Held = BTreeMap<String, Option<BTreeSet<String>>>;

    fn grants(held: &Held) -> Vec<AssetGrant> {
        held.iter()
            .map(|(id, tasks)| AssetGrant {
                kind: "page".into(),
                id: id.clone(),
                tasks: tasks.iter().flatten().cloned().collect(),
            })
            .collect()
    }

    /// What an app would do with it.
    fn applied(mut held: Held, diff: &Diff) -> Held {
        for gone in &diff.take {
            let now = held.get_mut(&gone.id).expect("only what is held is taken");
            let rest: Option<BTreeSet<String>> =
                now.clone().map(|now| now.into_iter().filter(|task| !gone.tasks.contains(task)).collect());
            if gone.tasks.is_empty() || rest.as_ref().is_some_and(BTreeSet::is_empty) {
                held.remove(&gone.id);
            } else {
                *now = rest;
            }
        }
        for new in &diff.give {
            let now = held.entry(new.id.clone()).or_insert_with(|| Some(BTreeSet::new()));
            match now {
                _ if new.tasks.is_empty() => *now = None,
                Some(now) => now.extend(new.tasks.iter().cloned()),
                None => panic!("given what is held in full"),
            }
        }
        held
    }

    fn held() -> impl Strategy<Value = Held> {
        let tasks = prop::collection::btree_set("[a-c]", 1..4);
        prop::collection::btree_map("[1-3]", prop::option::of(tasks), 0..4)
    }

    proptest! {
        #[test]
        fn a_difference_leads_from_held_to_wanted(from in held(), to in held()) {
            let diff = diff(&grants(&from), &grants(&to));
            prop_assert_eq!(diff.is_empty(), from == to);
            prop_assert_eq!(applied(from, &diff), to);
        }
    }

    #[test]
    fn it_reads_well() {
        let held: Held = [("7".into(), None), ("8".into(), Some(["a".into(), "b".into()].into()))].into();
        assert_eq!(words(&grants(&held)), "page 7 (everything), page 8 (a, b)");
    }
}
