//! What people are told: conditions computed from facts, never from single tasks, and which of them
//! is news at this moment. Once when a condition begins, again after the reminder interval, and once
//! when it is over.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use super::problem::Cause;
use crate::base::clock::Micros;

/// A kind of condition, in the word that people choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Something stands in the way of a hub's tasks; one per cause and hub.
    Problem,
    /// Tasks of a hub failed and wait for a person; one per hub.
    FailedTasks,
    /// An app refuses a hub's credential, or none can be read.
    BrokenCredential,
    /// People who left are still in an app.
    LeaverPresent,
    /// The guard holds a batch until somebody decides.
    HeldBatch,
    /// An identity provider that used to ask has not asked for long.
    SilentSource,
    /// The token that an identity provider uses ends soon.
    TokenExpires,
}

impl Condition {
    /// All there are, in the order in which a digest names them.
    pub const ALL: [Self; 7] = [
        Self::BrokenCredential,
        Self::LeaverPresent,
        Self::HeldBatch,
        Self::FailedTasks,
        Self::Problem,
        Self::SilentSource,
        Self::TokenExpires,
    ];

    /// The word in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::FailedTasks => "failed_tasks",
            Self::BrokenCredential => "broken_credential",
            Self::LeaverPresent => "leaver_present",
            Self::HeldBatch => "held_batch",
            Self::SilentSource => "silent_source",
            Self::TokenExpires => "token_expires",
        }
    }

    const fn of_cause(cause: Cause) -> Self {
        match cause {
            Cause::AuthBroken => Self::BrokenCredential,
            Cause::LeaverPresent | Cause::LeaverLeftBehind => Self::LeaverPresent,
            Cause::AddressRefused
            | Cause::ConnectionIncomplete
            | Cause::RateLimited
            | Cause::Forbidden
            | Cause::SeatLimit
            | Cause::Unavailable
            | Cause::SyncHalted
            | Cause::NeedsData => Self::Problem,
        }
    }
}

/// A word that is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no condition; there are {all}", all = Condition::ALL.map(Condition::as_str).join(", "))]
pub struct UnknownCondition(String);

impl FromStr for Condition {
    type Err = UnknownCondition;

    fn from_str(text: &str) -> Result<Self, UnknownCondition> {
        let found = Self::ALL.into_iter().find(|one| one.as_str() == text);
        found.ok_or_else(|| UnknownCondition(text.chars().take(64).collect()))
    }
}

/// What is so at one moment in one workspace.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Open problems.
    pub problems: Vec<ProblemFact>,
    /// Open holds with something in them.
    pub holds: Vec<HoldFact>,
    /// Hubs with tasks that failed and wait for a person.
    pub failed: Vec<FailedFact>,
    /// Connections of identity providers.
    pub sources: Vec<SourceFact>,
}

/// Tasks of a hub that failed.
#[derive(Clone, Debug)]
pub struct FailedFact {
    /// The hub's id.
    pub hub: String,
    /// How many wait for a person.
    pub tasks: i64,
    /// Since when the first of them does.
    pub since: Micros,
}

/// An open problem.
#[derive(Clone, Debug)]
pub struct ProblemFact {
    /// The hub's id.
    pub hub: String,
    /// Why.
    pub cause: Cause,
    /// What a person reads.
    pub message: String,
    /// Since when.
    pub since: Micros,
    /// Secrets of the hub that nobody has set, where that may be what is wrong.
    pub secrets_missing: Vec<String>,
}

/// A held batch.
#[derive(Clone, Debug)]
pub struct HoldFact {
    /// Its id.
    pub id: String,
    /// The hub's id.
    pub hub: String,
    /// A word of the guard.
    pub reason: String,
    /// How many tasks it holds.
    pub tasks: i64,
    /// Since when.
    pub since: Micros,
}

/// A connection of an identity provider.
#[derive(Clone, Debug)]
pub struct SourceFact {
    /// Its name.
    pub name: String,
    /// When it was last heard of; `None` for never.
    pub last_request: Option<Micros>,
    /// When the token it uses ends.
    pub token_ends: Option<Micros>,
}

