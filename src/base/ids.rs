//! Identifiers as distinct types, so that a user id can never be passed for a group id and a
//! client's `externalId` never for one of ours (threat T-01).
//!
//! Stored ids are UUIDv7 kept as 16 bytes; text appears only at the edges. There is no
//! conversion from [`ExternalId`] to any of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// The text is not an identifier of ours; callers answer 404, never 400 (R-READ-06).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier of this server")]
pub struct BadId;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wrap a generated UUIDv7; see [`crate::base::random::Ids`].
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The 16 bytes that are stored.
            pub fn bytes(self) -> Vec<u8> {
                self.0.as_bytes().to_vec()
            }

            /// Read a stored value back.
            ///
            /// # Errors
            /// [`BadId`] when it is not 16 bytes long.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadId> {
                Uuid::from_slice(bytes).map(Self).map_err(|_| BadId)
            }

            /// The UUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        /// Strict: 36 characters, lower case, hyphenated. One spelling only, so that no other
        /// spelling of an id can slip past a check (T-04) and ids compare case-exactly (R-RES-11).
        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                let strict = text.len() == 36
                    && text.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
                if !strict {
                    return Err(BadId);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| BadId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

uuid_id!(
    /// A SCIM User's `id`.
    UserId
);
uuid_id!(
    /// A SCIM Group's `id`.
    GroupId
);
uuid_id!(
    /// One connected space of an app. Files and the API use its [`HubSlug`] instead.
    HubId
);
uuid_id!(
    /// An account in a hub's app, ours or found there.
    MemberId
);
uuid_id!(
    /// A standing rule from a group or user to a role in a hub.
    MappingId
);
uuid_id!(
    /// One change to push to one hub.
    TaskId
);
uuid_id!(
    /// A batch of tasks the guard holds until a person decides.
    HoldId
);
uuid_id!(
    /// One stretch of time in which a person held access.
    IntervalId
);
uuid_id!(
    /// One record of the activity log.
    ActivityId
);
uuid_id!(
    /// A business outside whose people are guests here.
    PartnerId
);
uuid_id!(
    /// An endpoint that is told of events.
    WebhookId
);
uuid_id!(
    /// Something that happened, as it is told to endpoints; the same over all attempts.
    EventId
);
uuid_id!(
    /// A credential's public identity (never the secret).
    TokenId
);
uuid_id!(
    /// One run of a server process; leases of another boot are dead on SQLite.
    BootId
);

/// A tenant's surrogate key. It leads every primary key; it never leaves the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkspaceId(pub i64);

/// One IdP connection inside a workspace, numbered from 1 (`default`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub i64);

/// The owner of teams that are managed here: no connection, so no credential can be made for it.
pub const SELF_MANAGED: SourceId = SourceId(0);

/// The stable name of a hub in files and in the API: `a-z`, `0-9`, `-`, 1 to 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct HubSlug(String);

impl HubSlug {
    /// The text as it stands in files and URLs.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HubSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HubSlug {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if fits { Ok(Self(text.to_owned())) } else { Err(BadId) }
    }
}

impl<'de> Deserialize<'de> for HubSlug {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|BadId| {
            serde::de::Error::custom("a hub id has 1 to 64 characters of a-z, 0-9 and '-', and no '-' at its ends")
        })
    }
}

/// What a client calls a resource. Opaque, case-exact, never used to find one of our rows
/// except through the source's own `externalId` column (T-01, R-RES-14).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalId(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(id.parse::<UserId>().map(|id| id.to_string()), Ok(id.to_owned()));
        for other in ["01890A5D-AC96-774B-BCCE-B302099A8057", "01890a5dac96774bbcceb302099a8057", "1", "", "{01890a5d}"]
        {
            assert_eq!(other.parse::<UserId>(), Err(BadId), "{other}");
        }
    }

    #[test]
    fn a_hub_slug_is_plain() {
        for good in ["a", "marketing-meta", "x9"] {
            assert!(good.parse::<HubSlug>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<HubSlug>().is_err(), "{bad}");
        }
    }
}
