//! Files as people write them, right and wrong.

use super::*;
use crate::domain::catalog::Catalog;

const DESIGN: &str = r#"
[[hub]]
id = "marketing-meta"            # stable id of the hub in files and the API
app = "meta-business"
label = "Marketing"
login = "sso"                    # sso | password, as the app allows
mode = "active"                  # observe (default) | active
settle = "60s"
connection = { business_id = "1234567890", app_id = "99", access_token = { secret = "META_TOKEN" } }

  [[hub.mapping]]
  group = "meta-admins"          # displayName; or group_id / external_id; or user = "ann@example.com"
  source = "okta"                # only where a group name exists in more than one source
  hub_role = "owner"             # owner | collaborator
  app_role = "ADMIN"
  seat = true                    # default; an owner may have none

  [[hub.mapping]]
  group = "meta-analysts"
  where = 'userType eq "Employee"'   # optional scope: a SCIM filter on the user
  app_role = "EMPLOYEE"
  assets = [{ kind = "ad_account", id = "act_1", tasks = ["ANALYZE"] }]
"#;

fn catalog() -> Catalog {
    Catalog::builtin().unwrap()
}

#[test]
fn the_file_of_the_design_is_read_and_written_back() {
    let hubs = read("hubs.toml", DESIGN, &catalog()).unwrap();
    assert_eq!(hubs.len(), 1);
    let hub = &hubs[0];
    assert_eq!((hub.slug.as_str(), hub.place.line, hub.mappings.len()), ("marketing-meta", 2, 2));
    assert_eq!(hub.settings.as_ref().unwrap().connection["access_token"], Given::Secret(String::from("META_TOKEN")));
    assert_eq!(hub.mappings[0].place.line, 11);
    assert_eq!(hub.mappings[1].scope.as_deref(), Some("userType eq \"Employee\""));
    let again = read("hubs.toml", &write(&hubs), &catalog()).unwrap();
    let bare = |hubs: &[HubDecl]| {
        let mut hubs = hubs.to_vec();
        for hub in &mut hubs {
            hub.place = Place::default();
            for mapping in &mut hub.mappings {
                mapping.place = Place::default();
            }
        }
        hubs
    };
    assert_eq!(bare(&again), bare(&hubs));
}

/// Each: what stands in the file, and the mistakes as `line: part of the message`.
const WRONG: &[(&str, &[(usize, &str)])] = &[
    ("[[hub]\nid = 1\n", &[(1, "")]),
    ("[[hubs]]\nid = \"a\"\n", &[(1, "did you mean 'hub'?")]),
    ("[[hub]]\nid = \"A b\"\napp = \"manual\"\n", &[(2, "a-z, 0-9")]),
    ("[[hub]]\nid = \"a\"\napp = \"ahref\"\n", &[(3, "did you mean 'ahrefs'?")]),
    ("[[hub]]\nid = \"a\"\napp = \"manual\"\nlable = \"x\"\n", &[(4, "did you mean 'label'?")]),
    ("[[hub]]\napp = \"manual\"\n", &[(1, "id is missing")]),
    (
        "[[hub]]\nid = \"a\"\napp = \"ahrefs\"\nlogin = \"sso\"\nconnection = { unique_identifier = \"ab\" }\n",
        &[(4, "allows login 'password', not sso"), (5, "3 to 30 letters and digits")],
    ),
    (
        "[[hub]]\nid = \"a\"\napp = \"meta-business\"\nconnection = { access_token = \"hunter2\" }\n",
        &[(4, "must not be written out"), (4, "business_id (Business ID) is missing")],
    ),
    ("[[hub]]\nid = \"a\"\napp = \"manual\"\nsettle = \"an hour\"\n", &[(4, "write it like")]),
    ("[[hub]]\nid = \"a\"\napp = \"manual\"\npolicy = { removal_percent = 120 }\n", &[(4, "0 to 100")]),
    (
        "[[hub]]\nid = \"a\"\napp = \"buyme\"\nconnection = { unique_identifier = \"acme1\" }\n\
         policy = { create_fields = { birthdate = \"title\", mobile_number = \"a b\" } }\n",
        &[(5, "did you mean 'birth_date'?"), (5, "must name an attribute")],
    ),
    (
        "[[hub]]\nid = \"a\"\napp = \"manual\"\n[[hub.mapping]]\ngroup = \"g\"\n[[hub.mapping]]\napp_role = \"member\"\n\
         [[hub.mapping]]\ngroup = \"g\"\nuser = \"u\"\napp_role = \"member\"\n",
        &[(4, "app_role is missing"), (6, "needs a subject"), (8, "one subject, not 2")],
    ),
    (
        "[[hub]]\nid = \"a\"\napp = \"manual\"\n[[hub.mapping]]\ngroup = \"Staff\"\napp_role = \"member\"\n\
         [[hub.mapping]]\ngroup = \"staff\"\napp_role = \"admin\"\n",
        &[(7, "on line 4 already")],
    ),
    (
        "[[hub]]\nid = \"a\"\napp = \"sandbox\"\nconnection = { base_url = \"http://127.0.0.1:1\" }\n[[hub.mapping]]\n\
         group = \"g\"\napp_role = \"editr\"\nwhere = 'userType eq'\nassets = [{ kind = \"page\", id = \"1\" }]\n\
         hub_role = \"boss\"\nseat = \"no\"\n",
        &[
            (7, "did you mean 'editor'?"),
            (8, "where:"),
            (9, "has no assets"),
            (10, "hub_role cannot be 'boss'"),
            (11, "seat must be true or false, not a text"),
        ],
    ),
    (
        "[[hub]]\nid = \"a\"\napp = \"manual\"\n[[hub.mapping]]\ngroup = \"g\"\napp_role = \"member\"\nseat = false\n",
        &[(4, "always takes a seat")],
    ),
    (
        "[[hub]]\nid = \"a\"\napp = \"manual\"\n[[hub.mapping]]\ngroup_id = \"7\"\napp_role = \"member\"\n",
        &[(5, "SCIM id")],
    ),
];

