//! Who plays in the demo: two identity providers, their people and groups, two hubs and their
//! mappings, and what everybody should hold in the end, worked out here by hand and not by the
//! server's own code.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulate::Person;

/// The first hub: ranked roles, fed by both providers.
pub(super) const ADS: &str = "marketing-ads";
/// The second hub.
pub(super) const SEO: &str = "research-seo";
/// Roles of the practice app, lowest first.
const RANKS: [&str; 3] = ["viewer", "editor", "admin"];

/// Which provider somebody comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    Okta,
    Entra,
}

/// A group at a provider.
#[derive(Clone, Debug)]
pub(super) struct Team {
    pub(super) provider: Provider,
    pub(super) name: &'static str,
    pub(super) members: BTreeSet<&'static str>,
}

/// A line of the mappings file.
struct Rule {
    hub: &'static str,
    subject: Subject,
    role: &'static str,
}

enum Subject {
    Group(&'static str),
    User(&'static str),
}

const RULES: [Rule; 7] = [
    Rule { hub: ADS, subject: Subject::Group("marketing"), role: "viewer" },
    Rule { hub: ADS, subject: Subject::Group("marketing-leads"), role: "admin" },
    Rule { hub: ADS, subject: Subject::Group("research-leads"), role: "editor" },
    Rule { hub: ADS, subject: Subject::User("kira"), role: "viewer" },
    Rule { hub: SEO, subject: Subject::Group("research"), role: "viewer" },
    Rule { hub: SEO, subject: Subject::Group("research-leads"), role: "admin" },
    Rule { hub: SEO, subject: Subject::Group("marketing-leads"), role: "editor" },
];

/// Everybody.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    people: BTreeMap<&'static str, (Provider, Person)>,
    pub(super) teams: Vec<Team>,
    gone: BTreeSet<&'static str>,
}

/// (hub, sign-in name) → role.
pub(super) type Seats = BTreeMap<(String, String), String>;

fn user_name(key: &str) -> String {
    format!("{key}@example.com")
}

impl Cast {
    /// As it begins.
    pub(super) fn new() -> Self {
        let people = [
            (Provider::Okta, "ann", "Ann", "Adler"),
            (Provider::Okta, "ben", "Ben", "Brook"),
            (Provider::Okta, "cleo", "Cleo", "Costa"),
            (Provider::Okta, "dan", "Dan", "Dubois"),
            (Provider::Okta, "eva", "Eva", "Eklund"),
            (Provider::Okta, "finn", "Finn", "Fischer"),
            (Provider::Okta, "gus", "Gus", "Garcia"),
            (Provider::Entra, "hana", "Hana", "Horvat"),
            (Provider::Entra, "ivo", "Ivo", "Ivanov"),
            (Provider::Entra, "jun", "Jun", "Jansen"),
            (Provider::Entra, "kira", "Kira", "Kim"),
            (Provider::Entra, "leo", "Leo", "Lund"),
        ];
        let person = |(number, (provider, key, given, family)): (usize, (Provider, &'static str, &str, &str))| {
            let external_id = match provider {
                Provider::Okta => format!("00u{number:017}"),
                Provider::Entra => format!("5d0c7a10-0000-4000-8000-{number:012}"),
            };
            let (given_name, family_name) = (given.to_owned(), family.to_owned());
            (key, (provider, Person { external_id, user_name: user_name(key), given_name, family_name }))
        };
        let team = |provider, name, members: &[&'static str]| Team {
            provider,
            name,
            members: members.iter().copied().collect(),
        };
        Self {
            people: people.into_iter().enumerate().map(person).collect(),
            teams: vec![
                team(Provider::Okta, "marketing", &["ann", "ben", "cleo", "dan", "eva", "gus"]),
                team(Provider::Okta, "marketing-leads", &["ann", "finn"]),
                team(Provider::Entra, "research", &["hana", "ivo", "jun", "kira", "leo"]),
                team(Provider::Entra, "research-leads", &["hana"]),
            ],
            gone: BTreeSet::new(),
        }
    }

    /// The people of one provider.
    pub(super) fn people(&self, provider: Provider) -> Vec<&Person> {
        self.people.values().filter(|(from, _)| *from == provider).map(|(_, person)| person).collect()
    }

    /// Somebody by first name, in lower case.
    pub(super) fn person(&self, key: &str) -> Option<&Person> {
        self.people.get(key).map(|(_, person)| person)
    }

    /// The members of a team.
    pub(super) fn members(&self, team: &Team) -> Vec<&Person> {
        team.members.iter().filter_map(|key| self.person(key)).collect()
    }

    /// The name people read for a sign-in name.
    pub(super) fn display(&self, user_name: &str) -> String {
        let found = self.people.values().find(|(_, person)| person.user_name == user_name);
        found.map_or_else(|| user_name.to_owned(), |(_, person)| person.display_name())
    }

    /// Somebody changes teams.
    pub(super) fn change_team(&mut self, key: &'static str, from: &str, to: &str) {
        for team in &mut self.teams {
            if team.name == from {
                team.members.remove(key);
            }
            if team.name == to {
                team.members.insert(key);
            }
        }
    }

    /// Somebody comes into a team.
    pub(super) fn join(&mut self, key: &'static str, name: &str) {
        for team in self.teams.iter_mut().filter(|team| team.name == name) {
            team.members.insert(key);
        }
    }

    /// Everybody is taken out of a team; who that was.
    pub(super) fn empty(&mut self, name: &str) -> Vec<Person> {
        let mut keys = BTreeSet::new();
        for team in self.teams.iter_mut().filter(|team| team.name == name) {
            keys.append(&mut team.members);
        }
        keys.into_iter().filter_map(|key| self.person(key).cloned()).collect()
    }

    /// Somebody leaves the company.
    pub(super) fn leave(&mut self, key: &'static str) {
        self.gone.insert(key);
    }

    /// Who should hold which role where: the highest of all rules that reach a person.
    pub(super) fn expected(&self) -> Seats {
        let mut seats = Seats::new();
        for rule in &RULES {
            let reached: Vec<&str> = match rule.subject {
                Subject::User(key) => vec![key],
                Subject::Group(name) => self
                    .teams
                    .iter()
                    .filter(|team| team.name == name)
                    .flat_map(|team| team.members.iter().copied())
                    .collect(),
            };
            for key in reached.into_iter().filter(|key| !self.gone.contains(key)) {
                let seat = seats.entry((rule.hub.to_owned(), user_name(key))).or_insert_with(|| rule.role.to_owned());
                if rank(rule.role) > rank(seat) {
                    rule.role.clone_into(seat);
                }
            }
        }
        seats
    }

    /// The mappings file of the two hubs. The token comes from the environment of `apply`, which
    /// seals it.
    pub(super) fn mappings(&self, base_url: impl Fn(&str) -> String) -> String {
        let mut file = String::from("# Two spaces of the practice app, and which group gets which role in them.\n");
        for (hub, label) in [(ADS, "Marketing ads"), (SEO, "Research SEO")] {
            file.push_str(&format!(
                "\n[[hub]]\nid = \"{hub}\"\napp = \"sandbox\"\nlabel = \"{label}\"\nlogin = \"sso\"\nmode = \"active\"\n\
                 settle = \"1s\"\nconnection = {{ base_url = \"{}\", token = {{ env = \"SANDBOX_TOKEN\" }} }}\n",
                base_url(hub)
            ));
            if hub == ADS {
                // Tight, because the demo is small: a second removal within ten minutes waits for a person.
                file.push_str("policy = { removal_limit = 1, removal_percent = 10 }\n");
            }
            for rule in RULES.iter().filter(|rule| rule.hub == hub) {
                let subject = match rule.subject {
                    Subject::Group(name) => format!("group = \"{name}\""),
                    Subject::User(key) => format!("user = \"{}\"", user_name(key)),
                };
                file.push_str(&format!("\n  [[hub.mapping]]\n  {subject}\n  app_role = \"{}\"\n", rule.role));
            }
        }
        file
    }
}

fn rank(role: &str) -> Option<usize> {
    RANKS.iter().position(|known| *known == role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_wins_and_leavers_hold_nothing() {
        let mut cast = Cast::new();
        let seat = |seats: &Seats, hub: &str, key: &str| seats.get(&(hub.to_owned(), user_name(key))).cloned();
        let before = cast.expected();
        assert_eq!(seat(&before, ADS, "ann").as_deref(), Some("admin"));
        assert_eq!(seat(&before, ADS, "ben").as_deref(), Some("viewer"));
        assert_eq!(before.len(), 7 + 2 + 7);
        cast.change_team("ben", "marketing", "marketing-leads");
        cast.leave("dan");
        let after = cast.expected();
        assert_eq!(seat(&after, ADS, "ben").as_deref(), Some("admin"));
        assert_eq!(seat(&after, SEO, "ben").as_deref(), Some("editor"));
        assert_eq!(seat(&after, ADS, "dan"), None);
        let out: Vec<String> = cast.empty("marketing").into_iter().map(|person| person.given_name).collect();
        assert_eq!(out, ["Ann", "Cleo", "Dan", "Eva", "Gus"]);
        let empty = cast.expected();
        assert_eq!(seat(&empty, ADS, "ann").as_deref(), Some("admin"));
        assert_eq!(seat(&empty, ADS, "cleo"), None);
    }
}
