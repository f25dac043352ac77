//! The worked cases of business-hubs.md section 5, each with a person of its own in one hub: what was
//! before, what the identity provider or a person says, which tasks it led to, and what the app holds at
//! the end. The case of a pending invitation is `r4_12_a_role_waits_for_the_accepted_invitation`; that of
//! a collection is none of this version.

use serde_json::{Value, json};

use super::{Stage, set_active};
use crate::hubs::{self, SOON};
use crate::support::{databases, eventually};

/// Absorbs two requests of one move; whoever only leaves is removed after it.
const SETTLE: &str = "8s";

/// People whom nothing happens to, so that what happens to the others is never half of the hub.
const BYSTANDERS: usize = 10;

#[derive(Clone, Copy)]
enum Event {
    Join(&'static str),
    Leave(&'static str),
    /// Until the app has done what the event before it means.
    Removed,
    Deactivate,
    Exempt,
}
use Event::{Deactivate, Exempt, Join, Leave, Removed};

struct Case {
    name: &'static str,
    groups: &'static [&'static str],
    share: Option<&'static str>,
    events: &'static [Event],
    /// Kind and role of each task that the events led to.
    tasks: &'static [(&'static str, &'static str)],
    /// In the app at the end.
    role: Option<&'static str>,
}

const CASES: &[Case] = &[
    Case {
        name: "none, join G-Editor",
        groups: &[],
        share: None,
        events: &[Join("editor")],
        tasks: &[("add", "editor")],
        role: Some("editor"),
    },
    Case {
        name: "G-Viewer, join G-Admin",
        groups: &["viewer"],
        share: None,
        events: &[Join("admin")],
        tasks: &[("update_role", "admin")],
        role: Some("admin"),
    },
    Case {
        name: "G-Viewer and G-Admin, leave G-Admin",
        groups: &["viewer", "admin"],
        share: None,
        events: &[Leave("admin")],
        tasks: &[("update_role", "viewer")],
        role: Some("viewer"),
    },
    Case {
        name: "G-Admin, join G-Viewer",
        groups: &["admin"],
        share: None,
        events: &[Join("viewer")],
        tasks: &[],
        role: Some("admin"),
    },
    Case {
        name: "G-Admin and G-Viewer, leave G-Viewer",
        groups: &["admin", "viewer"],
        share: None,
        events: &[Leave("viewer")],
        tasks: &[],
        role: Some("admin"),
    },
    Case {
        name: "G-Admin and an individual Editor, leave G-Admin",
        groups: &["admin"],
        share: Some("editor"),
        events: &[Leave("admin")],
        tasks: &[("update_role", "editor")],
        role: Some("editor"),
    },
    Case {
        name: "G-Editor, leave it and join G-Admin inside the settle time",
        groups: &["editor"],
        share: None,
        events: &[Leave("editor"), Join("admin")],
        tasks: &[("update_role", "admin")],
        role: Some("admin"),
    },
    Case {
        name: "G-Editor, leave it, and join G-Admin after the settle time",
        groups: &["editor"],
        share: None,
        events: &[Leave("editor"), Removed, Join("admin")],
        tasks: &[("remove", "editor"), ("add", "admin")],
        role: Some("admin"),
    },
    Case {
        name: "G-Editor and an individual Viewer, deactivated",
        groups: &["editor"],
        share: Some("viewer"),
        events: &[Deactivate],
        tasks: &[("remove", "editor")],
        role: None,
    },
    Case {
        name: "exempted in the hub, in G-Editor, leave it",
        groups: &["editor"],
        share: None,
        events: &[Exempt, Leave("editor")],
        tasks: &[],
        role: Some("editor"),
    },
];

fn address(number: usize) -> String {
    format!("case{number}@example.com")
}

/// The tasks about somebody that were carried out, oldest first.
async fn tasks_of(stage: &Stage, user: &str) -> Vec<(String, String)> {
    let page = stage.admin.get(&format!("/api/v1/tasks?hub=box&user={user}&status=completed")).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut tasks: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|task| (text(&task["kind"]), text(&task["role"]))).collect();
    tasks.reverse();
    tasks
}

