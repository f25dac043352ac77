//! `validate`, `plan`, `apply`, `export` and `secret set` as commands on the database.

use std::fs;
use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::server::{Server, scimhub};
use crate::support::{Database, databases};

const FILE: &str = r#"
[[hub]]
id = "marketing-meta"
app = "meta-business"
label = "Marketing \"EU\""
login = "sso"
mode = "active"
settle = "60s"
connection = { business_id = "1234567890", access_token = { secret = "META_TOKEN" } }
policy = { max_seats = 50, deprovision = "suspend" }

  [[hub.mapping]]
  group = "meta-admins"
  hub_role = "owner"
  app_role = "ADMIN"
  seat = true

  [[hub.mapping]]
  user = "ann@example.com"
  app_role = "EMPLOYEE"
  assets = [{ kind = "ad_account", id = "act_1", tasks = ["ANALYZE"] }]

[[hub]]
id = "practice"
app = "sandbox"
connection = { base_url = "http://127.0.0.1:9/scim/v2", token = { secret = "PRACTICE" } }
"#;

fn run(database: &Database, args: &[&str]) -> Output {
    scimhub(database).args(args).output().expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn ends(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", text(output));
    text(output)
}

fn write(database: &Database, name: &str, content: &str) {
    fs::write(database.folder().join(name), content).unwrap();
}

fn json_plan(database: &Database, args: &[&str]) -> Value {
    let mut all = args.to_vec();
    all.extend(["--output", "json"]);
    let output = run(database, &all);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&output)))
}

#[test]
fn validate_needs_no_database_and_tells_every_mistake_with_its_line() {
    let database = Database::sqlite();
    write(&database, "good.toml", FILE);
    ends(&run(&database, &["validate", "good.toml"]), 0);
    let bad = FILE.replace("app_role = \"ADMIN\"", "app_role = \"ADMYN\"").replace("label =", "lable =");
    write(&database, "bad.toml", &bad);
    let told = ends(&run(&database, &["validate", "bad.toml"]), 1);
    assert!(told.contains("bad.toml:5: a hub has no key 'lable'; did you mean 'label'?"), "{told}");
    assert!(told.contains("bad.toml:15: Meta Business Manager has no role 'ADMYN'; did you mean 'ADMIN'?"), "{told}");
    // A folder: the same hub in two files.
    fs::create_dir(database.folder().join("hubs")).unwrap();
    write(&database, "hubs/a.toml", FILE);
    write(&database, "hubs/b.toml", FILE);
    let told = ends(&run(&database, &["validate", "hubs"]), 1);
    assert!(told.contains("declared at hubs/a.toml:2 already"), "{told}");
    assert!(!database.folder().join("scimhub.db").exists(), "validate opens no database");
}

#[test]
fn what_is_applied_is_exported_and_applying_that_changes_nothing() {
    for database in databases() {
        write(&database, "hubs.toml", FILE);
        let plan = ends(&run(&database, &["plan", "hubs.toml"]), 2);
        assert!(plan.contains("+ hub marketing-meta") && plan.contains("waiting"), "{plan}");
        assert!(plan.contains("the secret META_TOKEN is not set"), "{plan}");
        // A plan writes nothing.
        ends(&run(&database, &["plan", "hubs.toml"]), 2);
        ends(&run(&database, &["apply", "hubs.toml"]), 0);
        let plan = ends(&run(&database, &["plan", "hubs.toml"]), 0);
        assert!(plan.contains("nothing to change"), "{plan}");
        let exported = ends(&run(&database, &["export"]), 0);
        write(&database, "exported.toml", &exported);
        ends(&run(&database, &["plan", "exported.toml", "--prune"]), 0);
        let again = ends(&run(&database, &["export"]), 0);
        assert_eq!(again, exported, "{}", database.name);

        // A role changes in place, a mapping that is not named goes only with --prune.
        let changed =
            FILE.replace("\"EMPLOYEE\"", "\"ADMIN\"").replace("group = \"meta-admins\"", "group = \"others\"");
        write(&database, "hubs.toml", &changed);
        let plan = json_plan(&database, &["plan", "hubs.toml"]);
        let actions: Vec<_> = plan["mappings"].as_array().unwrap().iter().map(|m| m["action"].clone()).collect();
        assert_eq!(actions, ["add", "change"], "{plan}");
        let plan = json_plan(&database, &["plan", "hubs.toml", "--prune"]);
        let actions: Vec<_> = plan["mappings"].as_array().unwrap().iter().map(|m| m["action"].clone()).collect();
        assert_eq!(actions, ["add", "change", "remove"], "{plan}");
    }
}