/// A condition that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its kind.
    pub condition: Condition,
    /// The condition and what it is about; the same as long as it lasts. Where it is about a hub, the
    /// hub's id comes second (see [`hub_of`]).
    pub key: String,
    /// The hub's id, where it is about one.
    pub hub: Option<String>,
    /// One line for people. No secret can be in it: none is in the facts.
    pub line: String,
    /// What to do.
    pub remedy: String,
    /// The page that shows it.
    pub path: &'static str,
}

/// The conditions that hold, in the order of a digest.
pub fn conditions(facts: &Facts, silent_after: Duration, expires_within: Duration, now: Micros) -> Vec<Notice> {
    let mut found: Vec<Notice> = facts.problems.iter().map(problem).collect();
    found.extend(facts.holds.iter().map(hold));
    found.extend(facts.failed.iter().map(failed));
    for source in &facts.sources {
        // One that never asked is being set up; an interval of zero means: do not tell.
        let silent = source.last_request.filter(|at| !silent_after.is_zero() && now.since(*at) >= silent_after);
        found.extend(silent.map(|at| Notice {
            condition: Condition::SilentSource,
            key: format!("silent_source {}", source.name),
            hub: None,
            line: format!("the source '{}' has not asked for anything since {}", source.name, at.to_rfc3339()),
            remedy: String::from("look at the provisioning log of the identity provider, and at its token here"),
            path: "/",
        }));
        let ending = source.token_ends.filter(|at| *at <= now.plus(expires_within));
        found.extend(ending.map(|at| Notice {
            condition: Condition::TokenExpires,
            // With its end: a new token that ends soon too is another condition.
            key: format!("token_expires {} {}", source.name, at.0),
            hub: None,
            line: format!("the token of the source '{}' ends {}", source.name, at.to_rfc3339()),
            remedy: String::from("make a new one (`scimhub token create`) and put it into the identity provider"),
            path: "/",
        }));
    }
    let rank = |notice: &Notice| Condition::ALL.iter().position(|one| *one == notice.condition);
    found.sort_by(|a, b| (rank(a), &a.key).cmp(&(rank(b), &b.key)));
    found
}

fn problem(fact: &ProblemFact) -> Notice {
    let condition = Condition::of_cause(fact.cause);
    Notice {
        condition,
        key: format!("{} {} {}", condition.as_str(), fact.hub, fact.cause.as_str()),
        hub: Some(fact.hub.clone()),
        line: format!("hub '{}': {} (since {})", fact.hub, fact.message, fact.since.to_rfc3339()),
        remedy: fact.cause.remedy_for(&fact.hub, &fact.secrets_missing),
        path: "/",
    }
}

fn hold(fact: &HoldFact) -> Notice {
    let tasks = if fact.tasks == 1 { "1 task".to_owned() } else { format!("{} tasks", fact.tasks) };
    Notice {
        condition: Condition::HeldBatch,
        key: format!("held_batch {} {}", fact.hub, fact.id),
        hub: Some(fact.hub.clone()),
        line: format!("hub '{}': {tasks} held for {} since {}", fact.hub, fact.reason, fact.since.to_rfc3339()),
        remedy: String::from("look at the batch, then release or reject it"),
        path: "/held",
    }
}

fn failed(fact: &FailedFact) -> Notice {
    let tasks = if fact.tasks == 1 { "1 task".to_owned() } else { format!("{} tasks", fact.tasks) };
    Notice {
        condition: Condition::FailedTasks,
        key: format!("failed_tasks {}", fact.hub),
        hub: Some(fact.hub.clone()),
        line: format!("hub '{}': {tasks} failed and wait for a person since {}", fact.hub, fact.since.to_rfc3339()),
        remedy: String::from("follow the steps of each and say that it is done, or try it again"),
        path: "/manual",
    }
}

