//! The words of the page: statuses, kinds and reasons as people say them, and moments and spans of
//! time. The script puts moments into the reader's own zone; without it they are UTC.

use std::borrow::Cow;
use std::time::Duration;

use maud::{Markup, html};

use crate::base::clock::Micros;
use crate::base::visible::hides;
use crate::service::members::{Bucket, MemberStatus, Presence};
use crate::service::overview::{HubMode, HubStanding};
use crate::service::tasks::{TaskKind, TaskStatus};

/// How something looks: a class of the style sheet. Colour never says it alone; the word does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// Waits for a person or a time.
    Wait,
    /// Went wrong.
    Bad,
    /// Over, or of no weight.
    Dim,
}

impl Tone {
    /// The class.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Wait => "wait",
            Self::Bad => "bad",
            Self::Dim => "dim",
        }
    }
}

/// A short word in a coloured frame.
pub fn badge(tone: Tone, word: &str) -> Markup {
    html! { span.badge.(tone.class()) { (word) } }
}

/// A task's status in words.
pub const fn status(status: TaskStatus) -> (&'static str, Tone) {
    match status {
        TaskStatus::Queued => ("queued", Tone::Busy),
        TaskStatus::Started => ("started", Tone::Busy),
        TaskStatus::Running => ("running", Tone::Busy),
        TaskStatus::Retrying => ("retrying", Tone::Bad),
        TaskStatus::Held => ("held", Tone::Wait),
        TaskStatus::Waiting => ("waiting", Tone::Wait),
        TaskStatus::Manual => ("by hand", Tone::Wait),
        TaskStatus::Completed => ("completed", Tone::Good),
        TaskStatus::NotCompleted => ("not completed", Tone::Bad),
        TaskStatus::Superseded => ("superseded", Tone::Dim),
        TaskStatus::Cancelled => ("cancelled", Tone::Dim),
    }
}

/// A hub's mode in words.
pub const fn mode(mode: HubMode) -> (&'static str, Tone) {
    match mode {
        HubMode::Observe => ("observing", Tone::Dim),
        HubMode::Active => ("active", Tone::Good),
    }
}

/// How a hub stands, in words (business-hubs.md section 7).
pub const fn standing(status: HubStanding) -> (&'static str, Tone) {
    match status {
        HubStanding::UnderValidation => ("under validation", Tone::Busy),
        HubStanding::UnderReview => ("under review", Tone::Bad),
        HubStanding::ReviewConfiguration => ("review the configuration", Tone::Bad),
        HubStanding::ReviewServiceAccount => ("review the service account", Tone::Bad),
        HubStanding::RequiresSync => ("requires a sync", Tone::Wait),
        HubStanding::Healthy => ("healthy", Tone::Good),
        HubStanding::Disabled => ("disabled", Tone::Dim),
    }
}

/// A bucket as a tab's name.
pub const fn bucket(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Onboarded => "Onboarded",
        Bucket::Unmatched => "Unmatched",
        Bucket::Guest => "Guest",
        Bucket::Exempted => "Exempted",
    }
}

/// What an account's status means, in words; `None` where there is nothing to report.
pub const fn member(status: MemberStatus) -> Option<(&'static str, Tone)> {
    match status {
        MemberStatus::Settled => None,
        MemberStatus::UnmatchedUser => Some(("nobody here", Tone::Wait)),
        MemberStatus::Exempted => Some(("kept on purpose", Tone::Dim)),
        MemberStatus::PendingUserClaim => Some(("not claimed yet", Tone::Wait)),
        MemberStatus::NeedsData => Some(("needs data", Tone::Bad)),
        MemberStatus::Inviting => Some(("being invited", Tone::Busy)),
        MemberStatus::PendingInviteClaim => Some(("invited, not accepted yet", Tone::Wait)),
        MemberStatus::InviteExpired => Some(("the invitation ran out", Tone::Bad)),
        MemberStatus::InviteFailed => Some(("adding failed", Tone::Bad)),
        MemberStatus::AwaitingUserLogin => Some(("waits for the person to sign in", Tone::Wait)),
        MemberStatus::AwaitingUpdate => Some(("role being changed", Tone::Busy)),
        MemberStatus::UpdateFailed => Some(("changing the role failed", Tone::Bad)),
        MemberStatus::AwaitingDeprovisioning => Some(("being removed", Tone::Busy)),
        MemberStatus::DeprovisioningFailed => Some(("removing failed", Tone::Bad)),
        MemberStatus::SyncFailed => Some(("the sync could not place it", Tone::Bad)),
        MemberStatus::Removed => Some(("removed", Tone::Dim)),
    }
}

