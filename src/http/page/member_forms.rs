//! The forms of one account's page: which of them its state lets come to something, and what was wrong
//! in the one that was refused.

use maud::{Markup, html};

use super::access::{PageActor, PageReader};
use super::layout;
use crate::service::members::{Bucket, MemberStatus, MemberView, Presence};

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
const FORMS: [(&str, &str, &str); 8] = [
    ("match", "Match", "Whose account it is."),
    ("claim", "Claim", "It is the owner's own, under another e-mail."),
    ("adopt", "Adopt", "It is managed from now on: mappings may change and remove it."),
    ("resend", "Send again", "The invitation, with the role that is wanted now."),
    ("role", "Change role", "Of a share that names this person; access through a group is the group's."),
    ("unexempt", "Un-exempt", "Tasks may touch it again."),
    ("exempt", "Exempt", "It stays in the app, and no task ever touches it."),
    ("remove", "Remove", "The access ends here."),
];

/// The words of the forms that can come to something for this account.
fn offered(member: &MemberView) -> Vec<&'static str> {
    let exempted = member.bucket == Bucket::Exempted;
    let bound = member.user.is_some();
    let open = member.known == Presence::Pending
        || matches!(member.status, MemberStatus::InviteExpired | MemberStatus::InviteFailed);
    [
        ("match", !bound && !exempted),
        ("claim", !bound && !exempted),
        ("adopt", bound && !member.managed && !exempted),
        ("resend", open && !exempted),
        ("role", bound && !exempted),
        ("unexempt", exempted),
        ("exempt", !exempted),
        ("remove", !exempted),
    ]
    .into_iter()
    .filter_map(|(word, fits)| fits.then_some(word))
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
        let action = if word == "claim" { format!("{to}/claim") } else { format!("{to}/act") };
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
        "remove" => html! {
            div { label for="mode" { "From" }
                select #mode name="mode" {
                    option value="hub_and_app" { "hub and app" }
                    option value="hub_only" selected[given("remove", "mode") == "hub_only"] { "the hub only" }
                } }
        },
        _ => html! {},
    };
    let offered = offered(member);
    html! {
        h2 { "Decide" }
        @if let Some(refused) = refused.filter(|refused| !offered.contains(&refused.word)) { p.note.bad role="alert" { (refused.why) } }
        div.cards { @for (word, title, hint) in FORMS.iter().filter(|(word, _, _)| offered.contains(word)) {
            (form(word, title, hint, fields(word)))
        } }
    }
}
