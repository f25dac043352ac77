//! The API over a real server: hubs, secrets, mappings, plan with people, explain.

use serde_json::json;

use super::{clients, group, manual_hub, mapping, tasks, user};
use crate::support::databases;
use crate::support::server::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_is_made_changed_and_removed_and_never_shows_a_secret() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, _) = clients(&server);
        let wanted = json!({"id": "practice", "app": "sandbox", "label": "Practice",
            "connection": {"base_url": "http://127.0.0.1:9/scim/v2", "token": {"secret": "TOKEN"}},
            "secrets": {"TOKEN": "s3cr3t-one"}});
        let made = admin.post("/api/v1/hubs", &wanted).await.expect(201).json();
        assert_eq!((made["mode"].as_str(), made["secrets_missing"].as_array().unwrap().len()), (Some("observe"), 0));
        admin.post("/api/v1/hubs", &wanted).await.expect(409);

        // Everything wrong at once, and no environment of the server.
        let bad = json!({"id": "x", "app": "sandbox", "login": "sso",
            "connection": {"base_url": "ftp://x", "token": "written-out", "tokn": "y"}});
        let told = admin.post("/api/v1/hubs", &bad).await.expect(400);
        assert_eq!(told.header("content-type"), Some("application/problem+json"));
        let detail = told.json()["detail"].as_str().unwrap().to_owned();
        for part in ["https://", "must not be written out", "did you mean 'token'"] {
            assert!(detail.contains(part), "{part}: {detail}");
        }
        assert!(!detail.contains("written-out"));
        let env = json!({"connection": {"token": {"env": "PATH"}}});
        admin.patch("/api/v1/hubs/practice", &env).await.expect(403);
        let file = "[[hub]]\nid = \"e\"\napp = \"sandbox\"\nconnection = { base_url = \"http://127.0.0.1:9\", token = { env = \"PATH\" } }\n";
        let body = json!({"files": [{"name": "e.toml", "text": file}]});
        for path in ["/api/v1/plan", "/api/v1/apply"] {
            let told = admin.post(path, &body).await.expect(403).text();
            assert!(told.contains("e.toml:1"), "{told}");
        }

        // T-21: a new address forgets the secrets given for the old one.
        let label = admin.patch("/api/v1/hubs/practice", &json!({"label": "P"})).await.expect(200).json();
        assert!(label.get("secrets_cleared").is_none() && label["secrets_missing"] == json!([]));
        let moved = json!({"connection": {"base_url": "http://127.0.0.1:10/scim/v2"}});
        let moved = admin.patch("/api/v1/hubs/practice", &moved).await.expect(200).json();
        assert_eq!(moved["secrets_cleared"], json!(["TOKEN"]));
        assert_eq!(moved["secrets_missing"], json!(["TOKEN"]));
        admin.put("/api/v1/hubs/practice/secrets/TOKEN", &json!({"value": "s3cr3t-two"})).await.expect(204);
        admin.put("/api/v1/hubs/practice/secrets/OTHER", &json!({"value": "s3cr3t-two"})).await.expect(400);

        for path in [
            "/api/v1/hubs",
            "/api/v1/hubs/practice",
            "/api/v1/activity",
            "/api/v1/export",
            "/api/v1/status",
            "/api/v1/tasks",
            "/api/v1/problems",
        ] {
            let shown = admin.get(path).await.expect(200).text();
            assert!(!shown.contains("s3cr3t"), "{path}: {shown}");
        }
        assert!(!server.log().contains("s3cr3t"));

        // A reader reads; only an admin writes; SCIM tokens see nothing of it.
        let reader = server.client("read");
        reader.get("/api/v1/hubs/practice").await.expect(200);
        reader.delete("/api/v1/hubs/practice").await.expect(403);
        server.client("scim").get("/api/v1/hubs").await.expect(403);
        admin.delete("/api/v1/hubs/practice?reason=trial").await.expect(204);
        admin.get("/api/v1/hubs/practice").await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_waits_binds_once_and_changes_in_place() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        manual_hub(&admin, "wiki").await;
        let body = json!({"group": "Editors", "app_role": "member"});
        let id = mapping(&admin, "wiki", &body).await;
        let path = format!("/api/v1/hubs/wiki/mappings/{id}");
        assert_eq!(admin.get(&path).await.expect(200).json()["binding"]["state"], "waiting");
        let ann = user(&scim, "ann@example.com").await;
        let editors = group(&scim, "editors", &[&ann]).await;
        let bound = admin.get(&path).await.expect(200).json();
        assert_eq!((&bound["binding"]["state"], &bound["binding"]["id"]), (&json!("bound"), &json!(editors)));
        // The same identity: changed in place.
        let again = admin.put("/api/v1/hubs/wiki/mappings", &json!({"group": "EDITORS", "app_role": "admin"})).await;
        assert_eq!((again.status, again.json()["id"].as_str()), (200, Some(id.as_str())));
        let other = json!({"group": "Someone else", "app_role": "admin"});
        admin.put(&path, &other).await.expect(400);
        // A second group of the name is not taken; deletion leaves the mapping gone until a person binds it.
        let second = group(&scim, "Editors", &[]).await;
        scim.delete(&format!("/scim/v2/Groups/{editors}")).await.expect(204);
        assert_eq!(admin.get(&path).await.expect(200).json()["binding"]["state"], "gone");
        let text = admin.get("/api/v1/export").await.expect(200).json()["text"].clone();
        let plan = admin.post("/api/v1/plan", &json!({"files": [{"name": "all.toml", "text": text}]})).await;
        let notes = plan.expect(200).json()["notes"].to_string();
        assert!(notes.contains("/bind"), "the plan says what ends it: {notes}");
        let anew = admin.post(&format!("{path}/bind"), &json!({})).await.expect(200).json();
        assert_eq!(anew["binding"]["id"], json!(second));
        admin.delete(&path).await.expect(204);
        admin.get(&path).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_names_the_people_it_reaches() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        let ann = user(&scim, "ann@example.com").await;
        let bob = user(&scim, "bob@example.com").await;
        group(&scim, "editors", &[&ann, &bob]).await;
        group(&scim, "admins", &[&bob]).await;
        let file = "[[hub]]\nid = \"wiki\"\napp = \"manual\"\nmode = \"active\"\nsettle = \"0s\"\n\
                    [[hub.mapping]]\ngroup = \"editors\"\napp_role = \"member\"\n";
        let more = format!("{file}[[hub.mapping]]\ngroup = \"admins\"\napp_role = \"admin\"\n");
        let body = |text: &str| json!({"files": [{"name": "hubs.toml", "text": text}]});
        let plan = admin.post("/api/v1/plan", &body(file)).await.expect(200).json();
        let effect = &plan["effects"][0];
        assert_eq!((&effect["adds"], &effect["promotes"]), (&json!(2), &json!(0)), "{plan}");
        assert_eq!(effect["people"][0]["user"], "ann@example.com");
        assert_eq!(admin.get("/api/v1/hubs").await.expect(200).json()["items"], json!([]), "a plan writes nothing");
        admin.post("/api/v1/apply", &body(file)).await.expect(200);
        for task in tasks(&admin, "status=manual", 2).await {
            let path = format!("/api/v1/tasks/{}/done", task["id"].as_str().unwrap());
            admin.post(&path, &json!({"note": "invited"})).await.expect(200);
        }
        let plan = admin.post("/api/v1/plan", &body(&more)).await.expect(200).json();
        let effect = &plan["effects"][0];
        assert_eq!(
            (&effect["adds"], &effect["promotes"], &effect["removes"]),
            (&json!(0), &json!(1), &json!(0)),
            "{plan}"
        );
        let person = &effect["people"][0];
        assert_eq!(
            (&person["user"], &person["from"], &person["to"]),
            (&json!("bob@example.com"), &json!("member"), &json!("admin"))
        );
        admin.post("/api/v1/apply", &body(&more)).await.expect(200);
        let plan = admin.post("/api/v1/plan", &body(&more)).await.expect(200).json();
        assert_eq!((&plan["hubs"], &plan["mappings"], &plan["effects"]), (&json!([]), &json!([]), &json!([])));
    }
}

#[tokio::test]
async fn what_hides_in_a_name_is_refused_and_named() {
    for database in crate::support::databases() {
        let server = crate::support::server::Server::start(&database, &[]);
        let admin = server.client("admin");
        for (label, named) in
            [("ads\u{202e}gnp.exe", "U+202E"), ("a\u{2066}b", "U+2066"), ("Meta\u{200b} Ads", "U+200B")]
        {
            let body = json!({"id": "ads", "app": "manual", "label": label});
            let told = admin.post("/api/v1/hubs", &body).await.expect(400).json();
            assert_eq!(told["errors"][0]["field"], "label", "{}: {told}", database.name);
            assert!(told["errors"][0]["detail"].as_str().unwrap().contains(named), "{told}");
            let told = admin.post("/api/v1/teams", &json!({"name": label})).await.expect(400).text();
            assert!(told.contains(named), "{told}");
            let told = admin.post("/api/v1/partners", &json!({"name": label})).await.expect(400).text();
            assert!(told.contains(named), "{told}");
        }
        let fine = json!({"id": "ads", "app": "manual", "label": "\u{5e9}\u{5dc}\u{5d5}\u{5dd} & Zo\u{eb}"});
        admin.post("/api/v1/hubs", &fine).await.expect(201);
    }
}
