//! Which of the mappings that count give the role somebody has or should have, and which are outranked:
//! whoever asks why somebody is an editor must not be told of a group that gives viewers.

use crate::domain::member::Reason;
use crate::domain::permissions::Permissions;

/// The reasons of one entitlement, by what they are to its role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parted {
    /// Those that give the role.
    pub gives: Vec<Reason>,
    /// Those that count, and give another role than the one that wins, or none.
    pub outranked: Vec<Reason>,
}

impl Parted {
    /// By the role that is held or wanted. Where no rule gives just that role (it was given by rules
    /// that changed since), all stand for it.
    pub fn by_role(reasons: &[Reason], role: Option<&str>) -> Self {
        let (gives, outranked): (Vec<Reason>, Vec<Reason>) =
            reasons.iter().cloned().partition(|reason| role.is_none_or(|role| gives(reason, role)));
        if gives.is_empty() { Self { gives: outranked, outranked: gives } } else { Self { gives, outranked } }
    }

    /// The subjects of those that give the role, each once, in order.
    pub fn subjects(&self) -> Vec<String> {
        subjects(&self.gives)
    }

    /// The subjects of the others that give nothing of the role, each once, in order.
    pub fn others(&self) -> Vec<String> {
        let gives = self.subjects();
        subjects(&self.outranked).into_iter().filter(|subject| !gives.contains(subject)).collect()
    }
}

fn subjects(reasons: &[Reason]) -> Vec<String> {
    let mut all: Vec<String> = reasons.iter().map(|reason| reason.subject.clone()).collect();
    all.sort();
    all.dedup();
    all
}

/// Whether this rule gives the role, or a part of it where permissions add up.
fn gives(reason: &Reason, role: &str) -> bool {
    let all = Permissions::read(role);
    reason.app_role == role || Permissions::read(&reason.app_role).ids().any(|id| all.holds(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::MappingId;

    fn parted(given: &[(&str, &str)], role: Option<&str>) -> (Vec<String>, Vec<String>) {
        let reasons: Vec<Reason> = given
            .iter()
            .map(|(subject, role)| Reason {
                mapping: MappingId::from_uuid(uuid::Uuid::nil()),
                subject: (*subject).to_owned(),
                app_role: (*role).to_owned(),
            })
            .collect();
        let parted = Parted::by_role(&reasons, role);
        (parted.subjects(), parted.others())
    }

    #[test]
    fn only_what_gives_the_role_is_its_reason() {
        let all = [("group viewers", "viewer"), ("user ben", "editor"), ("group leads", "")];
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let split = |gives: &[&str], others: &[&str]| (names(gives), names(others));
        assert_eq!(parted(&all, Some("editor")), split(&["user ben"], &["group leads", "group viewers"]));
        assert_eq!(parted(&all, None), split(&["group leads", "group viewers", "user ben"], &[]));
        // Nobody gives it any more: all of them stand for what is held.
        assert_eq!(parted(&all, Some("admin")).1, names(&[]));
        // A subject that gives the role by one rule and less by another is named once.
        let twice = [("group a", "viewer"), ("group a", "editor")];
        assert_eq!(parted(&twice, Some("editor")), split(&["group a"], &[]));
        // Permissions add up: each that gives a part of them is a reason.
        let sum = [("group a", "ads"), ("group b", "ads+pages"), ("group c", "billing")];
        assert_eq!(parted(&sum, Some("ads+pages")), split(&["group a", "group b"], &["group c"]));
    }
}
