//! A plan as people read it: what changes, what each name is bound to, and for whom.

use comfy_table::Table;

use super::plan::Mode;
use super::table::count;
use crate::domain::guard::HoldReason;
use crate::service::whatif::{Action, Begins, HubEffect, Outcome, PersonEffect, Plan};

/// People listed by name for one hub unless all are asked for.
const NAMED: usize = 50;

/// How many names are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// So many that a screen or two holds them.
    Some,
    /// Every one.
    All,
}

const fn sign(action: Action) -> &'static str {
    match action {
        Action::Add => "+",
        Action::Change => "~",
        Action::Remove => "-",
    }
}

/// The lines of a plan.
pub fn lines(plan: &Plan, mode: Mode, names: Names) -> Vec<String> {
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
    for role in &plan.roles {
        let gives = match (&role.before, &role.after) {
            (Some(before), Some(after)) => format!("{before} -> {after}"),
            (_, Some(one)) | (Some(one), None) => one.clone(),
            (None, None) => String::new(),
        };
        out.push(format!("{} role mapping group {}: {gives}", sign(role.action), role.group));
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
    if !plan.role_changes.is_empty() {
        out.push(String::new());
        out.push(format!("roles of the workspace: {} people get another one", plan.role_changes.len()));
        let named = match names {
            Names::Some => NAMED,
            Names::All => usize::MAX,
        };
        out.extend(
            plan.role_changes.iter().take(named).map(|one| format!("  {}: {} -> {}", one.name, one.from, one.to)),
        );
        if let Some(more) = plan.role_changes.len().checked_sub(named).filter(|more| *more > 0) {
            out.push(format!("… and {more} more; --all shows them"));
        }
    }
    for effect in &plan.effects {
        out.push(String::new());
        out.extend(effect_lines(effect, names));
    }
    if !plan.notes.is_empty() {
        out.push(String::new());
        out.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    }
    if !out.is_empty() {
        out.push(String::new());
    }
    out.extend(end(plan, mode));
    out
}

fn end(plan: &Plan, mode: Mode) -> Vec<String> {
    if plan.is_empty() {
        return vec![String::from("nothing to change")];
    }
    let mut what = format!("{}, {}", count(plan.hubs.len(), "hub"), count(plan.mappings.len(), "mapping"));
    if !plan.roles.is_empty() {
        what.push_str(&format!(", {}", count(plan.roles.len(), "role mapping")));
    }
    match mode {
        Mode::Plan => vec![format!("would change: {what}"), format!("digest: {}", plan.digest)],
        Mode::Apply(_) => {
            let takes = plan.effects.iter().any(|effect| effect.removes > 0 || effect.demotes > 0);
            let request = plan.request.iter().map(|id| match takes {
                true => format!("request: {id} (to grant again what it takes: scimhub undo apply {id})"),
                false => format!("request: {id}"),
            });
            std::iter::once(format!("changed: {what}")).chain(request).collect()
        }
    }
}

fn effect_lines(effect: &HubEffect, names: Names) -> Vec<String> {
    let cut = if effect.cut { " (of those looked at; there are more)" } else { "" };
    let first = match effect.stays {
        Some(stays) => {
            let under_way = match effect.withdraws {
                0 => String::new(),
                tasks => format!("; {} under way or due withdrawn", count(tasks, "change")),
            };
            let left = match effect.leavers_stay {
                0 => String::new(),
                people => format!("; {people} of them left and keep the account"),
            };
            let stays = count(stays, "managed account");
            format!("nothing changes in the app; {stays} stay there, managed by nobody{under_way}{left}{cut}")
        }
        None => {
            let observes = match (effect.observe, effect.stops) {
                // What is withdrawn is; what is planned beside it is not done.
                (true, Some(_)) => " (the hub observes from now on: nothing is done)",
                (true, None) => " (the hub observes: shown, not done)",
                (false, _) => "",
            };
            format!("{}{observes}{cut}", effect.counts())
        }
    };
    let mut out = vec![format!("{}: {first}", effect.hub)];
    out.extend(effect.held.iter().map(|(reason, held)| held_line(effect, reason, *held)));
    if effect.manual > 0 {
        out.push(format!("  {} of these would be done by hand", effect.manual));
    }
    let mut people: Vec<&PersonEffect> = effect.people.iter().collect();
    people.sort_by_key(|person| weight(person.change));
    let most = match names {
        Names::Some => NAMED,
        Names::All => usize::MAX,
    };
    if !people.is_empty() {
        let rows = people.iter().take(most).map(|person| row(person)).collect();
        out.extend(table(&["change", "user", "from", "to", "because of"], rows));
    }
    if people.len() > most {
        out.push(format!("… and {} more; --all shows them", people.len().saturating_sub(most)));
    }
    if effect.more > 0 {
        out.push(format!("… and {} more that are counted and not named", effect.more));
    }
    out
}

/// `of the 47 removals, 37 would be held: it would take half or more of the hub …`
fn held_line(effect: &HubEffect, reason: &str, held: usize) -> String {
    let known = HoldReason::from_word(reason);
    let of_all = match (effect.removes, effect.demotes) {
        (_, _) if known.is_some_and(HoldReason::is_about_additions) => count(effect.adds, "addition"),
        (removes, 0) => count(removes, "removal"),
        (0, demotes) => count(demotes, "downgrade"),
        (removes, demotes) => format!("{} and {}", count(removes, "removal"), count(demotes, "downgrade")),
    };
    let why = known.map_or(reason, |known| known.explain());
    format!("  of the {of_all}, {held} would be held: {why}")
}

/// What somebody should look at comes first.
const fn weight(change: Outcome) -> u8 {
    match change {
        Outcome::Remove => 0,
        Outcome::Demote => 1,
        Outcome::Promote => 2,
        Outcome::Add => 3,
        Outcome::Adopt => 4,
        Outcome::Withdraw => 5,
        Outcome::Keep => 6,
    }
}

const fn word(change: Outcome) -> &'static str {
    match change {
        Outcome::Add => "add",
        Outcome::Promote => "promote",
        Outcome::Demote => "demote",
        Outcome::Remove => "remove",
        Outcome::Adopt => "adopt",
        Outcome::Withdraw => "withdraw",
        Outcome::Keep => "keep",
    }
}

fn row(person: &PersonEffect) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("-"));
    let mut because = person.because.join(", ");
    if person.leaver {
        because = String::from("left");
    } else if person.change == Outcome::Remove {
        because = format!("no longer {because}");
    }
    let begins = match person.begins {
        None => None,
        Some(Begins::Manual) => Some("by hand"),
        Some(Begins::AfterAcceptance) => Some("after the invitation is accepted"),
        Some(Begins::NeedsData) => Some("once the app's data about them is there"),
        Some(Begins::Held) => Some("stays held"),
    };
    let held = person.held.as_ref().map(|reason| format!("held: {}", reason.replace('_', " ")));
    let task = person.task.as_ref().map(|stands| format!("is {}", stands.replace('_', " ")));
    let outranks = (!person.outranked.is_empty()).then(|| format!("outranks {}", person.outranked.join(", ")));
    for more in [outranks, begins.map(str::to_owned), held, task, person.why.clone()].into_iter().flatten() {
        because.push_str(&format!(" ({more})"));
    }
    vec![word(person.change).to_owned(), person.user.clone(), or_dash(&person.from), or_dash(&person.to), because]
}

fn table(head: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(head.iter().map(|word| word.to_uppercase()));
    table.add_rows(rows);
    table.to_string().lines().map(|line| line.trim_end().to_owned()).collect()
}