/// The hub's id of a notice's key, where it is about one.
pub fn hub_of(key: &str) -> Option<&str> {
    let mut words = key.split(' ');
    let condition = words.next()?.parse::<Condition>().ok()?;
    match condition {
        Condition::Problem
        | Condition::FailedTasks
        | Condition::BrokenCredential
        | Condition::LeaverPresent
        | Condition::HeldBatch => words.next(),
        Condition::SilentSource | Condition::TokenExpires => None,
    }
}

/// What was told and is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The condition's key.
    pub key: String,
    /// The line that was told.
    pub line: String,
    /// When it was told last.
    pub last_told: Micros,
}

/// What is news now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// Conditions that began.
    pub new: Vec<Notice>,
    /// Conditions that were told long ago and still hold.
    pub again: Vec<Notice>,
    /// Conditions that were told and are over.
    pub over: Vec<Told>,
}

impl Digest {
    /// Compare what holds with what was told. What nobody chose is neither new nor told as over:
    /// `chosen` empty means everything.
    pub fn of(holds: Vec<Notice>, told: &[Told], chosen: &[Condition], remind: Duration, now: Micros) -> Self {
        let wanted = |notice: &Notice| chosen.is_empty() || chosen.contains(&notice.condition);
        let over = told.iter().filter(|one| holds.iter().all(|notice| notice.key != one.key)).cloned().collect();
        let mut digest = Self { over, ..Self::default() };
        for notice in holds.into_iter().filter(wanted) {
            match told.iter().find(|one| one.key == notice.key) {
                None => digest.new.push(notice),
                Some(before) if now.since(before.last_told) >= remind => digest.again.push(notice),
                Some(_) => {}
            }
        }
        digest
    }

    /// Whether there is nothing to tell.
    pub const fn is_empty(&self) -> bool {
        self.new.is_empty() && self.again.is_empty() && self.over.is_empty()
    }

    /// The subject of a mail: short, and no name in it.
    pub fn subject(&self, workspace: &str) -> String {
        let open = self.new.len() + self.again.len();
        match open {
            0 => format!("[scimhub {workspace}] {} over", self.over.len()),
            1 => format!("[scimhub {workspace}] 1 thing needs you"),
            many => format!("[scimhub {workspace}] {many} things need you"),
        }
    }

    /// The text of a mail, with links below `base_url`.
    pub fn text(&self, base_url: &str, workspace: &str) -> String {
        let mut text = format!("Workspace {workspace}\n");
        for (title, notices) in [("New", &self.new), ("Still so", &self.again)] {
            if notices.is_empty() {
                continue;
            }
            let _ = write!(text, "\n{title}:\n");
            for notice in notices {
                let _ = write!(
                    text,
                    "\n* {}\n  What to do: {}\n  {base_url}{}\n",
                    one_line(&notice.line),
                    one_line(&notice.remedy),
                    notice.path
                );
            }
        }
        if !self.over.is_empty() {
            text.push_str("\nOver:\n\n");
            for told in &self.over {
                let _ = writeln!(text, "* {}", one_line(&told.line));
            }
        }
        text
    }
}

/// Whether a text is one plain mail address: what a person types, without a display name and without
/// the rarer forms of RFC 5321 (quoted parts, addresses of hosts).
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let dotted = |part: &str, fits: &dyn Fn(char) -> bool| {
        part.split('.').all(|label| !label.is_empty() && label.chars().all(fits))
    };
    let label = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=64).contains(&local.len()) && text.len() <= 254 && dotted(local, &atom) && dotted(domain, &label)
}