#[test]
fn every_mistake_is_told_with_its_line() {
    for (text, expected) in WRONG {
        let problems = read("hubs.toml", text, &catalog()).unwrap_err();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), expected.len(), "{text}\n{shown:#?}");
        for (problem, (line, part)) in problems.iter().zip(*expected) {
            assert_eq!(problem.line, *line, "{text}\n{shown:#?}");
            assert!(problem.message.contains(part), "{part}: {shown:#?}");
            assert!(!problem.message.contains("hunter2"));
        }
    }
}

#[test]
fn the_attributes_of_create_fields_survive_writing_and_reading() {
    let text = "[[hub]]\nid = \"a\"\napp = \"buyme\"\nconnection = { unique_identifier = \"acme1\" }\n\
        policy = { create_fields = { mobile_number = 'phoneNumbers[type eq \"mobile\"].value' } }\n";
    let hubs = read("x.toml", text, &catalog()).unwrap();
    let written = write(&hubs);
    assert!(written.contains("create_fields"), "{written}");
    let again = read("x.toml", &written, &catalog()).unwrap();
    let policy = |hubs: &[HubDecl]| hubs[0].settings.as_ref().unwrap().policy.clone();
    assert_eq!(policy(&again), policy(&hubs));
}

#[test]
fn a_hub_is_declared_once_over_all_files() {
    let text = "[[hub]]\nid = \"a\"\napp = \"manual\"\n";
    let mut all = read("one.toml", text, &catalog()).unwrap();
    all.extend(read("two.toml", text, &catalog()).unwrap());
    let problems = together(all).unwrap_err();
    assert_eq!(problems[0].to_string(), "two.toml:1: the hub 'a' is declared at one.toml:1 already; ids are unique");
}

#[test]
fn a_file_may_add_mappings_to_a_hub_that_another_declares() {
    let declares = "[[hub]]\nid = \"a\"\napp = \"sandbox\"\nconnection = { base_url = \"http://127.0.0.1:1\" }\n\
                    [[hub.mapping]]\ngroup = \"g\"\napp_role = \"viewer\"\n";
    let names = "[[hub]]\nid = \"a\"\n[[hub.mapping]]\ngroup = \"h\"\napp_role = \"editor\"\n";
    for order in [[declares, names], [names, declares]] {
        let all = order.iter().flat_map(|text| read("x.toml", text, &catalog()).unwrap()).collect();
        let hubs = together(all).unwrap();
        assert_eq!(hubs.len(), 1);
        assert!(hubs[0].settings.is_some());
        assert_eq!(hubs[0].mappings.len(), 2);
    }
    let again = "[[hub]]\nid = \"a\"\n[[hub.mapping]]\ngroup = \"G\"\napp_role = \"editor\"\n";
    let mut all = read("one.toml", declares, &catalog()).unwrap();
    all.extend(read("two.toml", again, &catalog()).unwrap());
    let problems = together(all).unwrap_err();
    assert!(problems[0].to_string().starts_with("two.toml:3: group G with the same where"), "{problems:?}");
    // Neither mappings nor an app: a declaration that is missing its app, as is one with settings.
    for (text, line) in [("[[hub]]\nid = \"a\"\n", 1), ("[[hub]]\nid = \"a\"\nmode = \"active\"\n", 1)] {
        let problems = read("x.toml", text, &catalog()).unwrap_err();
        assert!(problems[0].line == line && problems[0].message.contains("app is missing"), "{problems:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\[\\[hub\\]\\]\n)?([a-z_]{1,8} = [\"{\\[]?[a-z0-9 =,\"']{0,12}[\\]}\"]?\n){0,6}") {
        let _ = read("x.toml", &text, &catalog());
    }
}
