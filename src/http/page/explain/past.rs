//! A day that is past: the same path as it was then, drawn with the same boxes.

use maud::{Markup, html};

use super::path::{self, LANES, Lane, Link, Picture, Step, step};
use super::{access, drawn, record, tasks};
use crate::http::page::words::{self, Tone, badge};
use crate::service::explain::{ExplainedTask, PastExplanation, PastRule};

/// Everything below the title.
pub fn body(why: &PastExplanation) -> Markup {
    let shown: Vec<&ExplainedTask> = [&why.began, &why.open, &why.ended].into_iter().flatten().collect();
    html! {
        p.hint { "As it was " (words::at(&why.at)) }
        ul.sentences { @for line in &why.summary { li { (line) } } }
        (drawn(&picture(why)))
        (mappings(why))
        @if !shown.is_empty() {
            h2 { "Tasks that made it so" }
            (tasks(shown.into_iter()))
        }
        (access(&why.access))
        (record(&why.activity))
    }
}

fn mappings(why: &PastExplanation) -> Markup {
    html! {
        h2 { "Every mapping that the hub had then" }
        @if why.mappings.is_empty() { p.empty { "This hub had no mapping." } }
        @else {
            table.rows {
                thead { tr { th scope="col" { "Who" } th scope="col" { "Role" } th scope="col" { "For this person" } th scope="col" { "Since" } } }
                tbody { @for rule in &why.mappings { tr {
                    td.lead { div { (rule.subject) @if let Some(scope) = &rule.scope { small { "where " code { (scope) } } } } }
                    td data-name="Role" { div { (rule.app_role) } }
                    td data-name="For this person" { div { (badge(path::tone(rule.applied), &words::plain(rule.applied))) } }
                    td data-name="Since" { div {
                        @if let Some(since) = &rule.since {
                            (words::at(&since.at))
                            small { (since.by) @if let Some(request) = &since.request_id { ", request " code { (request) } } }
                        }
                    } }
                } } }
            }
        }
    }
}

fn picture(why: &PastExplanation) -> Picture {
    let mut rules: Vec<&PastRule> = why.mappings.iter().collect();
    let weight = |rule: &PastRule| match rule.applied {
        "counted" => 0,
        "unknown" => 1,
        "waiting" => 2,
        "not_in_group" => 3,
        _ => 4,
    };
    rules.sort_by_key(|rule| weight(rule));
    rules.retain(|rule| rule.applied != "other_user" || why.mappings.len() == 1);
    let unseen = rules.len().saturating_sub(LANES);
    let mut lanes: Vec<Lane> = rules.into_iter().take(LANES).map(|rule| lane(why, rule)).collect();
    if lanes.is_empty() {
        lanes.push(Lane {
            into: Link::Leads(Tone::Dim),
            membership: step("Membership", "none that mattered here", "", Tone::Dim),
            meets: Link::Broken,
            mapping: step("Mapping", "none for this person", "", Tone::Dim),
            gives: Link::Leads(Tone::Dim),
        });
    }
    let task = why.began.as_ref().or(why.open.as_ref());
    let rest = [(Link::Leads(Tone::Good), entitlement(why)), task_step(why), path::attempts_step(task), seat(why)];
    Picture { title: why.summary.join("; "), request: request(why), lanes, unseen, rest }
}

fn is_active(why: &PastExplanation) -> bool {
    why.user.state == "active"
}

fn request(why: &PastExplanation) -> Step {
    let (said, tone) = match why.user.state {
        "active" => ("user was active", Tone::Good),
        "inactive" => ("user was deactivated", Tone::Bad),
        "deleted" => ("user had been deleted", Tone::Bad),
        "not_yet_here" => ("user had not arrived", Tone::Bad),
        _ => ("not recorded", Tone::Dim),
    };
    step("Identity provider", said, "", tone)
}

fn lane(why: &PastExplanation, rule: &PastRule) -> Lane {
    let since =
        rule.since.as_ref().map(|since| format!("{} by {}", words::moment(&since.at), since.by)).unwrap_or_default();
    let (main, tone) = match rule.applied {
        "counted" => (rule.subject.clone(), if is_active(why) { Tone::Good } else { Tone::Bad }),
        "not_in_group" => (format!("not in {}", rule.subject), Tone::Dim),
        "waiting" => (format!("{} was not there", rule.subject), Tone::Wait),
        "other_user" => (String::from("somebody else"), Tone::Dim),
        _ => (format!("{}: not recorded", rule.subject), Tone::Wait),
    };
    let counted = rule.applied == "counted";
    let scope = rule.scope.as_deref().map(|scope| format!("where {scope}")).unwrap_or_default();
    let gave = format!("gave {}", rule.app_role);
    Lane {
        into: if counted && is_active(why) { Link::Leads(Tone::Good) } else { Link::Broken },
        membership: step("Membership", main, since, tone),
        meets: Link::Leads(if counted { Tone::Good } else { Tone::Dim }),
        mapping: step("Mapping", gave, scope, path::tone(rule.applied)),
        gives: match (counted, is_active(why)) {
            (true, true) => Link::Leads(Tone::Good),
            (true, false) => Link::Broken,
            (false, _) => Link::Leads(Tone::Dim),
        },
    }
}

fn entitlement(why: &PastExplanation) -> Step {
    const NAME: &str = "Entitlement";
    let counted: Vec<&PastRule> = why.mappings.iter().filter(|rule| rule.applied == "counted").collect();
    if counted.is_empty() || !is_active(why) {
        return step(NAME, "no access", "", Tone::Dim);
    }
    let roles: std::collections::BTreeSet<&str> = counted.iter().map(|rule| rule.app_role.as_str()).collect();
    let from: Vec<&str> = counted.iter().map(|rule| rule.subject.as_str()).collect();
    step(NAME, roles.into_iter().collect::<Vec<_>>().join(", "), from.join(", "), Tone::Good)
}

fn task_step(why: &PastExplanation) -> (Link, Step) {
    const NAME: &str = "Task";
    let what = |one: &ExplainedTask| words::kind(one.task.kind, one.task.role.as_deref());
    match (&why.began, &why.open) {
        (Some(began), _) => {
            let more = format!("began it, {}", words::plain(&began.task.cause));
            (Link::Leads(Tone::Good), step(NAME, what(began), more, Tone::Good))
        }
        (None, Some(open)) => {
            let more = format!("open since {}", words::moment(&open.task.created));
            (Link::Broken, step(NAME, what(open), more, Tone::Wait))
        }
        (None, None) => (Link::Leads(Tone::Dim), step(NAME, "none", "", Tone::Dim)),
    }
}

fn seat(why: &PastExplanation) -> (Link, Step) {
    const NAME: &str = "Seat in the app";
    let Some(held) = why.held.first() else {
        return (Link::Broken, step(NAME, "none", "", Tone::Bad));
    };
    let until =
        held.to.as_deref().map_or_else(|| String::from("to this day"), |to| format!("until {}", words::moment(to)));
    let main = held.role.clone().unwrap_or_else(|| String::from("a seat"));
    (Link::Leads(Tone::Good), step(NAME, main, until, Tone::Good))
}
