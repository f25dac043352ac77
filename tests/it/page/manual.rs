//! What must be done by hand: the steps for that app and person, and noting it as done.

use super::visitor::Visitor;
use super::{group, manual_hub, mapping, tasks_of, user_named};
use crate::support::databases;
use crate::support::server::Server;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn manual_items_show_their_steps_and_are_noted_as_done() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = (server.client("admin"), server.client("scim"));
        for hub in ["wiki", "forum"] {
            manual_hub(&admin, hub).await;
            mapping(&admin, hub, &json!({"group": "editors", "app_role": "member"})).await;
        }
        let ann = user_named(&scim, "ann@example.com", "Ann Adler").await;
        group(&scim, "editors", &[&ann]).await;
        let item = tasks_of(&admin, "hub=wiki&status=manual", 1).await.remove(0);
        tasks_of(&admin, "hub=forum&status=manual", 1).await;
        let id = item["id"].as_str().unwrap();
        let me = Visitor::signed_in(&server.base, &server.token("admin")).await;
        let all = me.get("/manual").await.expect(200).text();
        assert_eq!(all.matches("<pre>").count(), 2, "{}: over all hubs: {all}", database.name);
        let wiki = me.get("/manual?hub=wiki").await.expect(200).text();
        assert_eq!(wiki.matches("<pre>").count(), 1, "{wiki}");
        assert!(wiki.contains("ann@example.com") && wiki.contains(&format!("/tasks/{id}/decide")), "{wiki}");
        let reader = Visitor::signed_in(&server.base, &server.token("read")).await;
        assert!(!reader.get("/manual").await.expect(200).text().contains("/decide"), "a reader cannot act");
        let proof = me.proof().await;
        let decide = format!("/tasks/{id}/decide");
        me.post(&decide, &[("proof", &proof), ("act", "done"), ("note", "")]).await.expect(400);
        me.post(&decide, &[("proof", &proof), ("act", "done"), ("note", "Bo added her")]).await.expect(303);
        let closed = admin.get(&format!("/api/v1/tasks/{id}")).await.expect(200).json();
        assert_eq!((&closed["status"], &closed["note"]), (&json!("completed"), &json!("Bo added her")));
        assert!(me.get("/manual?hub=wiki").await.expect(200).text().contains("Nothing to do by hand."));
    }
}