/// What is known of an account, in words.
pub fn presence(known: Presence, role: Option<&str>) -> String {
    let role = role.unwrap_or("a seat");
    match known {
        Presence::Absent => String::from("none"),
        Presence::Pending => format!("{role}, invited"),
        Presence::Active => role.to_owned(),
        Presence::Suspended => format!("{role}, suspended"),
    }
}

/// What a task does, in words; the role where it has one.
pub fn kind(kind: TaskKind, role: Option<&str>) -> String {
    match (kind, role) {
        (TaskKind::Sync, _) => String::from("sync"),
        (TaskKind::Add, Some(role)) => format!("add as {role}"),
        (TaskKind::Add, None) => String::from("add"),
        (TaskKind::UpdateRole, Some(role)) => format!("make {role}"),
        (TaskKind::UpdateRole, None) => String::from("update role"),
        (TaskKind::Remove, Some(role)) => format!("remove ({role})"),
        (TaskKind::Remove, None) => String::from("remove"),
    }
}

/// A word of the database or API as people read it: `too_many_removals` → `too many removals`.
pub fn plain(word: &str) -> String {
    word.replace(['_', '.'], " ")
}

/// A text in which nothing hides: characters that do become their number, as `⟨U+202E⟩`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 32);
    for letter in text.chars() {
        if hides(letter) {
            shown.push_str(&format!("⟨U+{:04X}⟩", u32::from(letter)));
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// `1 task`, `2 tasks`, `12,345 tasks`.
pub fn count(number: i64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number with its thousands set apart.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A span of time in its largest unit: `12 s`, `5 min`, `3 h`, `9 days`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A moment, as the script will put it into the reader's zone: `26 Nov, 04:01 UTC` without it.
pub fn at(rfc3339: &str) -> Markup {
    html! { time datetime=(rfc3339) data-zone="short" { (moment(rfc3339)) } }
}

/// How long ago a moment was; the moment itself as its title.
pub fn ago(rfc3339: &str, now: &str) -> Markup {
    let text = match (Micros::parse_rfc3339(rfc3339), Micros::parse_rfc3339(now)) {
        (Some(then), Some(now)) => format!("{} ago", span(now.since(then))),
        _ => rfc3339.to_owned(),
    };
    html! { time datetime=(rfc3339) data-zone="title" title=(moment(rfc3339)) { (text) } }
}

/// `2026-11-26 04:01 UTC`: a moment where the script has no say.
pub fn moment(rfc3339: &str) -> String {
    let (date, clock) = rfc3339.split_once('T').unwrap_or((rfc3339, ""));
    match clock.get(..5) {
        Some(minute) => format!("{date} {minute} UTC"),
        None => rfc3339.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_spans_read_well() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567"), (-1_000, "-1,000")] {
            assert_eq!(grouped(number), text);
        }
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7_200, "2 h"), (172_800, "2 days")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        assert_eq!(count(1, "task", "tasks"), "1 task");
    }

    #[test]
    fn nothing_hides_in_a_text() {
        assert_eq!(visible("moc.elpmaxe@nna\u{202e}"), "moc.elpmaxe@nna⟨U+202E⟩");
        assert_eq!(visible("a\u{2066}b\u{200f}c\u{7}d\u{200b}"), "a⟨U+2066⟩b⟨U+200F⟩c⟨U+0007⟩d⟨U+200B⟩");
        for plain in ["Ann", "Zoë Ångström", "علی\u{200c}رضا", "王小明", "👨\u{200d}👩\u{200d}👧", "two\n\tlines"]
        {
            assert!(matches!(visible(plain), Cow::Borrowed(same) if same == plain), "{plain}");
        }
    }

    #[test]
    fn a_moment_is_utc_until_the_script_knows_better() {
        let shown = at("2026-11-26T04:01:02.345Z").into_string();
        assert!(shown.contains("2026-11-26 04:01 UTC") && shown.contains("datetime=\"2026-11-26T04:01:02.345Z\""));
        let shown = ago("2026-11-26T04:01:02.345Z", "2026-11-26T04:06:03.000Z").into_string();
        assert!(shown.contains("5 min ago"), "{shown}");
        assert!(ago("nonsense", "").into_string().contains("nonsense"));
    }
}
