//! The forms of one account's page: which of them its state lets come to something, and what was wrong
//! in the one that was refused.

use maud::{Markup, html};

use super::access::{PageActor, PageReader};
use super::layout;
use super::member::DAYS;
use crate::service::members::{Bucket, MemberStatus, MemberView, Presence};
use crate::service::rules::Action;

/// A form that was refused.
pub struct Refused<'a> {
    /// Its word.
    pub word: &'a str,
    /// Why.
    pub why: String,
    /// With what was filled in.
    pub form: &'a PageActor,
}

/// Each form: its word, what its button says, and what it means.
const FORMS: [(&str, &str, &str); 10] = [
    ("match", "Match", "Whose account it is."),
    ("claim", "Claim", "It is the owner's own, under another e-mail."),
    ("adopt", "Adopt", "It is managed from now on: mappings may change and remove it."),
    ("resend", "Send again", "The invitation, with the role that is wanted now."),
    ("role", "Change role", "Of a share that names this person; access through a group is the group's."),
    ("unexempt", "Un-exempt", "Tasks may touch it again."),
    ("protect", "Protect", "What automation wants of it waits for a person, change by change."),
    ("unprotect", "Unprotect", "Automation changes it again; what is held is planned anew."),
    ("exempt", "Exempt", "It stays in the app, and no task ever touches it."),
    ("remove", "Remove", "The access ends here."),
];

/// What the route behind a form asks for.
fn asks(word: &str) -> Action {
    match word {
        "claim" => Action::AssignManagers,
        "protect" | "unprotect" => Action::ProtectMembers,
        _ => Action::ManageMembers,
    }
}

/// The words of the forms that can come to something for this account, and that the caller may use.
fn offered(caller: &PageReader, member: &MemberView) -> Vec<&'static str> {
    let exempted = member.bucket == Bucket::Exempted;
    let bound = member.user.is_some();
    // The account that the hub works with is protected by nobody's word.
    let guarded = member.protection.is_some();
    let there = member.known != Presence::Absent;
    let open = member.known == Presence::Pending
        || matches!(member.status, MemberStatus::InviteExpired | MemberStatus::InviteFailed);
    [
        ("match", !bound && !exempted),
        ("claim", !bound && !exempted),
        ("adopt", bound && !member.managed && !exempted),
        ("resend", open && !exempted),
        ("role", bound && !exempted && !guarded),
        ("unexempt", exempted),
        ("protect", there && !exempted && !guarded && !member.protected),
        ("unprotect", guarded),
        ("exempt", !exempted),
        ("remove", !exempted && !guarded),
    ]
    .into_iter()
    .filter_map(|(word, fits)| (fits && caller.can(asks(word))).then_some(word))
    .collect()
}

/// The forms that this account's state lets come to something; the use case has the last word.
pub fn forms(caller: &PageReader, hub: &str, member: &MemberView, refused: Option<&Refused<'_>>) -> Markup {
    let to = format!("/hubs/{hub}/members/{}", member.id);
    let given = |word: &str, field: &str| {
        refused
            .filter(|refused| refused.word == word)
            .and_then(|refused| refused.form.fields.get(field))
            .unwrap_or_default()
    };
    let form = |word: &str, title: &str, hint: &str, fields: Markup| {
        let action = match word {
            "claim" => format!("{to}/claim"),
            "protect" | "unprotect" => format!("{to}/protect"),
            _ => format!("{to}/act"),
        };
        html! {
            form.card method="post" action=(action) id=(word) {
                h3 { (title) }
                p.hint { (hint) }
                @if let Some(refused) = refused.filter(|refused| refused.word == word) { p.note.bad role="alert" { (refused.why) } }
                (layout::proof(caller))
                (fields)
                button.danger[word == "remove"] type="submit" name="act" value=(word) { (title) }
            }
        }
    };
    let role = match given("role", "app_role") {
        "" => member.role.as_deref().unwrap_or_default(),
        given => given,
    };
    let fields = |word: &str| match word {
        "match" => html! {
            div { label for="match-user" { "Person (user name or id)" }
                input #match-user type="text" name="user" value=(given("match", "user")) required; }
            div { label for="hub-role" { "Role in the hub" }
                select #hub-role name="hub_role" {
                    @for role in ["collaborator", "manager", "owner"] {
                        option value=(role) selected[given("match", "hub_role") == role] { (role) }
                    }
                } }
        },
        "claim" => html! {
            div { label for="claim-user" { "Owner (user name or id)" }
                input #claim-user type="text" name="user" value=(given("claim", "user")); }
        },
        "role" => html! {
            div { label for="app-role" { "Role (the app's id)" }
                input #app-role type="text" name="app_role" value=(role) required; }
        },
        "exempt" => html! {
            div { label for="reason" { "Reason" }
                input #reason type="text" name="reason" maxlength="2000" value=(given("exempt", "reason")) required; }
        },
        "protect" => html! {
            div { label for="why-protect" { "Reason" }
                input #why-protect type="text" name="reason" maxlength="2000" value=(given("protect", "reason")) required; }
            div { label for="days" { "Until" }
                select #days name="days" {
                    option value="" { "somebody ends it" }
                    @for days in DAYS {
                        option value=(days) selected[given("protect", "days") == days.to_string()] { (days) " days from now" }
                    }
                } }
        },
        "unprotect" => html! {
            div { label for="why-unprotect" { "Note" }
                input #why-unprotect type="text" name="note" maxlength="2000" value=(given("unprotect", "note")); }
        },
        "remove" => html! {
            div { label for="mode" { "From" }
                select #mode name="mode" {
                    option value="hub_and_app" { "hub and app" }
                    option value="hub_only" selected[given("remove", "mode") == "hub_only"] { "the hub only" }
                } }
            div { label for="why-remove" { "Note (needed where somebody who left stays in the app)" }
                input #why-remove type="text" name="note" maxlength="2000" value=(given("remove", "note")); }
        },
        _ => html! {},
    };
    let offered = offered(caller, member);
    html! {
        @if !offered.is_empty() { h2 { "Decide" } }
        @if let Some(refused) = refused.filter(|refused| !offered.contains(&refused.word)) { p.note.bad role="alert" { (refused.why) } }
        div.cards { @for (word, title, hint) in FORMS.iter().filter(|(word, _, _)| offered.contains(word)) {
            (form(word, title, hint, fields(word)))
        } }
    }
}