/// Messages of apps come from elsewhere: no line of theirs may look like one of ours.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const NOW: Micros = Micros(1_763_867_400_000_000);

    fn facts() -> Facts {
        let problem = |hub: &str, cause| ProblemFact {
            hub: hub.into(),
            cause,
            message: "the app\nsays no".into(),
            since: NOW,
            secrets_missing: Vec::new(),
        };
        Facts {
            problems: vec![
                problem("ads", Cause::SeatLimit),
                problem("ads", Cause::AuthBroken),
                problem("git", Cause::LeaverPresent),
            ],
            holds: vec![HoldFact {
                id: "h1".into(),
                hub: "ads".into(),
                reason: "mass_removal".into(),
                tasks: 12,
                since: NOW,
            }],
            failed: vec![FailedFact { hub: "git".into(), tasks: 2, since: NOW }],
            sources: vec![
                SourceFact { name: "okta".into(), last_request: Some(NOW.minus(DAY * 3)), token_ends: None },
                SourceFact { name: "entra".into(), last_request: Some(NOW), token_ends: Some(NOW.plus(DAY * 13)) },
                SourceFact { name: "new".into(), last_request: None, token_ends: Some(NOW.plus(DAY * 15)) },
            ],
        }
    }

    fn kinds(notices: &[Notice]) -> Vec<&'static str> {
        notices.iter().map(|notice| notice.condition.as_str()).collect()
    }

    #[test]
    fn conditions_come_from_facts() {
        let found = conditions(&facts(), DAY * 3, DAY * 14, NOW);
        let expected = [
            "broken_credential",
            "leaver_present",
            "held_batch",
            "failed_tasks",
            "problem",
            "silent_source",
            "token_expires",
        ];
        assert_eq!(kinds(&found), expected);
        assert_eq!(kinds(&conditions(&facts(), DAY * 4, DAY, NOW)), expected[..5]);
        assert_eq!(kinds(&conditions(&facts(), Duration::ZERO, DAY, NOW)), expected[..5], "zero tells nothing");
        assert_eq!(conditions(&Facts::default(), DAY, DAY, NOW), []);
        assert!(found.iter().all(|notice| hub_of(&notice.key) == notice.hub.as_deref()), "{found:?}");
    }

    /// Once when it begins, not while it lasts, again after the interval, once when it is over.
    #[test]
    fn each_condition_is_told_once_reminded_and_ended() {
        let holds = || conditions(&facts(), DAY * 3, DAY * 14, NOW);
        let first = Digest::of(holds(), &[], &[], DAY, NOW);
        assert_eq!((first.new.len(), first.again.len(), first.over.len()), (7, 0, 0));
        let told = |at: Micros| -> Vec<Told> {
            holds().into_iter().map(|n| Told { key: n.key, line: n.line, last_told: at }).collect()
        };
        assert!(Digest::of(holds(), &told(NOW), &[], DAY, NOW.plus(DAY / 2)).is_empty());
        let later = Digest::of(holds(), &told(NOW), &[], DAY, NOW.plus(DAY));
        assert_eq!((later.new.len(), later.again.len(), later.over.len()), (0, 7, 0));
        let ended = Digest::of(vec![], &told(NOW), &[], DAY, NOW.plus(DAY));
        assert_eq!((ended.new.len(), ended.again.len(), ended.over.len()), (0, 0, 7));
        let some = Digest::of(holds(), &[], &[Condition::HeldBatch], DAY, NOW);
        assert_eq!(kinds(&some.new), ["held_batch"]);
    }

    #[test]
    fn an_address_is_one_and_plain() {
        for good in ["ann@example.com", "a.b+ops@mail.example", "x@localhost"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "ann",
            "@x.example",
            "ann@",
            "a b@x.example",
            "Ann <a@x.example>",
            "a@b@c",
            "a@x..y",
            ".a@x.y",
            "a@x.y\r\nBcc: c@d.e",
        ] {
            assert!(!is_address(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_digest_is_plain_text_with_links_and_no_foreign_lines() {
        let digest = Digest::of(conditions(&facts(), DAY * 3, DAY * 14, NOW), &[], &[], DAY, NOW);
        let text = digest.text("https://scim.example.com", "default");
        assert!(text.contains("\n  https://scim.example.com/held\n"), "{text}");
        assert!(text.contains("the app says no") && !text.contains("\nsays no"), "{text}");
        assert_eq!(digest.subject("default"), "[scimhub default] 7 things need you");
        let over =
            Digest { over: vec![Told { key: "k".into(), line: "l".into(), last_told: NOW }], ..Digest::default() };
        assert_eq!(over.subject("default"), "[scimhub default] 1 over");
        assert!(over.text("", "default").contains("Over:\n\n* l"));
    }
}
