//! What automation changes only with a person (T-08): accounts that somebody protected, and roles
//! that a hub or an app's manifest protects. Planning asks here whatever the change came from, an
//! identity provider's `/Users` or `/Groups`, a mapping, a file or a look at the facts anew.

use crate::base::clock::Micros;
use crate::domain::app::App;
use crate::domain::hub::HubPolicy;
use crate::domain::permissions;

/// Why an account is protected. It holds as long as it is stored: one with an end is taken away by
/// the sweep once that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Why, in a person's words.
    pub reason: String,
    /// Who: `user:<id>`, `token:<id>` or `cli`.
    pub by: String,
    /// When they said so.
    pub since: Micros,
    /// When it ends; `None` for not by itself.
    pub until: Option<Micros>,
}

/// Whether a role, or one of several permissions, is one that automation neither gives nor takes.
fn is_protected(app: &App, policy: &HubPolicy, id: &str) -> bool {
    policy.protected_roles.iter().any(|role| role == id) || app.role(id).is_some_and(|role| role.protected)
}

/// Whether going from what is held to what is wanted gives or takes a protected role.
pub fn moves_protected_role(app: &App, policy: &HubPolicy, from: Option<&str>, to: Option<&str>) -> bool {
    let each = |role: Option<&'_ str>| -> Vec<String> {
        role.map(|role| permissions::each(app, role).into_iter().map(str::to_owned).collect()).unwrap_or_default()
    };
    let (from, to) = (each(from), each(to));
    let differing = from.iter().filter(|id| !to.contains(id)).chain(to.iter().filter(|id| !from.contains(id)));
    differing.into_iter().any(|id| is_protected(app, policy, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(ranked: bool) -> App {
        toml::from_str(&format!(
            "id='x'\nname='X'\nconnector='scim'\nlogins=['sso']\nsettle_seconds=60\nranked={ranked}\n\
             [tasks]\nsync=true\nadd=true\nupdate_role=true\nremove=true\n\
             [[roles]]\nid='read'\nlabel='R'\nrank=1\n[[roles]]\nid='write'\nlabel='W'\nrank=2\n\
             [[roles]]\nid='root'\nlabel='O'\nrank=3\nprotected=true\n"
        ))
        .unwrap()
    }

    #[test]
    fn t_08_a_protected_role_is_neither_given_nor_taken() {
        let policy = HubPolicy { protected_roles: vec![String::from("write")], ..HubPolicy::default() };
        for (ranked, from, to, moves) in [
            (true, Some("read"), Some("write"), true),
            (true, Some("write"), Some("read"), true),
            (true, Some("write"), None, true),
            (true, None, Some("write"), true),
            (true, None, Some("root"), true),
            (true, Some("root"), None, true),
            (true, Some("read"), None, false),
            (true, Some("write"), Some("write"), false),
            (false, Some("read+write"), Some("write"), false),
            (false, Some("read+write"), Some("read"), true),
            (false, Some("write"), Some("read+write"), false),
            (false, Some("read"), Some("read+root"), true),
        ] {
            assert_eq!(moves_protected_role(&app(ranked), &policy, from, to), moves, "{ranked}: {from:?} to {to:?}");
        }
    }
}
