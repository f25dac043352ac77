//! What a hub's connection and its app's manifest say about speaking SCIM to it.

use std::collections::BTreeMap;

use super::AssetCarrier;
use crate::base::secret::SecretString;
use crate::domain::app::{ASSETS_ATTRIBUTE, App};
use crate::domain::hub::{ConnectionValue, Hub};
use crate::engine::connector::{Failure, FailureClass};
use crate::net::{AddressPolicy, Target};

/// The names this connector reads, from the hub's connection or its app's manifest.
pub const SETTINGS: [&str; 8] = [
    "base_url",
    "token",
    "role_attribute",
    "role_type",
    "email_as_user_name",
    "removal_deactivates",
    "invitation_attribute",
    "invitation_expires_attribute",
];

/// Where the app keeps a person's role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleCarrier {
    /// The core attribute `roles[]`, as objects with `value`.
    Roles,
    /// The core attribute `entitlements[]`.
    Entitlements,
    /// Membership in the group of that name.
    Groups,
    /// One plain attribute, such as `userType` or `urn:…:2.0:User:seat`.
    Attribute(String),
    /// The app has no roles.
    None,
}

/// Everything fixed for one hub.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The SCIM base URL.
    pub base: Target,
    /// The credential.
    pub token: Option<SecretString>,
    /// Where roles live.
    pub role: RoleCarrier,
    /// The `type` of our element of `roles[]`; elements of other types are left alone.
    pub role_type: Option<String>,
    /// The app's roles from the manifest, best first; used to tell role groups from others.
    pub roles: Vec<String>,
    /// Roles are permissions that add up: several are held, and only these of the manifest are ours.
    pub flat: bool,
    /// Besides the manifest's, any other permission is ours as well.
    pub open_roles: bool,
    /// The app knows people by e-mail: send the address as userName.
    pub email_as_user_name: bool,
    /// In this app an inactive account takes no seat, and DELETE is not wanted.
    pub removal_deactivates: bool,
    /// Where an account says that its person is only invited, and where until when.
    pub invitation: Invitation,
    /// Which attributes of an account take the app's create fields, by the field's name.
    pub create_fields: BTreeMap<String, String>,
    /// Where accounts have their assets; `None` where the app's manifest names no attribute for them.
    pub assets: Option<AssetCarrier>,
}

/// The attributes by which an app tells who has not joined yet. SCIM has none for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invitation {
    /// A text that is `pending`, `invited` or `expired` until they have joined.
    pub state: Option<String>,
    /// A moment.
    pub expires: Option<String>,
}

