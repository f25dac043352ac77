//! A plan as people read it: what changes, what each name is bound to, and for whom.

use comfy_table::Table;

use super::plan::Mode;
use super::table::count;
use crate::service::files::{Action, HubEffect, Plan};

/// People listed by name for one hub; `--output json` has all.
const NAMED: usize = 50;

const fn sign(action: Action) -> &'static str {
    match action {
        Action::Add => "+",
        Action::Change => "~",
        Action::Remove => "-",
    }
}

/// The lines of a plan.
pub fn lines(plan: &Plan, mode: Mode) -> Vec<String> {
    let mut out = Vec::new();
    for hub in &plan.hubs {
        let changed = if hub.changed.is_empty() { String::new() } else { format!(": {}", hub.changed.join(", ")) };
        out.push(format!("{} hub {}{changed}", sign(hub.action), hub.hub));
    }
    for mapping in &plan.mappings {
        let scope = mapping.scope.as_ref().map(|scope| format!(" where {scope}")).unwrap_or_default();
        let gives = match (&mapping.before, &mapping.after) {
            (Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
            (_, Some(one)) | (Some(one), None) => one.clone(),
            (None, None) => String::new(),
        };
        out.push(format!("{} mapping {}: {}{scope}: {gives}", sign(mapping.action), mapping.hub, mapping.subject));
    }
    for secret in &plan.secrets {
        out.push(format!("+ secret {secret} from the environment"));
    }
    if !plan.bindings.is_empty() {
        out.push(String::new());
        let rows = plan.bindings.iter().map(|one| {
            vec![one.hub.clone(), one.subject.clone(), one.state.clone(), one.to.clone().unwrap_or_default()]
        });
        out.extend(table(&["hub", "subject", "binding", "to"], rows.collect()));
    }
    for effect in &plan.effects {
        out.push(String::new());
        out.extend(effect_lines(effect));
    }
    if !plan.notes.is_empty() {
        out.push(String::new());
        out.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    }
    if plan.is_empty() {
        out.push(String::from("nothing to change"));
    } else {
        let word = match mode {
            Mode::Plan => "would change",
            Mode::Apply => "changed",
        };
        out.push(format!("{word}: {}, {}", count(plan.hubs.len(), "hub"), count(plan.mappings.len(), "mapping")));
    }
    out
}

fn effect_lines(effect: &HubEffect) -> Vec<String> {
    let mut out = vec![format!(
        "{}: adds {}, promotes {}, demotes {}, removes {}{}{}",
        effect.hub,
        effect.adds,
        effect.promotes,
        effect.demotes,
        effect.removes,
        if effect.observe { " (the hub observes: shown, not done)" } else { "" },
        if effect.cut { " (of those looked at; there are more)" } else { "" },
    )];
    let rows = effect.people.iter().take(NAMED).map(|person| {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("-"));
        vec![
            person.change.clone(),
            person.user.clone(),
            or_dash(&person.from),
            or_dash(&person.to),
            person.because.join(", "),
        ]
    });
    if !effect.people.is_empty() {
        out.extend(table(&["change", "user", "from", "to", "because of"], rows.collect()));
    }
    if effect.people.len() > NAMED {
        out.push(format!("… and {} more; --output json has all", effect.people.len().saturating_sub(NAMED)));
    }
    out
}

fn table(head: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(head.iter().map(|word| word.to_uppercase()));
    table.add_rows(rows);
    table.to_string().lines().map(|line| line.trim_end().to_owned()).collect()
}
