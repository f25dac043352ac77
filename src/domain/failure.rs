//! Why a task failed, by a closed set of codes, each with what a person must do (R6.2). The codes
//! are those people know from other provisioning products; error classes of connectors map to them.

use serde::Serialize;

use crate::domain::task::{Effect, TaskStatus};

/// Why a task failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The app has no free seat.
    NotEnoughSeats,
    /// The app's subscription is not active.
    SubscriptionDeactivated,
    /// The credential may not do this.
    UnderpermissionedAccount,
    /// The connected space is not there under this id.
    InvalidBusinessId,
    /// The app refuses the credential.
    BadCredentials,
    /// This installation's own settings forbid the app's address.
    AddressRefused,
    /// The person has no e-mail here.
    EmailNotProvided,
    /// Another account is in the way.
    AccountConflict,
    /// The app cannot be reached or does not answer.
    AppUnavailable,
    /// The app asks to wait.
    RateLimited,
    /// It may have happened, and the app does not tell.
    UnknownOutcome,
    /// The server went down, or hung, in the middle of a try: it may have happened.
    Interrupted,
    /// The app cannot do it by machine.
    NotSupported,
    /// The app refuses the request as it is.
    Refused,
    /// Anything else.
    Generic,
}

impl FailureCode {
    /// All there are.
    pub const ALL: [Self; 15] = [
        Self::NotEnoughSeats,
        Self::SubscriptionDeactivated,
        Self::UnderpermissionedAccount,
        Self::InvalidBusinessId,
        Self::BadCredentials,
        Self::AddressRefused,
        Self::EmailNotProvided,
        Self::AccountConflict,
        Self::AppUnavailable,
        Self::RateLimited,
        Self::UnknownOutcome,
        Self::Interrupted,
        Self::NotSupported,
        Self::Refused,
        Self::Generic,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotEnoughSeats => "not_enough_seats",
            Self::SubscriptionDeactivated => "subscription_deactivated",
            Self::UnderpermissionedAccount => "underpermissioned_account",
            Self::InvalidBusinessId => "invalid_business_id",
            Self::BadCredentials => "bad_credentials",
            Self::AddressRefused => "address_refused",
            Self::EmailNotProvided => "email_not_provided",
            Self::AccountConflict => "account_conflict",
            Self::AppUnavailable => "app_unavailable",
            Self::RateLimited => "rate_limited",
            Self::UnknownOutcome => "unknown_outcome",
            Self::Interrupted => "interrupted",
            Self::NotSupported => "not_supported",
            Self::Refused => "refused",
            Self::Generic => "generic",
        }
    }

    /// From the error class of a task's last failure. A class that is a code's own word stands for
    /// it, so that a connector that knows more may say so; unknown classes are generic failures.
    pub fn of(class: &str, effect: &Effect) -> Self {
        match class {
            "invalid" | "conflict" | "needs_human" if effect.principal.email.is_empty() => Self::EmailNotProvided,
            "seat_limit" => Self::NotEnoughSeats,
            "forbidden" => Self::UnderpermissionedAccount,
            "auth_broken" => Self::BadCredentials,
            "not_found" => Self::InvalidBusinessId,
            "conflict" => Self::AccountConflict,
            "transient" | "unreachable" => Self::AppUnavailable,
            "ambiguous" => Self::UnknownOutcome,
            "crashed" => Self::Interrupted,
            "needs_human" => Self::NotSupported,
            "invalid" => Self::Refused,
            word => Self::ALL.into_iter().find(|code| code.as_str() == word).unwrap_or(Self::Generic),
        }
    }

    /// What a person must do about a task that stands so. While the server goes on by itself nobody is told
    /// to do by hand what it is about to do, or to try what it waits with for a reason.
    pub const fn remedy_while(self, status: TaskStatus) -> &'static str {
        match status {
            TaskStatus::Queued | TaskStatus::Started | TaskStatus::Running | TaskStatus::Retrying => {}
            TaskStatus::Held
            | TaskStatus::Waiting
            | TaskStatus::Manual
            | TaskStatus::Completed
            | TaskStatus::NotCompleted
            | TaskStatus::Superseded
            | TaskStatus::Cancelled => return self.remedy(),
        }
        match self {
            Self::UnknownOutcome | Self::Interrupted => {
                "nothing now: the server waits until what was sent must have ended, looks in the app what came of it, \
                 and goes on by itself"
            }
            Self::Generic | Self::AppUnavailable | Self::RateLimited => {
                "nothing now: it is tried again by itself; if it goes on failing, check the hub's address and the app"
            }
            // Mending the cause makes it go on, at once or at the next try.
            Self::NotEnoughSeats
            | Self::SubscriptionDeactivated
            | Self::UnderpermissionedAccount
            | Self::InvalidBusinessId
            | Self::BadCredentials
            | Self::AddressRefused
            | Self::EmailNotProvided
            | Self::AccountConflict
            | Self::NotSupported
            | Self::Refused => self.remedy(),
        }
    }

    /// What a person must do.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NotEnoughSeats => "buy or free seats in the app, then try again",
            Self::SubscriptionDeactivated => "reactivate the app's subscription, then try again",
            Self::UnderpermissionedAccount => "give the hub's credential the missing right in the app, then try again",
            Self::InvalidBusinessId => "correct the hub's connection: the space or account is not there under this id",
            Self::BadCredentials => "give the hub a working credential; its tasks go on by themselves",
            Self::AddressRefused => {
                "use an https address that is public, or start the server with --app-network for an app inside; its \
                 tasks go on by themselves"
            }
            Self::EmailNotProvided => "give the person an e-mail at the identity provider; it is tried again then",
            Self::AccountConflict => "find whose account is in the way in the app, match or remove it, then try again",
            Self::AppUnavailable => "nothing if the app comes back; otherwise check the hub's address",
            Self::RateLimited => "wait, or ask the app for a higher limit",
            Self::UnknownOutcome | Self::Interrupted => {
                "look in the app whether it happened: mark it as done with a note, or try again"
            }
            Self::NotSupported => {
                "do it in the app by the steps shown, then mark it as done with a note or sync the hub"
            }
            Self::Refused => "read what the app says, correct the person's data or the mapping, then try again",
            Self::Generic => "read the detail; do it in the app by hand, or try again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::task::{Principal, TaskKind};

    fn effect(email: &str) -> Effect {
        Effect::new(
            TaskKind::Add,
            Principal { user_name: String::from("ann"), email: email.to_owned(), ..Principal::default() },
        )
    }

    #[test]
    fn r6_2_every_class_has_a_code_and_every_code_a_remedy() {
        let ann = effect("ann@example.com");
        for (class, code) in [
            ("seat_limit", FailureCode::NotEnoughSeats),
            ("forbidden", FailureCode::UnderpermissionedAccount),
            ("auth_broken", FailureCode::BadCredentials),
            ("address_refused", FailureCode::AddressRefused),
            ("not_found", FailureCode::InvalidBusinessId),
            ("subscription_deactivated", FailureCode::SubscriptionDeactivated),
            ("invalid", FailureCode::Refused),
            ("rate_limited", FailureCode::RateLimited),
            ("crashed", FailureCode::Interrupted),
            ("a word of a later version", FailureCode::Generic),
        ] {
            assert_eq!(FailureCode::of(class, &ann), code, "{class}");
        }
        assert_eq!(FailureCode::of("invalid", &effect("")), FailureCode::EmailNotProvided);
        for code in FailureCode::ALL {
            assert_eq!(serde_json::json!(code), code.as_str());
            assert!(code.remedy().len() > 20);
            let meanwhile = code.remedy_while(TaskStatus::Retrying);
            assert!(meanwhile == code.remedy() || meanwhile.starts_with("nothing now"), "{meanwhile}");
        }
        for code in [FailureCode::Interrupted, FailureCode::Generic] {
            let meanwhile = code.remedy_while(TaskStatus::Retrying);
            assert!(!meanwhile.contains("by hand") && !meanwhile.contains("try again"), "{meanwhile}");
            assert_eq!(code.remedy_while(TaskStatus::Manual), code.remedy());
        }
    }
}
