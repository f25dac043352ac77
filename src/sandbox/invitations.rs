//! People who are invited and have not joined: the practice app in the mode in which it adds nobody
//! by itself. Whoever is added gets a link (shown on the page, since nothing is mailed here), has no
//! seat to use and no role to change until they follow it, and the link runs out.

use std::time::Duration;

use serde_json::{Value, json};

use super::assets;
use super::page::escape;
use super::seats::{Object, Seat, Space, role_of};
use super::users::{Reply, error};
use crate::base::clock::Micros;

/// Under which the app shows an invitation on a user.
pub(super) const EXTENSION: &str = "urn:scimhub:params:scim:schemas:practice:2.0:Invitation";

/// How the practice app brings people in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Invites {
    /// Whoever is added is there at once.
    #[default]
    Off,
    /// Whoever is added is invited.
    On {
        /// How long the link works; `None` for ever.
        lasts: Option<Duration>,
        /// Whether invited people are in the list and can be taken back (some apps show none).
        listed: bool,
    },
}

impl Invites {
    /// The invitation of somebody who is added now.
    pub(super) fn send(self, now: Micros) -> Option<Invitation> {
        match self {
            Self::Off => None,
            Self::On { lasts, .. } => Some(Invitation { sent: now, expires: lasts.map(|lasts| now.plus(lasts)) }),
        }
    }

    /// Whether invited people are hidden.
    pub(super) const fn hide(self) -> bool {
        match self {
            Self::Off => false,
            Self::On { listed, .. } => !listed,
        }
    }
}

/// An invitation that nobody has followed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invitation {
    /// When it went out.
    pub(super) sent: Micros,
    /// When its link stops working.
    pub(super) expires: Option<Micros>,
}

impl Invitation {
    /// Whether its link works no more.
    pub(super) fn ran_out(self, now: Micros) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    /// As shown on the user.
    pub(super) fn render(self, now: Micros) -> Value {
        let mut shown = json!({
            "state": if self.ran_out(now) { "expired" } else { "pending" },
            "sentAt": self.sent.to_rfc3339(),
        });
        if let (Some(expires), Some(map)) = (self.expires, shown.as_object_mut()) {
            map.insert(String::from("expiresAt"), Value::String(expires.to_rfc3339()));
        }
        shown
    }
}

/// A change of the role or the assets of somebody who has not joined is refused.
pub(super) fn nothing_yet(before: &Seat, after: &Object) -> Result<(), Reply> {
    let same = before.role() == role_of(after) && assets::of(&before.document).eq(assets::of(after));
    if before.invitation.is_some() && !same {
        let why = "this person has not accepted the invitation; role and assets can be changed once they have";
        return Err(error(409, None, why));
    }
    Ok(())
}

/// What following the link answers: status and page. Looking at it changes nothing, so that a mail
/// scanner accepts for nobody.
pub(super) fn follow(space: &mut Space, method: &str, id: &str, now: Micros) -> (u16, String) {
    let page = |status, text: &str| (status, format!("<!doctype html><title>Sandbox</title><p>{}</p>\n", escape(text)));
    let Some(invitation) = space.get(id).and_then(|seat| seat.invitation) else {
        return page(404, "There is no such invitation: it was accepted, or taken back.");
    };
    if invitation.ran_out(now) {
        return page(410, "This invitation ran out. Ask for another one.");
    }
    match method {
        "POST" => {
            space.accept(id, now);
            page(200, "Welcome: you have a seat now.")
        }
        "GET" => (
            200,
            String::from(
                "<!doctype html><title>Sandbox</title><p>You are invited.</p>\
                 <form method=\"post\"><button>Accept</button></form>\n",
            ),
        ),
        _ => page(405, "Open the link in a browser."),
    }
}
