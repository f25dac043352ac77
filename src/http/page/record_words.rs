//! The record in words: kinds, authors, and the facts of a record as lines that people read.

use std::borrow::Cow;

use serde_json::Value;

use super::words;
use crate::base::clock::Micros;

/// Families of kinds that a list may be narrowed to, as the form offers them.
pub const FAMILIES: [(&str, &str); 19] = [
    ("user.", "people at the identity provider"),
    ("group.", "groups"),
    ("team.", "teams made here"),
    ("mapping.", "mappings"),
    ("hub.", "hubs"),
    ("member.", "accounts"),
    ("task.", "tasks"),
    ("tasks.planned", "plans"),
    ("hold.", "held batches"),
    ("access.", "access granted again"),
    ("drift.", "drift put right"),
    ("sync.", "syncs that stopped"),
    ("person.", "roles of people"),
    ("guest.", "guests"),
    ("partner.", "local partners"),
    ("role_mapping.", "roles by group"),
    ("token.", "tokens"),
    ("webhook.", "webhooks"),
    ("workspace.", "the workspace"),
];

/// Who may have done something, as the form offers it.
pub const AUTHORS: [(&str, &str); 7] = [
    ("user:", "people"),
    ("token:", "tokens"),
    ("cli", "the command line"),
    ("planner", "the planner"),
    ("worker", "workers"),
    ("sync", "syncs"),
    ("sweep", "a time that ran out"),
];

/// What happened, in words.
pub fn kind(kind: &str) -> Cow<'_, str> {
    Cow::Borrowed(match kind {
        "access.granted_again" => "access granted again",
        "drift.repair" => "drift put right",
        "failures.read" => "failures read",
        "group.created" => "group came in",
        "hold.opened" => "tasks held for a person",
        "hold.pass_ended" => "held again from now on",
        "hold.pass_given" => "let pass for a while",
        "hold.rejected" => "held tasks rejected",
        "hold.released" => "held tasks released",
        "hub.checked" => "connection checked",
        "hub.observes" => "hub only observes",
        "hub.secret_set" => "secret of the hub set",
        "hub.waiting_overridden" => "the app's wait ended by hand",
        "leavers.gone" => "people left behind said to be gone",
        "mapping.bound" => "mapping found its group",
        "member.changed_in_app" => "account changed in the app",
        "member.exempted" => "account kept on purpose",
        "member.gone_in_app" => "account gone in the app",
        "member.invited_again" => "invited again",
        "member.matched" => "account matched to a person",
        "member.unexempted" => "account not kept any more",
        "members.found_in_app" => "accounts found in the app",
        "person.erased" => "person forgotten",
        "person.role_given" => "role given by name",
        "person.role_taken" => "role by name taken",
        "role_mapping.put" => "role for a group set",
        "sync.halted" => "sync stopped: too many would be gone",
        "task.done_by_hand" => "task done by hand",
        "task.needs_person" => "task needs a person",
        "task.replanned" => "task planned anew",
        "tasks.planned" => "tasks planned",
        "user.access_released" => "access given free again",
        "user.created" => "user came in",
        "user.fields_given" => "fields given for an app",
        "workspace.owner_left" => "the workspace's Owner left",
        other => return Cow::Owned(words::plain(other)),
    })
}

/// Who did it, where nobody has a better name for them.
pub fn author(actor: &str) -> &str {
    match actor {
        "cli" => "the command line",
        "planner" => "the planner",
        "worker" => "a worker",
        "sync" => "a sync",
        "sweep" => "a time that ran out",
        "deliverer" => "telling endpoints",
        other => match other.split_once(':') {
            Some(("user", _)) => "somebody",
            Some(("token", _)) => "a token",
            Some(_) | None => other,
        },
    }
}

/// Lines shown of one record; the rest is in the CSV.
const LINES: usize = 40;
/// Letters of a line's value.
const LETTERS: usize = 500;
/// Items of a list in one line.
const ITEMS: usize = 20;

/// The facts of a record, line by line; what says nothing is left out.
pub fn lines(facts: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(facts, "", &mut found);
    if found.len() > LINES {
        let more = found.len().saturating_sub(LINES);
        found.truncate(LINES);
        found.push((String::from("and"), format!("{more} more")));
    }
    found
}

