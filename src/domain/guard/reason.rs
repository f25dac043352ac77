//! Why the guard holds a change, in words for people, and what a person may do about each.

/// Why a change waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldReason {
    /// Somebody protected the account from automation.
    ProtectedMember,
    /// It gives or takes a role that the hub or the app protects.
    ProtectedRole,
    /// Somebody who left held only individual shares, and the hub asks about those.
    AskFirst,
    /// The group behind it was deleted.
    GroupDeleted,
    /// The last admin of the app.
    LastAdmin,
    /// The last owner of the hub.
    LastOwner,
    /// Half or more of a hub with three or more.
    HalfOfHub,
    /// More than the hub's number and share.
    TooMany,
    /// More than the workspace's number and share of people, over all its hubs.
    TooManyPeople,
    /// More seats than the hub allows.
    MaxSeats,
    /// More additions in the window than the hub allows.
    Burst,
}

impl HoldReason {
    /// All there are, in the order of their words in the API's documentation.
    pub const ALL: [Self; 11] = [
        Self::ProtectedMember,
        Self::ProtectedRole,
        Self::AskFirst,
        Self::GroupDeleted,
        Self::LastAdmin,
        Self::LastOwner,
        Self::HalfOfHub,
        Self::TooMany,
        Self::TooManyPeople,
        Self::MaxSeats,
        Self::Burst,
    ];

    /// The word in the database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProtectedMember => "protected_member",
            Self::ProtectedRole => "protected_role",
            Self::AskFirst => "ask_first",
            Self::GroupDeleted => "group_deleted",
            Self::LastAdmin => "last_admin",
            Self::LastOwner => "last_owner",
            Self::HalfOfHub => "half_of_hub",
            Self::TooMany => "too_many_removals",
            Self::TooManyPeople => "too_many_people",
            Self::MaxSeats => "max_seats",
            Self::Burst => "too_many_additions",
        }
    }

    /// By its stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// The sentence people read.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::ProtectedMember => "the account is protected: only a person changes it",
            Self::ProtectedRole => "it gives or takes a protected role: only a person does that",
            Self::AskFirst => "the person left, held only individual shares here, and the hub asks first about those",
            Self::GroupDeleted => "the group that gave this access was deleted at the identity provider",
            Self::LastAdmin => "it would take the app's last admin",
            Self::LastOwner => "it would take the hub's last owner",
            Self::HalfOfHub => "it would take half or more of the hub within ten minutes",
            Self::TooMany => "it is more than the hub's number and share of removals within ten minutes",
            Self::TooManyPeople => "it reaches more than 50 people and 5 % of the workspace within ten minutes",
            Self::MaxSeats => "the hub has no seat left under its max_seats",
            Self::Burst => "it is more than the hub's addition_limit within ten minutes",
        }
    }

    /// Whether it holds what gives, rather than what takes away.
    pub const fn is_about_additions(self) -> bool {
        match self {
            Self::MaxSeats | Self::Burst => true,
            Self::ProtectedMember
            | Self::ProtectedRole
            | Self::AskFirst
            | Self::GroupDeleted
            | Self::LastAdmin
            | Self::LastOwner
            | Self::HalfOfHub
            | Self::TooMany
            | Self::TooManyPeople => false,
        }
    }

    /// Whether a person may let everything of this kind through until a time. Not where each case
    /// is one decision about one person.
    pub const fn may_pass(self) -> bool {
        match self {
            Self::ProtectedMember | Self::ProtectedRole | Self::AskFirst | Self::LastAdmin | Self::LastOwner => false,
            Self::GroupDeleted
            | Self::HalfOfHub
            | Self::TooMany
            | Self::TooManyPeople
            | Self::MaxSeats
            | Self::Burst => true,
        }
    }

    /// Whether each change is released by its name, never a whole batch at once: each is a decision of
    /// its own about one person.
    pub const fn is_by_name(self) -> bool {
        match self {
            Self::ProtectedMember | Self::ProtectedRole | Self::LastAdmin | Self::LastOwner => true,
            Self::AskFirst
            | Self::GroupDeleted
            | Self::HalfOfHub
            | Self::TooMany
            | Self::TooManyPeople
            | Self::MaxSeats
            | Self::Burst => false,
        }
    }

    /// Whether it is released only by whoever may protect: what is protected stays so.
    pub const fn is_protection(self) -> bool {
        match self {
            Self::ProtectedMember | Self::ProtectedRole => true,
            Self::AskFirst
            | Self::GroupDeleted
            | Self::LastAdmin
            | Self::LastOwner
            | Self::HalfOfHub
            | Self::TooMany
            | Self::TooManyPeople
            | Self::MaxSeats
            | Self::Burst => false,
        }
    }
}