#[test]
fn apply_is_all_or_nothing_and_owners_do_not_touch_each_other() {
    for database in databases() {
        // The second hub names a source that is not there.
        let broken =
            format!("{FILE}\n  [[hub.mapping]]\n  group = \"g\"\n  source = \"okat\"\n  app_role = \"viewer\"\n");
        write(&database, "hubs.toml", &broken);
        let told = ends(&run(&database, &["apply", "hubs.toml"]), 1);
        assert!(told.contains("hubs.toml:28: there is no source 'okat'"), "{told}");
        assert_eq!(ends(&run(&database, &["export"]), 0).trim(), "", "nothing was written");

        write(&database, "hubs.toml", FILE);
        ends(&run(&database, &["apply", "hubs.toml", "--owner", "team-a", "--ref", "c0ffee"]), 0);
        let told = ends(&run(&database, &["apply", "hubs.toml", "--owner", "team-b"]), 1);
        assert!(told.contains("is managed by 'team-a'"), "{told}");
        // Without an owner nothing that somebody owns is changed; what is so already needs no word.
        ends(&run(&database, &["apply", "hubs.toml"]), 0);
        write(&database, "other.toml", &FILE.replace("settle = \"60s\"", "settle = \"90s\""));
        let told = ends(&run(&database, &["apply", "other.toml"]), 1);
        assert!(told.contains("other.toml:2") && told.contains("--owner team-a"), "{told}");
        write(&database, "b.toml", "[[hub]]\nid = \"wiki\"\napp = \"manual\"\n");
        ends(&run(&database, &["apply", "b.toml", "--owner", "team-b", "--prune"]), 0);
        write(&database, "b.toml", "");
        ends(&run(&database, &["apply", "b.toml", "--owner", "team-b", "--prune"]), 0);
        let left = ends(&run(&database, &["export"]), 0);
        assert!(left.contains("marketing-meta") && left.contains("practice") && !left.contains("wiki"), "{left}");
    }
}

#[test]
fn secrets_come_in_by_stdin_or_the_commands_environment_and_never_out() {
    for database in databases() {
        write(&database, "hubs.toml", FILE);
        ends(&run(&database, &["apply", "hubs.toml"]), 0);
        let set = |hub: &str, name: &str| {
            let mut child = scimhub(&database)
                .args(["secret", "set", hub, name])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(b"s3cr3t-value\n").unwrap();
            child.wait_with_output().unwrap()
        };
        ends(&set("practice", "PRACTICE"), 0);
        let told = ends(&set("practice", "PRACTISE"), 1);
        assert!(told.contains("did you mean 'PRACTICE'?") && !told.contains("s3cr3t"), "{told}");
        ends(&set("nowhere", "PRACTICE"), 1);
        assert!(!ends(&run(&database, &["export"]), 0).contains("s3cr3t"));

        // From the environment of the command: sealed once, then there is nothing to do.
        write(&database, "env.toml", &FILE.replace("{ secret = \"PRACTICE\" }", "{ env = \"PRACTICE_TOKEN\" }"));
        let told = ends(&run(&database, &["apply", "env.toml"]), 1);
        assert!(told.contains("the environment has no variable PRACTICE_TOKEN"), "{told}");
        let with =
            |args: &[&str], value: &str| scimhub(&database).args(args).env("PRACTICE_TOKEN", value).output().unwrap();
        let told = ends(&with(&["plan", "env.toml"], "env-s3cr3t"), 2);
        assert!(told.contains("+ secret practice/token") && !told.contains("s3cr3t"), "{told}");
        ends(&with(&["apply", "env.toml"], "env-s3cr3t"), 0);
        ends(&with(&["plan", "env.toml"], "env-s3cr3t"), 0);
        ends(&with(&["plan", "env.toml"], "another"), 2);
        let exported = ends(&run(&database, &["export", "--hub", "practice"]), 0);
        assert!(exported.contains("{ secret = \"token\" }") && !exported.contains("s3cr3t"), "{exported}");
    }
}

#[test]
fn the_same_commands_work_through_a_running_server() {
    let database = Database::sqlite();
    let server = Server::start(&database, &[]);
    let token = server.token("admin");
    write(&database, "hubs.toml", FILE);
    write(&database, "env.toml", &FILE.replace("{ secret = \"PRACTICE\" }", "{ env = \"PRACTICE_TOKEN\" }"));
    let run = |args: &[&str], input: &str| {
        let mut child = scimhub(&database)
            .args(args)
            // Nothing of the database is opened here.
            .env("SCIMHUB_DATABASE", "sqlite:/nowhere/at/all.db")
            .env("SCIMHUB_SERVER", &server.base)
            .env("SCIMHUB_TOKEN", &token)
            .env("PRACTICE_TOKEN", "env-s3cr3t")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    let plan = ends(&run(&["plan", "hubs.toml"], ""), 2);
    assert!(plan.contains("+ hub practice"), "{plan}");
    ends(&run(&["apply", "hubs.toml", "--owner", "ci", "--ref", "c0ffee"], ""), 0);
    ends(&run(&["plan", "hubs.toml", "--owner", "ci"], ""), 0);
    ends(&run(&["secret", "set", "practice", "PRACTICE"], "s3cr3t\n"), 0);
    let exported = ends(&run(&["export"], ""), 0);
    assert!(exported.contains("marketing-meta") && !exported.contains("s3cr3t"), "{exported}");
    // A server never reads an environment, neither its own nor the caller's.
    let told = ends(&run(&["apply", "env.toml", "--owner", "ci"], ""), 1);
    assert!(told.contains("env.toml:") && told.contains("opens the database itself"), "{told}");
    ends(&run(&["pause", "--hub", "practice"], ""), 0);
    ends(&run(&["resume", "--hub", "practice"], ""), 0);
    let told = ends(&run(&["pause", "--hub", "nowhere"], ""), 1);
    assert!(told.contains("hub not found"), "{told}");
}
