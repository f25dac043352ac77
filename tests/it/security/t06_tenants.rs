//! T-06: the tenant comes from the credential and from nowhere else. What exists of credentials,
//! sources and workspaces; users and groups have their own matrix.

use serde_json::json;

use crate::support::databases;
use crate::support::http::Client;
use crate::support::server::Server;

#[tokio::test]
async fn t06_an_admin_sees_and_changes_only_its_own_workspace() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        for name in ["north", "south"] {
            let output = server.run(&["workspace", "create", name]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        let north = Client::new(&server.base, &server.token_for("north", "default", "admin"));
        let south = Client::new(&server.base, &server.token_for("south", "default", "admin"));

        // Equal names in both are two different things.
        for client in [&north, &south] {
            client.post("/api/v1/sources", &json!({"name": "okta", "preset": "okta"})).await.expect(201);
            client.post("/api/v1/sources", &json!({"name": "okta"})).await.expect(409);
        }
        north.post("/api/v1/sources", &json!({"name": "only-north"})).await.expect(201);
        let made = north.post("/api/v1/tokens", &json!({"name": "n", "scope": "scim", "source": "only-north"})).await;
        let made = made.expect(201).json();
        let id = made["details"]["id"].as_str().unwrap();

        // South knows of none of it, and is told exactly what it is told of a token that never was.
        let listed = south.get("/api/v1/tokens").await.expect(200).text();
        assert!(!listed.contains(id) && !listed.contains("only-north"), "{listed}");
        let listed = south.get("/api/v1/sources").await.expect(200).text();
        assert!(!listed.contains("only-north"), "{listed}");
        let listed = south.get("/api/v1/workspaces").await.expect(200).json();
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(listed["items"][0]["name"], "south");
        let foreign = south.delete(&format!("/api/v1/tokens/{id}")).await.expect(404);
        let unknown = south.delete("/api/v1/tokens/01890a5d-ac96-774b-bcce-b302099a8057").await.expect(404);
        assert_eq!(foreign.text(), unknown.text());
        let reply = south.post("/api/v1/tokens", &json!({"name": "s", "scope": "scim", "source": "only-north"})).await;
        reply.expect(400);

        // Naming another workspace anywhere else changes nothing.
        for header in ["x-workspace", "x-tenant-id", "x-scimhub-workspace"] {
            let reply = south.send("GET", "/api/v1/status?workspace=north", &[(header, "north")], None).await;
            assert_eq!(reply.expect(200).json()["workspace"]["name"], "south");
        }
        let reply = south.post("/api/v1/sources", &json!({"name": "x", "workspace": "north"})).await;
        reply.expect(400);

        let token = made["token"].as_str().unwrap();
        assert_eq!(Client::new(&server.base, token).get("/api/v1/status").await.status, 403, "still living");
    }
}
