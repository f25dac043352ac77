//! Mappings in git: folders, owners, commits, digests and exports, as commands and over a server.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::{counts, digest, group, user};
use crate::support::server::{Server, scimhub};
use crate::support::{Database, databases};

fn run(database: &Database, args: &[&str]) -> Output {
    scimhub(database).args(args).output().expect("the binary runs")
}

#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

fn write(database: &Database, name: &str, content: &str) {
    let path = database.folder().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn mappings(database: &Database) -> Vec<String> {
    let text = ends(&run(database, &["export"]), 0);
    text.lines().filter_map(|line| line.trim().strip_prefix("group = ")).map(|name| name.replace('"', "")).collect()
}

const WIKI: &str = "[[hub]]\nid = \"wiki\"\napp = \"manual\"\nmode = \"active\"\nsettle = \"0s\"\n";

fn rule(group: &str, role: &str) -> String {
    format!("[[hub.mapping]]\ngroup = \"{group}\"\napp_role = \"{role}\"\n")
}

#[test]
fn folders_are_read_with_all_they_hold_and_files_add_up() {
    let database = Database::sqlite();
    write(&database, "git/hubs/wiki.toml", &format!("{WIKI}{}", rule("a", "member")));
    write(&database, "git/teams/deep/b.toml", &format!("[[hub]]\nid = \"wiki\"\n{}", rule("b", "member")));
    write(&database, "git/.git/config.toml", "not toml at all [");
    write(&database, "git/README.md", "not read");
    write(&database, "c.toml", &format!("[[hub]]\nid = \"wiki\"\n{}", rule("c", "admin")));
    ends(&run(&database, &["validate", "git", "c.toml"]), 0);
    // Reached twice, read once.
    ends(&run(&database, &["apply", "git", "c.toml", "git/teams"]), 0);
    assert_eq!(mappings(&database), ["a", "b", "c"]);
    ends(&run(&database, &["plan", "git", "c.toml", "--prune"]), 0);
    let plan = json_of(&run(&database, &["plan", "git", "--prune", "--json"]));
    assert_eq!(plan["mappings"][0]["subject"], "group c", "{plan}");
    assert_eq!(plan["mappings"][0]["action"], "remove");

    write(&database, "git/teams/again.toml", &format!("[[hub]]\nid = \"wiki\"\n{}", rule("A", "admin")));
    let told = ends(&run(&database, &["plan", "git"]), 1);
    assert!(told.contains("again.toml:3: group A") && told.contains("hubs/wiki.toml:6 already"), "{told}");
    write(&database, "git/teams/again.toml", &format!("[[hub]]\nid = \"wikki\"\n{}", rule("a", "admin")));
    let told = ends(&run(&database, &["plan", "git"]), 1);
    assert!(told.contains("again.toml:1: there is no hub 'wikki'"), "{told}");
    // A role is held against the app of the hub that is only named.
    let practice = "[[hub]]\nid = \"p\"\napp = \"sandbox\"\nconnection = { base_url = \"http://127.0.0.1:9\" }\n";
    write(&database, "git/hubs/p.toml", practice);
    write(&database, "git/teams/again.toml", &format!("[[hub]]\nid = \"p\"\n{}", rule("z", "editr")));
    let told = ends(&run(&database, &["plan", "git"]), 1);
    assert!(told.contains("again.toml:3:") && told.contains("did you mean 'editor'?"), "{told}");
    for (path, part) in [("nowhere", "cannot read nowhere"), ("git/empty", "has no *.toml file")] {
        fs::create_dir_all(database.folder().join("git/empty")).unwrap();
        let told = ends(&run(&database, &["plan", path]), 1);
        assert!(told.contains(part), "{told}");
    }
    ends(&run(&database, &["plan"]), 2);
}

#[test]
fn two_owners_share_a_workspace_and_a_hub_and_touch_only_their_own() {
    for database in databases() {
        write(&database, "a.toml", &format!("{WIKI}{}", rule("a", "member")));
        let names = |groups: &[&str]| {
            format!("[[hub]]\nid = \"wiki\"\n{}", groups.iter().map(|name| rule(name, "admin")).collect::<String>())
        };
        write(&database, "b.toml", &names(&["b1", "b2"]));
        let told = ends(&run(&database, &["apply", "b.toml", "--owner", "b"]), 1);
        assert!(told.contains("b.toml:1: there is no hub 'wiki'"), "{told}");
        ends(&run(&database, &["apply", "a.toml", "--owner", "a", "--prune"]), 0);
        ends(&run(&database, &["apply", "b.toml", "--owner", "b", "--prune"]), 0);
        assert_eq!(mappings(&database), ["a", "b1", "b2"], "{}", database.name);
        // Each sees nothing to do; neither prunes the other's.
        ends(&run(&database, &["plan", "a.toml", "--owner", "a", "--prune"]), 0);
        ends(&run(&database, &["plan", "b.toml", "--owner", "b", "--prune"]), 0);
        // Without --prune nothing goes.
        write(&database, "b.toml", &names(&["b1"]));
        let told = ends(&run(&database, &["plan", "b.toml", "--owner", "b"]), 0);
        assert!(told.contains("1 mapping(s) are there and not in the file"), "{told}");
        ends(&run(&database, &["apply", "b.toml", "--owner", "b", "--prune"]), 0);
        assert_eq!(mappings(&database), ["a", "b1"], "{}", database.name);
        // What the other manages cannot be taken, changed, or pulled away from below it.
        write(&database, "theft.toml", &names(&["a"]));
        let told = ends(&run(&database, &["apply", "theft.toml", "--owner", "b"]), 1);
        assert!(told.contains("theft.toml:3: group a is managed by 'a'"), "{told}");
        write(&database, "empty.toml", "");
        let told = ends(&run(&database, &["apply", "empty.toml", "--owner", "a", "--prune"]), 1);
        assert!(told.contains("mappings of 'b' in it would go with it"), "{told}");
        // No longer named at all: the owner's mappings go, the hub of the other stays.
        ends(&run(&database, &["plan", "empty.toml", "--owner", "b"]), 0);
        ends(&run(&database, &["apply", "empty.toml", "--owner", "b", "--prune"]), 0);
        assert_eq!(mappings(&database), ["a"], "{}", database.name);
        ends(&run(&database, &["apply", "empty.toml", "--owner", "a", "--prune"]), 0);
        assert_eq!(ends(&run(&database, &["export"]), 0).trim(), "", "{}", database.name);

        // What nobody owns is taken over by who names it, and told.
        ends(&run(&database, &["apply", "a.toml"]), 0);
        let told = ends(&run(&database, &["plan", "a.toml", "--owner", "a"]), 2);
        assert!(told.contains("~ hub wiki: owner") && told.contains("taken over by 'a'"), "{told}");
        ends(&run(&database, &["apply", "a.toml", "--owner", "a"]), 0);
        ends(&run(&database, &["plan", "a.toml", "--owner", "a"]), 0);
        let told = ends(&run(&database, &["plan", "a.toml", "--owner", "b"]), 1);
        assert!(told.contains("managed by 'a'"), "{told}");
        for (flag, value, part) in [("--owner", "a b", "an owner has 1 to 64"), ("--ref", "x\ny", "on one line")] {
            let told = ends(&run(&database, &["plan", "a.toml", flag, value]), 1);
            assert!(told.contains(part), "{told}");
        }
    }
}

/// Every kind of subject, `where`, seat, asset, policy, several owners and sources, and text that
/// is hard to quote.
const MANY: &str = r#"
[[hub]]
id = "ads"
app = "meta-business"
label = "Ads \"EU\" \\ ä\u00a0'x'"
login = "sso"
mode = "active"
settle = "90s"
connection = { business_id = "0012345", access_token = { secret = "META.TOKEN-1" } }
policy = { removal_limit = 0, removal_percent = 100, max_seats = 50, deprovision = "suspend", max_in_flight = 7, calls_per_second = 0.1 }

  [[hub.mapping]]
  group = "tëam \"x\" \\ 'y'"
  source = "entra"
  where = 'userType eq "Employee" and not (title co "\"intern\"")'
  app_role = "EMPLOYEE"
  assets = [{ kind = "ad_account", id = "act_2", tasks = ["MANAGE", "ANALYZE"] }, { kind = "ad_account", id = "act \"1\"" }]

  [[hub.mapping]]
  group = "tëam \"x\" \\ 'y'"
  source = "entra"
  app_role = "ADMIN"

  [[hub.mapping]]
  group_id = "01890000-0000-7000-8000-000000000001"
  hub_role = "owner"
  seat = false

  [[hub.mapping]]
  external_id = "S-1-5-21: \t"
  app_role = "ADMIN"

  [[hub.mapping]]
  user = "Ann+Ads@Example.com"
  hub_role = "owner"
  app_role = "ADMIN"

[[hub]]
id = "practice"
app = "sandbox"
connection = { base_url = "http://127.0.0.1:9/scim/v2", token = { secret = "PRACTICE" } }

[[hub]]
id = "wiki"
app = "manual"
settle = "45min"
"#;

#[test]
fn an_export_is_applied_as_a_no_op_and_exported_to_the_byte() {
    for database in databases() {
        ends(&run(&database, &["source", "create", "entra", "--preset", "entra"]), 0);
        write(&database, "many.toml", &MANY.replace(": \\t", ":"));
        ends(&run(&database, &["apply", "many.toml", "--owner", "security", "--ref", "one"]), 0);
        let team = format!("[[hub]]\nid = \"ads\"\n{}", rule("team", "EMPLOYEE"));
        write(&database, "team.toml", &team);
        ends(&run(&database, &["apply", "team.toml", "--owner", "team", "--ref", "two"]), 0);
        write(&database, "free.toml", &format!("[[hub]]\nid = \"wiki\"\n{}", rule("free", "member")));
        ends(&run(&database, &["apply", "free.toml"]), 0);

        let exported = ends(&run(&database, &["export"]), 0);
        write(&database, "exported.toml", &exported);
        ends(&run(&database, &["validate", "exported.toml"]), 0);
        ends(&run(&database, &["plan", "exported.toml", "--prune"]), 0);
        ends(&run(&database, &["apply", "exported.toml", "--prune", "--ref", "three"]), 0);
        assert_eq!(ends(&run(&database, &["export"]), 0), exported, "{}", database.name);
        // Each owner's part alone is a no-op too, under its name.
        for owner in ["security", "team"] {
            let part = ends(&run(&database, &["export", "--owner", owner]), 0);
            write(&database, "part.toml", &part);
            ends(&run(&database, &["plan", "part.toml", "--owner", owner, "--prune"]), 0);
        }
        let part = ends(&run(&database, &["export", "--owner", "team"]), 0);
        assert!(part.contains("id = \"ads\"") && !part.contains("app = ") && !part.contains("tëam"), "{part}");
        // Into an empty workspace it makes the same.
        ends(&run(&database, &["workspace", "create", "copy"]), 0);
        let told = ends(&run(&database, &["apply", "exported.toml", "--workspace", "copy"]), 1);
        assert!(told.contains("there is no source 'entra'"), "{told}");
        ends(&run(&database, &["source", "create", "entra", "--preset", "entra", "--workspace", "copy"]), 0);
        ends(&run(&database, &["apply", "exported.toml", "--workspace", "copy"]), 0);
        assert_eq!(ends(&run(&database, &["export", "--workspace", "copy"]), 0), exported, "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ci_plans_and_applies_through_a_server_and_explain_shows_the_commit() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        let token = server.token("admin");
        let ann = user(&scim, "ann@example.com").await;
        group(&scim, "staff", &[&ann]).await;
        let runner = tempfile::tempdir().unwrap();
        let ci = |args: &[&str]| {
            scimhub(&database)
                .args(args)
                // A runner of CI: no database, no key, no secret, nothing but the checkout.
                .current_dir(runner.path())
                .env("SCIMHUB_DATABASE", "sqlite:/nowhere/at/all.db")
                .env("SCIMHUB_KEY_FILE", "/nowhere/at/all.key")
                .env("SCIMHUB_SERVER", &server.base)
                .env("SCIMHUB_TOKEN", &token)
                .output()
                .unwrap()
        };
        fs::write(runner.path().join("wiki.toml"), format!("{WIKI}{}", rule("staff", "member"))).unwrap();
        let shown = ci(&["plan", "wiki.toml", "--owner", "it", "--ref", "pull-1"]);
        let text = ends(&shown, 2);
        assert!(text.contains("wiki: adds 1, promotes 0, demotes 0, removes 0"), "{text}");
        assert!(text.contains("ann@example.com"), "{text}");
        let plan = json_of(&ci(&["plan", "wiki.toml", "--owner", "it", "--ref", "merge-1", "--output", "json"]));
        assert_eq!(counts(&plan), [1, 0, 0, 0], "{plan}");
        // The commit is not part of what is meant: a pull request and its merge have one digest.
        assert!(text.contains(&format!("digest: {}", digest(&plan))), "{text}");

        // Somebody joins between the look and the merge.
        let bob = user(&scim, "bob@example.com").await;
        group(&scim, "other", &[&bob]).await;
        ends(&ci(&["plan", "wiki.toml", "--owner", "it", "--json"]), 2);
        let again = json_of(&ci(&["plan", "wiki.toml", "--owner", "it", "--json"]));
        assert_eq!(digest(&again), digest(&plan), "who is not reached moves nothing");
        fs::write(
            runner.path().join("wiki.toml"),
            format!("{WIKI}{}{}", rule("staff", "member"), rule("other", "member")),
        )
        .unwrap();
        let told = ends(&ci(&["apply", "wiki.toml", "--owner", "it", "--expect", &digest(&plan)]), 1);
        assert!(told.contains("refused (409)") && told.contains("wiki: adds 2"), "{told}");
        assert_eq!(admin.get("/api/v1/hubs").await.json()["items"], json!([]));
        let told = ends(&ci(&["apply", "wiki.toml", "--expect", "abc"]), 1);
        assert!(told.contains("--expect") && told.contains("64 hex digits"), "{told}");
        let plan = json_of(&ci(&["plan", "wiki.toml", "--owner", "it", "--json"]));
        let applied =
            ci(&["apply", "wiki.toml", "--owner", "it", "--ref", "c0ffee", "--expect", &digest(&plan), "--json"]);
        ends(&applied, 0);
        assert_eq!(json_of(&applied)["effects"], plan["effects"], "it tells for whom it was");

        let explain = format!("/api/v1/hubs/wiki/users/{ann}/explain");
        let told = admin.get(&explain).await.expect(200).json();
        assert_eq!(
            (&told["mappings"][0]["ref"], &told["mappings"][0]["owner"]),
            (&json!("c0ffee"), &json!("it")),
            "{told}"
        );
        // The same content under a new commit changes nothing, also not the commit shown: it is the
        // one that made the mapping what it is.
        ends(&ci(&["plan", "wiki.toml", "--owner", "it", "--ref", "f00d"]), 0);
        ends(&ci(&["apply", "wiki.toml", "--owner", "it", "--ref", "f00d"]), 0);
        let told = admin.get(&explain).await.expect(200).json();
        assert_eq!(told["mappings"][0]["ref"], "c0ffee", "{told}");
        fs::write(
            runner.path().join("wiki.toml"),
            format!("{WIKI}{}{}", rule("staff", "admin"), rule("other", "member")),
        )
        .unwrap();
        ends(&ci(&["apply", "wiki.toml", "--owner", "it", "--ref", "beef"]), 0);
        let told = admin.get(&explain).await.expect(200).json();
        assert_eq!(told["mappings"][0]["ref"], "beef", "{told}");
        let other = admin.get("/api/v1/hubs/wiki/mappings").await.json();
        assert_eq!(other["items"][1]["ref"], "c0ffee", "what did not change keeps its commit: {other}");

        // `env` is told with its line, and nothing of the caller's environment travels.
        let env = "\n[[hub]]\nid = \"p\"\napp = \"sandbox\"\nconnection = { base_url = \"http://127.0.0.1:9\", token = { env = \"SCIMHUB_TOKEN\" } }\n";
        fs::write(runner.path().join("env.toml"), env).unwrap();
        let told = ends(&ci(&["plan", "env.toml"]), 1);
        assert!(told.contains("env.toml:2: token = { env") && !told.contains(&token), "{told}");
        let left: Vec<_> = fs::read_dir(runner.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "nothing is written where it runs: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_plan_travels_whole_is_cut_in_the_table_and_survives_a_reader_that_leaves() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let (token, scim) = (server.token("admin"), server.client("scim"));
    let mut ids = Vec::new();
    for number in 0..60 {
        ids.push(user(&scim, &format!("{:03}{}@example.com", number, "x".repeat(900))).await);
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    group(&scim, "staff", &ids).await;
    // Thirty hubs times sixty long names: more than an app may answer with.
    let files: String =
        (0..30).map(|n| format!("{}{}", WIKI.replace("wiki", &format!("wiki-{n}")), rule("staff", "member"))).collect();
    write(&database, "many.toml", &files);
    let plan = |args: &[&str]| {
        let mut command = scimhub(&database);
        command.args(["plan", "many.toml"]).args(args);
        command.env("SCIMHUB_SERVER", &server.base).env("SCIMHUB_TOKEN", &token);
        command
    };
    let json = plan(&["--json"]).output().unwrap();
    assert_eq!(json_of(&json)["effects"].as_array().unwrap().len(), 30);
    assert!(json.stdout.len() > 1024 * 1024, "{}", json.stdout.len());
    let table = ends(&plan(&[]).output().unwrap(), 2);
    assert!(table.contains("… and 10 more; --all shows them"));
    let all = ends(&plan(&["--all"]).output().unwrap(), 2);
    assert!(!all.contains("--all shows them") && all.matches("059xxx").count() == 30);
    // `plan | head -1`: the pipe breaks, the exit code stands, nothing panics.
    let mut child = plan(&["--all"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(first.starts_with("+ hub wiki-0"), "{first}");
}