fn collect(facts: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match facts {
        Value::Null => {}
        Value::Object(fields) => {
            for (name, value) in fields {
                let name = label(name);
                collect(value, &if at.is_empty() { name } else { format!("{at}, {name}") }, found);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) => {
            let shown: Vec<String> = items.iter().take(ITEMS).map(|item| in_line(item, at)).collect();
            let more = items.len().saturating_sub(ITEMS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            found.push((at.to_owned(), cut(&format!("{}{more}", shown.join(", ")))));
        }
        Value::String(text) if text.is_empty() => {}
        Value::String(_) | Value::Bool(_) | Value::Number(_) => {
            let name = if at.is_empty() { "said" } else { at };
            found.push((name.to_owned(), cut(&in_line(facts, at))));
        }
    }
}

/// A value in one line; `at` is its line's name.
fn in_line(value: &Value, at: &str) -> String {
    match value {
        Value::Null => String::from("nothing"),
        Value::Bool(true) => String::from("yes"),
        Value::Bool(false) => String::from("no"),
        Value::Number(number) => number.as_i64().map_or_else(|| number.to_string(), words::grouped),
        Value::String(text) if Micros::parse_rfc3339(text).is_some() => words::moment(text),
        // Words of ours have underscores; texts of people keep theirs.
        Value::String(text) if OURS.contains(&at.rsplit(", ").next().unwrap_or(at)) => words::plain(text),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(|item| in_line(item, at)).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let said = fields.iter().filter(|(_, value)| !value.is_null());
            let said = said.map(|(name, value)| {
                let name = label(name);
                format!("{name} {}", in_line(value, &name))
            });
            format!("({})", said.collect::<Vec<_>>().join("; "))
        }
    }
}

/// Names of lines whose values are words of ours.
const OURS: [&str; 16] = [
    "cause",
    "kind",
    "kind of task",
    "outcome",
    "class",
    "evidence",
    "mode",
    "presence",
    "state",
    "bucket",
    "hub role",
    "status",
    "changed",
    "by",
    "origin",
    "known",
];

fn label(name: &str) -> String {
    match name {
        "task_kind" => String::from("kind of task"),
        "remote_id" => String::from("the app's id"),
        "userName" => String::from("userName"),
        other => words::plain(other),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LETTERS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_read_as_lines_and_say_nothing_of_nothing() {
        let facts = json!({
            "task_kind": "update_role", "role": "ad_manager", "cause": "group_membership", "class": null, "assets": [],
            "landed": {"presence": "active", "mappings": ["m1", "m2"]}, "withdrawn": 0, "paused": false,
            "until": "2026-11-26T04:01:02Z", "steps": [{"user": "a_b@example.com", "role": null}],
        });
        let lines = lines(&facts);
        let of = |name: &str| lines.iter().find(|(at, _)| at == name).map(|(_, said)| said.as_str());
        for (name, said) in [
            ("kind of task", "update role"),
            ("role", "ad_manager"),
            ("cause", "group membership"),
            ("landed, presence", "active"),
            ("landed, mappings", "m1, m2"),
            ("withdrawn", "0"),
            ("paused", "no"),
            ("until", "2026-11-26 04:01 UTC"),
            ("steps", "(user a_b@example.com)"),
        ] {
            assert_eq!(of(name), Some(said), "{name}: {lines:?}");
        }
        assert!(of("class").is_none() && of("assets").is_none());
    }

    #[test]
    fn what_is_long_is_cut() {
        let many: serde_json::Map<String, Value> = (0..60).map(|n| (format!("k{n}"), json!(n))).collect();
        assert_eq!(lines(&Value::Object(many)).last(), Some(&(String::from("and"), String::from("20 more"))));
        let (_, said) = lines(&json!({ "note": "ö".repeat(600) })).remove(0);
        assert_eq!(said.chars().count(), 501);
        let (_, said) = lines(&json!({ "people": (0..25).collect::<Vec<_>>() })).remove(0);
        assert!(said.ends_with("19 and 5 more"), "{said}");
    }
}