impl Settings {
    /// Read manifest settings, then the hub's connection, which wins.
    ///
    /// # Errors
    /// [`FailureClass::AuthBroken`] when a secret is missing, [`FailureClass::AddressRefused`] when the
    /// URL is not allowed, [`FailureClass::Invalid`] when it is none or a setting has no meaning.
    pub fn read(
        app: &App,
        hub: &Hub,
        secrets: &BTreeMap<String, SecretString>,
        policy: &AddressPolicy,
    ) -> Result<Self, Failure> {
        let plain = |name: &str| match hub.connection.get(name) {
            Some(ConnectionValue::Plain(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Some(ConnectionValue::Plain(_) | ConnectionValue::Secret { .. }) | None => {
                app.settings.get(name).and_then(toml::Value::as_str).map(String::from)
            }
        };
        let flag = |name: &str| match hub.connection.get(name) {
            Some(ConnectionValue::Plain(text)) => text.trim() == "true",
            Some(ConnectionValue::Secret { .. }) | None => {
                app.settings.get(name).and_then(toml::Value::as_bool).unwrap_or(false)
            }
        };
        let base =
            plain("base_url").ok_or_else(|| Failure::new(FailureClass::Invalid, "the connection has no base_url"))?;
        let base = Target::parse(&base).map_err(|error| Failure::new(FailureClass::Invalid, error.to_string()))?;
        base.check(policy).map_err(|error| Failure::new(FailureClass::AddressRefused, error.to_string()))?;
        let mut roles: Vec<_> = app.roles.iter().collect();
        roles.sort_by_key(|role| std::cmp::Reverse(role.rank));
        let role = carrier(plain("role_attribute").as_deref())?;
        if !app.ranked && matches!(role, RoleCarrier::Attribute(_)) {
            return Err(Failure::new(
                FailureClass::Invalid,
                "permissions that add up need a list: role_attribute is roles, entitlements or groups",
            ));
        }
        Ok(Self {
            base,
            token: token(hub, secrets)?,
            role,
            role_type: plain("role_type"),
            // A permission that can only be given inside the app is not ours to take away either.
            roles: roles.into_iter().filter(|role| app.ranked || role.assignable).map(|role| role.id.clone()).collect(),
            flat: !app.ranked,
            open_roles: app.open_roles || app.roles.is_empty(),
            email_as_user_name: flag("email_as_user_name"),
            removal_deactivates: flag("removal_deactivates"),
            create_fields: targets(app)?,
            assets: assets(app)?,
            invitation: Invitation {
                state: path("invitation_attribute", plain("invitation_attribute"))?,
                expires: path("invitation_expires_attribute", plain("invitation_expires_attribute"))?,
            },
        })
    }
}

fn token(hub: &Hub, secrets: &BTreeMap<String, SecretString>) -> Result<Option<SecretString>, Failure> {
    match hub.connection.get("token") {
        None => Ok(secrets.get("token").cloned()),
        Some(ConnectionValue::Plain(_)) => {
            Err(Failure::new(FailureClass::AuthBroken, "the token is a plain value; it must be a sealed secret"))
        }
        Some(ConnectionValue::Secret { secret }) => match secrets.get(secret) {
            Some(value) => Ok(Some(value.clone())),
            None => Err(Failure::new(
                FailureClass::AuthBroken,
                format!("the secret {secret} is not set: scimhub secret set {} {secret}", hub.slug),
            )),
        },
    }
}

fn carrier(named: Option<&str>) -> Result<RoleCarrier, Failure> {
    Ok(match named {
        None | Some("roles") => RoleCarrier::Roles,
        Some("entitlements") => RoleCarrier::Entitlements,
        Some("groups") => RoleCarrier::Groups,
        Some("none") => RoleCarrier::None,
        Some("user_type") => RoleCarrier::Attribute(String::from("userType")),
        Some(path) if is_attribute(path) => RoleCarrier::Attribute(path.to_owned()),
        Some(other) => {
            return Err(Failure::new(
                FailureClass::Invalid,
                format!("role_attribute '{other}' is not roles, groups, entitlements, none or an attribute"),
            ));
        }
    })
}

fn targets(app: &App) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    for field in &app.create_fields {
        if let Some(target) = path("create_fields.target", field.target.clone())? {
            found.insert(field.name.clone(), target);
        }
    }
    Ok(found)
}

/// By the manifest alone: a hub cannot know other kinds than its app.
fn assets(app: &App) -> Result<Option<AssetCarrier>, Failure> {
    let named = app.settings.get(ASSETS_ATTRIBUTE).and_then(toml::Value::as_str).map(String::from);
    let kinds = || {
        let tasks = |kind: &String| app.asset_tasks.get(kind).cloned().unwrap_or_default();
        app.assets.iter().map(|kind| (kind.clone(), tasks(kind))).collect()
    };
    Ok(path(ASSETS_ATTRIBUTE, named)?.map(|path| AssetCarrier { path, kinds: kinds() }))
}

/// A setting that names an attribute.
fn path(setting: &str, named: Option<String>) -> Result<Option<String>, Failure> {
    match named {
        Some(named) if !is_attribute(&named) => {
            Err(Failure::new(FailureClass::Invalid, format!("{setting} '{named}' is not an attribute")))
        }
        other => Ok(other),
    }
}

/// One plain attribute, perhaps of an extension: no filters, no sub-attributes.
fn is_attribute(path: &str) -> bool {
    let name = path.rsplit(':').next().unwrap_or_default();
    let urn = path.len() == name.len() || path.to_ascii_lowercase().starts_with("urn:");
    let reserved = matches!(name, "id" | "userName" | "emails" | "name" | "active" | "groups" | "meta" | "schemas");
    urn && !reserved
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_carriers_are_read_from_their_names() {
        let urn = "urn:example:params:scim:schemas:app:2.0:User:seat";
        for (named, wanted) in [
            (None, Some(RoleCarrier::Roles)),
            (Some("roles"), Some(RoleCarrier::Roles)),
            (Some("groups"), Some(RoleCarrier::Groups)),
            (Some("user_type"), Some(RoleCarrier::Attribute(String::from("userType")))),
            (Some("title"), Some(RoleCarrier::Attribute(String::from("title")))),
            (Some(urn), Some(RoleCarrier::Attribute(urn.to_owned()))),
            (Some("none"), Some(RoleCarrier::None)),
            (Some("active"), None),
            (Some("a b"), None),
            (Some("emails[type eq \"x\"]"), None),
            (Some("http://x:y"), None),
        ] {
            assert_eq!(carrier(named).ok(), wanted, "{named:?}");
        }
    }
}
