//! The last picture: who has which seat in which hub, and why.

use std::collections::BTreeMap;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

use super::cast::Cast;
use super::watch::{Member, Task};

/// The table of all accounts of the hubs, leavers last.
pub(super) fn table(cast: &Cast, hubs: &[(&str, Vec<Member>)], tasks: &[Task]) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["Hub", "Person", "Role", "Why"].map(|head| Cell::new(head).add_attribute(Attribute::Bold)));
    for (hub, members) in hubs {
        let mut here: Vec<&Member> = members.iter().filter(|member| member.known == "active").collect();
        here.sort_by_key(|member| (std::cmp::Reverse(weight(member.role.as_deref())), member.display.clone()));
        let mut name = *hub;
        for member in here {
            let role = member.role.as_deref().unwrap_or("-");
            let person = match &member.email {
                Some(email) => cast.display(email),
                None => member.display.clone(),
            };
            table.add_row(vec![Cell::new(name), Cell::new(person), painted(role), Cell::new(why(member))]);
            name = "";
        }
        // Who came back since has a seat above.
        let back = |name: &str| members.iter().any(|m| m.known == "active" && m.email.as_deref() == Some(name));
        let removed = tasks.iter().filter(|t| t.hub == *hub && t.kind == "remove" && t.status == "completed");
        for task in removed.filter(|task| !back(&task.person.user_name)) {
            let person = cast.display(&task.person.user_name);
            let cells =
                [Cell::new(""), Cell::new(person), Cell::new("-"), Cell::new(format!("removed: {}", cause(task)))];
            table.add_row(cells.map(|cell| cell.add_attribute(Attribute::Dim)));
        }
    }
    table.to_string()
}

fn weight(role: Option<&str>) -> u8 {
    match role {
        Some("admin") => 3,
        Some("editor") => 2,
        Some("viewer") => 1,
        Some(_) | None => 0,
    }
}

fn painted(role: &str) -> Cell {
    let cell = Cell::new(role);
    match role {
        "admin" => cell.fg(Color::Magenta),
        "editor" => cell.fg(Color::Cyan),
        _ => cell,
    }
}

/// The mapping that decided, and those it outranked.
fn why(member: &Member) -> String {
    let mut reasons: Vec<_> = member.reasons.iter().collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(weight(Some(&reason.app_role))));
    let Some((first, rest)) = reasons.split_first() else { return String::from("-") };
    let mut text = first.subject.clone();
    if !rest.is_empty() {
        let lower: Vec<String> = rest.iter().map(|r| format!("{} ({})", r.subject, r.app_role)).collect();
        text.push_str(&format!(", outranks {}", lower.join(", ")));
    }
    text
}

fn cause(task: &Task) -> &str {
    match task.cause.as_str() {
        "deactivated" => "deactivated at the identity provider",
        "deleted" => "deleted at the identity provider",
        "group_membership" => "taken out of the group, released by a person",
        other => other,
    }
}

/// `16 tasks: 15 completed, 1 superseded`
pub(super) fn counts(tasks: &[Task]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for task in tasks {
        *counts.entry(task.status.as_str()).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    format!("{} tasks: {}", tasks.len(), parts.join(", "))
}

/// Tasks that did not end as they should: completed, replaced by a newer wish, or withdrawn for a
/// reason that is told.
pub(super) fn failed(tasks: &[Task]) -> Vec<String> {
    let fine = |task: &&Task| match task.status.as_str() {
        "completed" => true,
        "superseded" => task.superseded_by.is_some(),
        "cancelled" => task.error.is_some(),
        _ => false,
    };
    let bad = tasks.iter().filter(|task| !fine(task));
    bad.map(|t| format!("{} {} in {}: {}", t.kind, t.person.user_name, t.hub, t.status)).collect()
}
