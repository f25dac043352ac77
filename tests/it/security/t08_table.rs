//! Who may call which route, written down from business-hubs.md section 3 by hand and without a look at
//! the product's own table, so that the two can disagree.

/// A row of section 3.1: Guest, Login-Only, User, Admin, Super Admin, Owner. `y` yes, `-` no. An Auditor
/// reads everything and changes nothing, whatever the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody needs a credential.
    Open,
    /// The identity provider's own token, and no other.
    Provider,
    /// The identity provider, and whoever may read the directory.
    Directory,
    /// Everybody who is signed in.
    Everybody,
    /// A row of section 3.1.
    Workspace(&'static str),
    /// A row of section 3.2: Collaborator, Security Manager, Manager, Owner, then from which workspace role on
    /// it is allowed without any right in the hub (`-` none, `a` Admin, `s` Super Admin).
    Hub(&'static str),
}

// Section 3.1, and what of ours stands beside it.
const SEE: Who = Who::Workspace("yyyyyy");
const CONNECT: Who = Who::Workspace("--yyyy");
const TOKENS: Who = Who::Workspace("---yyy");
const PROVISIONING_READ: Who = Who::Workspace("---yyy");
const PROVISIONING: Who = Who::Workspace("-----y");
/// The whole log is an admin's; everybody from User on sees the tasks of the hubs they run.
const LOG: Who = Who::Workspace("--yyyy");
/// A list of everybody's own, and of all for an admin.
const ACTIVITY: Who = Who::Workspace("yyyyyy");
/// Somebody else: the address names another person.
const OTHER_PERSON: Who = Who::Workspace("---yyy");
/// A partner that the caller does not run.
const OTHER_PARTNER: Who = Who::Workspace("---yyy");
/// There is no way back.
const ERASURE: Who = Who::Workspace("----yy");
const WEBHOOKS: Who = Who::Workspace("---yyy");
const ADMIN: Who = Who::Workspace("---yyy");
const DIRECTORY: Who = Who::Workspace("--yyyy");

// Section 3.2.
/// Log in to the app, see hub details and assets.
const USE: Who = Who::Hub("yyyya");
/// See hub status; All-Access looks at everything.
const STATUS: Who = Who::Hub("-yyys");
/// One task: whoever sees the whole log, too.
const TASK: Who = Who::Hub("-yyya");
/// Add, remove, re-role users and teams; match, remove, exempt.
const PEOPLE: Who = Who::Hub("-yyy-");
/// Sync; protect accounts.
const SYNC: Who = Who::Hub("--yy-");
/// Edit settings; assign or remove managers; delete the hub.
const OWNER: Who = Who::Hub("---y-");

/// A route: method, path, who may, and a body that would change something.
pub type Line = (&'static str, &'static str, Who, &'static str);

/// All routes.
pub const TABLE: &[Line] = &[
    ("GET", "/healthz", Who::Open, ""),
    ("GET", "/readyz", Who::Open, ""),
    ("GET", "/metrics", ADMIN, ""),
    ("GET", "/static/page.css", Who::Open, ""),
    ("GET", "/static/page.js", Who::Open, ""),
    ("GET", "/static/favicon.svg", Who::Open, ""),
    ("GET", "/sign-in", Who::Open, ""),
    ("POST", "/sign-in", Who::Open, ""),
    ("POST", "/sign-out", Who::Everybody, ""),
    ("GET", "/", SEE, ""),
    ("GET", "/tasks", LOG, ""),
    ("GET", "/tasks/{id}", TASK, ""),
    ("POST", "/tasks/{id}/decide", PEOPLE, "act=cancel"),
    ("POST", "/tasks/{id}/item", PEOPLE, "who=hub"),
    ("GET", "/tasks/{id}/undo", STATUS, ""),
    ("POST", "/tasks/{id}/undo", PEOPLE, "expect=x"),
    ("GET", "/people", DIRECTORY, ""),
    ("GET", "/people/{id}", OTHER_PERSON, ""),
    ("GET", "/manual", LOG, ""),
    ("GET", "/hubs/{hub}", STATUS, ""),
    ("POST", "/hubs/{hub}/sync", SYNC, ""),
    ("GET", "/hubs/{hub}/drift", STATUS, ""),
    ("POST", "/hubs/{hub}/drift/look", PEOPLE, "which=all"),
    ("POST", "/hubs/{hub}/drift/repair", PEOPLE, "which=all&expect=x"),
    ("GET", "/hubs/{hub}/members", STATUS, ""),
    ("GET", "/hubs/{hub}/members/{member}", STATUS, ""),
    ("POST", "/hubs/{hub}/members/{member}/act", PEOPLE, "act=exempt&reason=x"),
    ("POST", "/hubs/{hub}/members/{member}/claim", OWNER, "user=eve@example.com"),
    ("POST", "/hubs/{hub}/members/{member}/protect", SYNC, "act=protect&reason=x"),
    ("GET", "/hubs/{hub}/users/{user}", STATUS, ""),
    ("POST", "/failures/read", LOG, ""),
    ("GET", "/history", LOG, ""),
    ("GET", "/activity", ACTIVITY, ""),
    ("GET", "/held", LOG, ""),
    ("POST", "/held/{id}/pass", PEOPLE, ""),
    ("GET", "/held/{id}/undo", STATUS, ""),
    ("POST", "/held/{id}/undo", PEOPLE, "expect=x"),
    ("GET", "/held/{id}/{verdict}", PEOPLE, ""),
    ("POST", "/held/{id}/{verdict}", PEOPLE, "which=all&expect=x"),
    ("GET", "/scim/v2/Users", Who::Directory, ""),
    ("POST", "/scim/v2/Users", Who::Provider, r#"{"userName": "x@example.com"}"#),
    ("POST", "/scim/v2/Users/.search", Who::Directory, ""),
    ("POST", "/scim/v2/Groups/.search", Who::Directory, ""),
    ("GET", "/scim/v2/Users/{id}", Who::Directory, ""),
    ("PUT", "/scim/v2/Users/{id}", Who::Provider, r#"{"userName": "x@example.com"}"#),
    ("PATCH", "/scim/v2/Users/{id}", Who::Provider, "{}"),
    ("DELETE", "/scim/v2/Users/{id}", Who::Provider, ""),
    ("GET", "/scim/v2/Groups", Who::Directory, ""),
    ("POST", "/scim/v2/Groups", Who::Provider, r#"{"displayName": "x"}"#),
    ("GET", "/scim/v2/Groups/{id}", Who::Directory, ""),
    ("PUT", "/scim/v2/Groups/{id}", Who::Provider, r#"{"displayName": "x"}"#),
    ("PATCH", "/scim/v2/Groups/{id}", Who::Provider, "{}"),
    ("DELETE", "/scim/v2/Groups/{id}", Who::Provider, ""),
    ("GET", "/scim/v2/ServiceProviderConfig", Who::Open, ""),
    ("GET", "/scim/v2/ResourceTypes", Who::Directory, ""),
    ("GET", "/scim/v2/ResourceTypes/{name}", Who::Directory, ""),
    ("GET", "/scim/v2/Schemas", Who::Directory, ""),
    ("GET", "/scim/v2/Schemas/{urn}", Who::Directory, ""),
    ("GET", "/api/v1/openapi.json", SEE, ""),
    ("GET", "/api/v1/status", SEE, ""),
    ("GET", "/api/v1/tokens", TOKENS, ""),
    ("POST", "/api/v1/tokens", TOKENS, r#"{"name": "x", "scope": "scim"}"#),
    ("DELETE", "/api/v1/tokens/{id}", TOKENS, ""),
    ("GET", "/api/v1/sources", PROVISIONING_READ, ""),
    ("POST", "/api/v1/sources", PROVISIONING, r#"{"name": "x", "preset": "okta"}"#),
    ("GET", "/api/v1/workspaces", SEE, ""),
    ("GET", "/api/v1/people", ADMIN, ""),
    ("GET", "/api/v1/people/{user}", OTHER_PERSON, ""),
    ("PUT", "/api/v1/people/{user}/role", ADMIN, r#"{"role": "login_only"}"#),
    ("DELETE", "/api/v1/people/{user}/role", ADMIN, ""),
    ("POST", "/api/v1/people/{user}/transfer-ownership", PROVISIONING, "{}"),
    ("POST", "/api/v1/people/{user}/erase", ERASURE, "{}"),
    ("GET", "/api/v1/role-mappings", ADMIN, ""),
    ("PUT", "/api/v1/role-mappings/{group}", ADMIN, r#"{"role": "user"}"#),
    ("DELETE", "/api/v1/role-mappings/{group}", ADMIN, ""),
    ("POST", "/api/v1/guests", CONNECT, r#"{"email": "guest@elsewhere.example"}"#),
    ("DELETE", "/api/v1/guests/{guest}", ADMIN, ""),
    ("GET", "/api/v1/partners", SEE, ""),
    ("POST", "/api/v1/partners", ADMIN, r#"{"name": "x"}"#),
    ("GET", "/api/v1/partners/{id}", OTHER_PARTNER, ""),
    ("DELETE", "/api/v1/partners/{id}", ADMIN, ""),
    ("POST", "/api/v1/partners/{id}/guests", OTHER_PARTNER, r#"{"email": "guest@elsewhere.example"}"#),
    ("PUT", "/api/v1/partners/{id}/members/{user}", OTHER_PARTNER, r#"{"role": "guest"}"#),
    ("DELETE", "/api/v1/partners/{id}/members/{user}", OTHER_PARTNER, ""),
    ("GET", "/api/v1/apps", SEE, ""),
    ("POST", "/api/v1/apps/{id}/check", CONNECT, "{}"),
    ("GET", "/api/v1/hubs", SEE, ""),
    ("POST", "/api/v1/hubs", CONNECT, r#"{"id": "new", "app": "manual"}"#),
    ("GET", "/api/v1/hubs/{id}", USE, ""),
    ("PATCH", "/api/v1/hubs/{id}", OWNER, r#"{"label": "x"}"#),
    ("DELETE", "/api/v1/hubs/{id}", OWNER, ""),
    ("POST", "/api/v1/hubs/{id}/check", OWNER, "{}"),
    ("POST", "/api/v1/hubs/{id}/waiting/override", OWNER, r#"{"note": "x"}"#),
    ("GET", "/api/v1/hubs/{id}/plan", STATUS, ""),
    ("POST", "/api/v1/hubs/{id}/preview", OWNER, r#"{"label": "x"}"#),
    ("PUT", "/api/v1/hubs/{id}/secrets/{name}", OWNER, r#"{"value": "x"}"#),
    ("POST", "/api/v1/hubs/{id}/sync", SYNC, "{}"),
    ("GET", "/api/v1/hubs/{id}/members", STATUS, ""),
    ("GET", "/api/v1/hubs/{id}/drift", STATUS, ""),
    ("POST", "/api/v1/hubs/{id}/drift/repair", PEOPLE, "{}"),
    ("POST", "/api/v1/hubs/{id}/drift/repair/preview", PEOPLE, "{}"),
    ("GET", "/api/v1/hubs/{id}/managers", STATUS, ""),
    ("PUT", "/api/v1/hubs/{id}/managers/{user}", OWNER, r#"{"role": "manager"}"#),
    ("DELETE", "/api/v1/hubs/{id}/managers/{user}", OWNER, ""),
    (
        "POST",
        "/api/v1/hubs/{id}/members/{member}/match",
        PEOPLE,
        r#"{"user": "eve@example.com", "hub_role": "collaborator"}"#,
    ),
    ("POST", "/api/v1/hubs/{id}/members/{member}/claim", OWNER, r#"{"user": "eve@example.com"}"#),
    ("POST", "/api/v1/hubs/{id}/members/{member}/exempt", PEOPLE, r#"{"reason": "x"}"#),
    ("POST", "/api/v1/hubs/{id}/members/{member}/unexempt", PEOPLE, "{}"),
    ("POST", "/api/v1/hubs/{id}/members/{member}/adopt", PEOPLE, "{}"),
    ("POST", "/api/v1/hubs/{id}/members/{member}/remove", PEOPLE, "{}"),
    ("POST", "/api/v1/hubs/{id}/members/{member}/role", PEOPLE, r#"{"app_role": "admin"}"#),
    ("POST", "/api/v1/hubs/{id}/members/{member}/resend", PEOPLE, "{}"),
    ("POST", "/api/v1/hubs/{id}/members/{member}/protect", SYNC, r#"{"reason": "x"}"#),
    ("POST", "/api/v1/hubs/{id}/members/{member}/unprotect", SYNC, "{}"),
    ("GET", "/api/v1/hubs/{id}/users/{user}/explain", STATUS, ""),
    ("POST", "/api/v1/hubs/{id}/users/{user}/release", PEOPLE, "{}"),
    ("GET", "/api/v1/hubs/{id}/users/{user}/fields", STATUS, ""),
    ("PUT", "/api/v1/hubs/{id}/users/{user}/fields", PEOPLE, r#"{"shoe": "44"}"#),
    ("GET", "/api/v1/hubs/{id}/mappings", STATUS, ""),
    ("PUT", "/api/v1/hubs/{id}/mappings", PEOPLE, r#"{"user": "eve@example.com", "app_role": "member"}"#),
    ("PATCH", "/api/v1/hubs/{id}/mappings", PEOPLE, r#"{"put": [{"user": "eve@example.com", "app_role": "member"}]}"#),
    ("POST", "/api/v1/hubs/{id}/mappings/preview", PEOPLE, "{}"),
    ("GET", "/api/v1/hubs/{id}/mappings/{mapping}", STATUS, ""),
    ("PUT", "/api/v1/hubs/{id}/mappings/{mapping}", PEOPLE, r#"{"user": "eve@example.com", "app_role": "member"}"#),
    ("DELETE", "/api/v1/hubs/{id}/mappings/{mapping}", PEOPLE, ""),
    ("POST", "/api/v1/hubs/{id}/mappings/{mapping}/bind", PEOPLE, "{}"),
    ("GET", "/api/v1/teams", DIRECTORY, ""),
    ("POST", "/api/v1/teams", ADMIN, r#"{"name": "x"}"#),
    ("GET", "/api/v1/teams/{id}", DIRECTORY, ""),
    ("PATCH", "/api/v1/teams/{id}", ADMIN, r#"{"name": "x"}"#),
    ("DELETE", "/api/v1/teams/{id}", ADMIN, ""),
    ("PUT", "/api/v1/teams/{id}/members/{user}", ADMIN, ""),
    ("DELETE", "/api/v1/teams/{id}/members/{user}", ADMIN, ""),
    ("GET", "/api/v1/tasks", LOG, ""),
    ("GET", "/api/v1/tasks/history", ADMIN, ""),
    ("GET", "/api/v1/tasks/{id}", TASK, ""),
    ("PATCH", "/api/v1/tasks/{id}", PEOPLE, r#"{"due": "2027-01-01T00:00:00Z"}"#),
    ("GET", "/api/v1/failures", LOG, ""),
    ("POST", "/api/v1/failures/read", LOG, "{}"),
    ("POST", "/api/v1/tasks/{id}/retry", PEOPLE, "{}"),
    ("POST", "/api/v1/tasks/{id}/done", PEOPLE, r#"{"note": "x"}"#),
    ("POST", "/api/v1/tasks/{id}/cancel", PEOPLE, "{}"),
    ("GET", "/api/v1/tasks/{id}/undo", STATUS, ""),
    ("POST", "/api/v1/tasks/{id}/undo", PEOPLE, "{}"),
    ("GET", "/api/v1/requests/{id}/undo", ADMIN, ""),
    ("POST", "/api/v1/requests/{id}/undo", ADMIN, "{}"),
    ("GET", "/api/v1/held", LOG, ""),
    ("GET", "/api/v1/held/{id}", TASK, ""),
    ("DELETE", "/api/v1/held/{id}/pass", PEOPLE, ""),
    ("POST", "/api/v1/held/{id}/release", PEOPLE, "{}"),
    ("POST", "/api/v1/held/{id}/reject", PEOPLE, "{}"),
    ("GET", "/api/v1/held/{id}/undo", STATUS, ""),
    ("POST", "/api/v1/held/{id}/undo", PEOPLE, "{}"),
    ("POST", "/api/v1/plan", CONNECT, r#"{"files": []}"#),
    (
        "POST",
        "/api/v1/apply",
        CONNECT,
        r#"{"files": [{"name": "f", "text": "[[hub]]\nid = \"new\"\napp = \"manual\"\n"}]}"#,
    ),
    ("GET", "/api/v1/export", CONNECT, ""),
    ("POST", "/api/v1/pause", ADMIN, "{}"),
    ("POST", "/api/v1/resume", ADMIN, "{}"),
    ("GET", "/api/v1/problems", LOG, ""),
    ("POST", "/api/v1/problems/{hub}/gone", ADMIN, r#"{"note": "x"}"#),
    ("GET", "/api/v1/notifications", WEBHOOKS, ""),
    ("PUT", "/api/v1/notifications", WEBHOOKS, r#"{"mail": ["x@example.com"]}"#),
    ("GET", "/api/v1/webhooks", WEBHOOKS, ""),
    ("POST", "/api/v1/webhooks", WEBHOOKS, r#"{"name": "x", "url": "https://example.com/"}"#),
    ("GET", "/api/v1/webhooks/{id}", WEBHOOKS, ""),
    ("PATCH", "/api/v1/webhooks/{id}", WEBHOOKS, "{}"),
    ("DELETE", "/api/v1/webhooks/{id}", WEBHOOKS, ""),
    ("POST", "/api/v1/webhooks/{id}/rotate", WEBHOOKS, "{}"),
    ("POST", "/api/v1/webhooks/{id}/test", WEBHOOKS, "{}"),
    ("GET", "/api/v1/webhooks/{id}/deliveries", WEBHOOKS, ""),
    ("POST", "/api/v1/webhooks/{id}/deliveries/replay", WEBHOOKS, "{}"),
    ("POST", "/api/v1/webhooks/{id}/deliveries/{delivery}/replay", WEBHOOKS, "{}"),
    ("GET", "/api/v1/activity", ACTIVITY, ""),
    ("GET", "/api/v1/access", ACTIVITY, ""),
    ("GET", "/api/v1/audit/verify", ADMIN, ""),
    ("GET", "/api/v1/audit/checkpoints", ADMIN, ""),
    ("POST", "/api/v1/audit/checkpoints", ADMIN, "{}"),
    ("GET", "/api/v1/reports/access", ACTIVITY, ""),
];

/// A column of section 3.1, and the role beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Guest,
    LoginOnly,
    User,
    Admin,
    SuperAdmin,
    Owner,
    Auditor,
}

impl Role {
    pub const ALL: [Self; 7] =
        [Self::Guest, Self::LoginOnly, Self::User, Self::Admin, Self::SuperAdmin, Self::Owner, Self::Auditor];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::LoginOnly => "login_only",
            Self::User => "user",
            Self::Admin => "admin",
            Self::SuperAdmin => "super_admin",
            Self::Owner => "owner",
            Self::Auditor => "auditor",
        }
    }

    /// The place in a row of section 3.1; an auditor has none.
    fn column(self) -> Option<usize> {
        Self::ALL[..6].iter().position(|one| *one == self)
    }
}

/// What somebody is in the hub that a route is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    None,
    /// Owner, but of another hub.
    Elsewhere,
    Collaborator,
    SecurityManager,
    Manager,
    Owner,
}

impl Right {
    pub const ALL: [Self; 6] =
        [Self::None, Self::Elsewhere, Self::Collaborator, Self::SecurityManager, Self::Manager, Self::Owner];
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A token without a role.
    Operator,
    /// The identity provider's.
    Provider,
    Service(Role),
    Person(Role, Right),
}

/// What section 3 says of this caller and route; `looks` is a token of scope `read`.
pub fn allowed(line: &Line, kind: Kind, looks: bool) -> bool {
    let (method, path, who, _) = *line;
    // The page that asks before something is released is the beginning of a form.
    // A plan of files has a body and changes nothing.
    let asks = path.ends_with("/.search") || path == "/api/v1/plan";
    let reads = (method == "GET" && path != "/held/{id}/{verdict}") || asks;
    // What somebody has read is their own, an auditor's too; a token that only looks keeps no such mark.
    let own_mark = path.ends_with("/failures/read");
    if who == Who::Open {
        return true;
    }
    if kind == Kind::Provider {
        return matches!(who, Who::Provider | Who::Directory);
    }
    if who == Who::Everybody {
        return true;
    }
    if who == Who::Provider || (looks && !reads) {
        return false;
    }
    let (role, right) = match kind {
        Kind::Operator | Kind::Provider => return true,
        // A program runs all hubs where it administers, because no mapping can reach it.
        Kind::Service(role @ (Role::Admin | Role::SuperAdmin | Role::Owner)) => (role, Right::Owner),
        Kind::Service(role) => (role, Right::None),
        // Guests and login-only people are at most Collaborators of anything (3.1).
        Kind::Person(role @ (Role::Guest | Role::LoginOnly | Role::Auditor), right) => match right {
            Right::None | Right::Elsewhere => (role, Right::None),
            Right::Collaborator | Right::SecurityManager | Right::Manager | Right::Owner => (role, Right::Collaborator),
        },
        Kind::Person(role, right) => (role, right),
    };
    if role == Role::Auditor && (reads || own_mark) {
        return true;
    }
    let yes = |row: &str, column: usize| row.as_bytes()[column] == b'y';
    match who {
        Who::Workspace(row) => role.column().is_some_and(|column| yes(row, column)),
        Who::Directory => role.column().is_some_and(|column| yes("--yyyy", column)),
        Who::Hub(row) => {
            let in_hub = match right {
                Right::None | Right::Elsewhere => false,
                Right::Collaborator => yes(row, 0),
                Right::SecurityManager => yes(row, 1),
                Right::Manager => yes(row, 2),
                Right::Owner => yes(row, 3),
            };
            let anyway = match row.as_bytes()[4] {
                b'a' => matches!(role, Role::Admin | Role::SuperAdmin | Role::Owner),
                b's' => matches!(role, Role::SuperAdmin | Role::Owner),
                _ => false,
            };
            in_hub || anyway
        }
        Who::Open | Who::Provider | Who::Everybody => true,
    }
}