async fn says(stage: &Stage, groups: &[(&str, String)], user: &str, email: &str, event: Event) {
    let group = |name: &str| &groups.iter().find(|(one, _)| *one == name).unwrap().1;
    match event {
        Join(name) => stage.membership(group(name), "add", user).await,
        Leave(name) => stage.membership(group(name), "remove", user).await,
        Removed => stage.until_role(email, None).await,
        Deactivate => set_active(&stage.scim, user, false).await,
        Exempt => {
            let member = stage.member_of(user).await.unwrap();
            let why = json!({"reason": "runs the shared screen"});
            stage.act(member["id"].as_str().unwrap(), "exempt", &why).await.expect(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worked_cases_of_section_5_through_the_api_and_a_real_app() {
    for database in databases() {
        let stage = Stage::new(&database, SETTLE).await;
        // What is done to a few at once is not what is asked about here.
        stage.admin.patch("/api/v1/hubs/box", &json!({"policy": {"removal_percent": 100}})).await.expect(200);
        let mut groups = Vec::new();
        for role in ["viewer", "editor", "admin"] {
            let group = format!("G-{role}");
            hubs::mapping(&stage.admin, "box", &json!({"group": group, "app_role": role})).await;
            groups.push((role, hubs::group(&stage.scim, &group, &[]).await));
        }
        let mut people = Vec::new();
        for (number, case) in CASES.iter().enumerate() {
            let user = hubs::user(&stage.scim, &address(number)).await;
            if let Some(role) = case.share {
                hubs::mapping(&stage.admin, "box", &json!({"user": address(number), "app_role": role})).await;
            }
            for group in case.groups {
                says(&stage, &groups, &user, "", Join(group)).await;
            }
            people.push(user);
        }
        for number in 0..BYSTANDERS {
            let user = hubs::user(&stage.scim, &format!("bystander{number}@example.com")).await;
            says(&stage, &groups, &user, "", Join("viewer")).await;
        }
        stage.at_rest().await;
        let mut before = Vec::new();
        for user in &people {
            before.push(tasks_of(&stage, user).await.len());
        }

        for (number, (case, user)) in CASES.iter().zip(&people).enumerate() {
            for event in case.events {
                says(&stage, &groups, user, &address(number), *event).await;
            }
        }
        stage.at_rest().await;
        for (number, (case, user)) in CASES.iter().zip(&people).enumerate() {
            let led_to = tasks_of(&stage, user).await.split_off(before[number]);
            let led_to: Vec<_> = led_to.iter().map(|(kind, role)| (kind.as_str(), role.as_str())).collect();
            assert_eq!(led_to, case.tasks, "{}: {}", database.name, case.name);
            let role = stage.role_in_app(&address(number)).await;
            assert_eq!(role.as_deref(), case.role, "{}: {}", database.name, case.name);
        }
    }
}

/// "REMOVE in every hub": the leaver of the table, in another hub besides.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_deactivated_is_removed_in_every_hub() {
    for database in databases() {
        let stage = Stage::new(&database, "1h").await;
        let body = json!({"id": "other", "app": "sandbox", "mode": "active", "settle": "1h",
            "connection": {"base_url": stage.app.scim("other"), "token": {"secret": "TOKEN"}},
            "secrets": {"TOKEN": hubs::mending::GOOD}});
        stage.admin.post("/api/v1/hubs", &body).await.expect(201);
        for hub in ["box", "other"] {
            hubs::mapping(&stage.admin, hub, &json!({"group": "G-editor", "app_role": "editor"})).await;
        }
        let mut people = Vec::new();
        for number in 0..3 {
            people.push(hubs::user(&stage.scim, &address(number)).await);
        }
        let all: Vec<&str> = people.iter().map(String::as_str).collect();
        hubs::group(&stage.scim, "G-editor", &all).await;
        hubs::mapping(&stage.admin, "box", &json!({"user": address(0), "app_role": "viewer"})).await;
        let completed = async |query: &str| {
            let page = stage.admin.get(&format!("/api/v1/tasks?{query}&status=completed")).await.expect(200).json();
            page["items"].as_array().unwrap().len()
        };
        eventually("everybody is in both", SOON, async || completed("kind=add").await == 6).await;
        set_active(&stage.scim, &people[0], false).await;
        for hub in ["box", "other"] {
            let removals = format!("hub={hub}&kind=remove&user={}", people[0]);
            eventually("the leaver is out", SOON, async || completed(&removals).await == 1).await;
        }
        assert_eq!(completed("kind=remove").await, 2, "{}: nobody else", database.name);
        stage.until_role(&address(0), None).await;
    }
}
