//! Who is calling: the workspace and the source come from the credential and from nowhere else
//! (threats T-03, T-06). Pure values; `auth` makes them from a token, `cli` for a local command.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::base::ids::{HubId, SourceId, TokenId, UserId, WorkspaceId};
use crate::domain::rights::{Action, Hand, HubRight, Maker, PartnerRole, Rights, Verdict, may};
use crate::scim::dialect::Dialect;

/// What a credential may do (DESIGN.md section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// All of SCIM in its own source, nothing of the API.
    Scim,
    /// The API, and SCIM read over all sources of the workspace.
    Admin,
    /// GET on SCIM (its own source), on the API and on the metrics.
    Read,
}

impl Scope {
    /// All scopes, for messages and tests.
    pub const ALL: [Self; 3] = [Self::Scim, Self::Admin, Self::Read];

    /// The word on the wire, in the table and in a token's prefix.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scim => "scim",
            Self::Admin => "admin",
            Self::Read => "read",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no scope or preset of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be one of {choices}, not '{given}'")]
pub struct UnknownWord {
    what: &'static str,
    choices: String,
    given: String,
}

impl FromStr for Scope {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or_else(|| UnknownWord {
            what: "the scope",
            choices: Self::ALL.map(Self::as_str).join(", "),
            given: text.chars().take(64).collect(),
        })
    }
}

/// Which IdP a source speaks for. It decides rules that the IdPs differ in (DESIGN.md section 8),
/// never what is accepted: every request may come in any dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preset {
    /// Unknown: treated as carefully as Okta.
    Generic,
    /// Okta.
    Okta,
    /// Microsoft Entra ID, in both dialects.
    Entra,
    /// OneLogin.
    OneLogin,
    /// JumpCloud.
    JumpCloud,
    /// Google Workspace.
    Google,
    /// PingOne and PingFederate.
    PingOne,
    /// Keycloak with a SCIM plug-in.
    Keycloak,
    /// authentik.
    Authentik,
    /// Rippling.
    Rippling,
}

impl Preset {
    /// All presets, for messages and tests.
    pub const ALL: [Self; 10] = [
        Self::Generic,
        Self::Okta,
        Self::Entra,
        Self::OneLogin,
        Self::JumpCloud,
        Self::Google,
        Self::PingOne,
        Self::Keycloak,
        Self::Authentik,
        Self::Rippling,
    ];

    /// The word in the table, on the command line and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Okta => "okta",
            Self::Entra => "entra",
            Self::OneLogin => "onelogin",
            Self::JumpCloud => "jumpcloud",
            Self::Google => "google",
            Self::PingOne => "pingone",
            Self::Keycloak => "keycloak",
            Self::Authentik => "authentik",
            Self::Rippling => "rippling",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Preset {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == text).ok_or_else(|| UnknownWord {
            what: "the preset",
            choices: Self::ALL.map(Self::as_str).join(", "),
            given: text.chars().take(64).collect(),
        })
    }
}

/// Who is calling, and for which workspace and source.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The tenant. Every query takes it from here.
    pub workspace: WorkspaceId,
    /// The IdP connection that the credential belongs to.
    pub source: SourceId,
    /// The IdP that the source speaks for.
    pub source_preset: Preset,
    /// How strictly the source's requests are read.
    pub dialect: Dialect,
    /// What the credential may do.
    pub scope: Scope,
    /// As what they call: operator, service or person, with their workspace role.
    pub rights: Rights,
    /// The person, where the credential acts as one.
    pub person: Option<UserId>,
    /// Their right in the hub that this request is about; looked up once, before the handler.
    pub hub: Option<HubRight>,
    /// What they are in the local partner that this request is about; looked up with the same.
    pub partner: Option<PartnerRole>,
    /// What lists show them.
    pub sight: Sight,
    /// The credential; `None` for a local command that opened the database itself.
    pub token: Option<TokenId>,
    /// The id of this one request, for logs, activity and tasks.
    pub request_id: Arc<str>,
}

/// What lists show somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// All of the workspace.
    Everything,
    /// What is theirs.
    Theirs(Arc<Theirs>),
    /// Nothing yet: nobody has looked what is theirs. Shows nothing.
    #[default]
    Nothing,
}

/// What is somebody's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Theirs {
    /// Themselves.
    pub person: Option<UserId>,
    /// Hubs they have any right in.
    pub uses: BTreeSet<HubId>,
    /// Hubs whose people they run.
    pub runs: BTreeSet<HubId>,
}

impl Sight {
    /// What lists are narrowed to; `None` for everything.
    pub fn narrowed(&self) -> Option<Arc<Theirs>> {
        match self {
            Self::Everything => None,
            Self::Theirs(theirs) => Some(Arc::clone(theirs)),
            Self::Nothing => Some(Arc::default()),
        }
    }

    /// Whether a hub's tasks, problems and status are shown.
    pub fn runs(&self, hub: HubId) -> bool {
        match self {
            Self::Everything => true,
            Self::Theirs(theirs) => theirs.runs.contains(&hub),
            Self::Nothing => false,
        }
    }

    /// Whether the hub itself is shown.
    pub fn uses(&self, hub: HubId) -> bool {
        match self {
            Self::Everything => true,
            Self::Theirs(theirs) => theirs.uses.contains(&hub),
            Self::Nothing => false,
        }
    }
}

impl Caller {
    /// How the activity record names the caller: `user:<id>` for a person, `token:<id>` for another
    /// credential, `cli` for a local command.
    pub fn actor(&self) -> String {
        match (self.person, self.token) {
            (Some(person), _) => format!("user:{person}"),
            (None, Some(token)) => format!("token:{token}"),
            (None, None) => String::from("cli"),
        }
    }

    /// Whether they may do this, in the hub that this request is about.
    pub fn may(&self, action: Action) -> Verdict {
        may(self.rights, action, self.hub)
    }

    /// By what they change who is in the partner that this request is about; `None` where they may not.
    pub fn hand(&self) -> Option<Hand> {
        match self.may(Action::RunPartner) {
            Verdict::Yes => Some(Hand::Workspace),
            Verdict::Own => self.partner.map(Hand::Partner),
            Verdict::No => None,
        }
    }

    /// As whom they would make or end a credential.
    pub const fn maker(&self) -> Maker {
        Maker { rights: self.rights, person: self.person }
    }

    /// The source whose resources the caller sees; `None` for all sources of the workspace.
    pub const fn sees(&self) -> Option<SourceId> {
        match self.scope {
            Scope::Scim | Scope::Read => Some(self.source),
            Scope::Admin => None,
        }
    }
}

/// How a source's requests are read.
pub const fn dialect(strict: bool) -> Dialect {
    Dialect { strict }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for scope in Scope::ALL {
            assert_eq!(scope.as_str().parse::<Scope>(), Ok(scope));
        }
        for preset in Preset::ALL {
            assert_eq!(preset.as_str().parse::<Preset>(), Ok(preset));
        }
        let error = "Admin".parse::<Scope>().unwrap_err();
        assert_eq!(error.to_string(), "the scope must be one of scim, admin, read, not 'Admin'");
    }
}
