//! A mapping and the people it is about arriving at the same moment: neither may miss the other.

use serde_json::json;

use super::{clients, group, manual_hub, mapping, tasks, user};
use crate::support::databases;
use crate::support::server::Server;

const ROUNDS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_and_its_people_arriving_together_always_meet() {
    for database in databases() {
        let server = Server::start(&database, &[]);
        let (admin, scim) = clients(&server);
        manual_hub(&admin, "wiki").await;
        for round in 0..ROUNDS {
            let person = user(&scim, &format!("p{round}@example.com")).await;
            let name = format!("team {round}");
            if round % 2 == 0 {
                // The group arrives while its name is mapped.
                let (body, members) = (json!({"group": name, "app_role": "member"}), [person.as_str()]);
                tokio::join!(mapping(&admin, "wiki", &body), group(&scim, &name, &members));
            } else {
                // The person joins while the group is mapped.
                let team = group(&scim, &name, &[]).await;
                let add = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                    "Operations": [{"op": "add", "path": "members", "value": [{"value": person}]}]});
                let (path, body) = (format!("/scim/v2/Groups/{team}"), json!({"group_id": team, "app_role": "member"}));
                let (_, joined) = tokio::join!(mapping(&admin, "wiki", &body), scim.patch(&path, &add));
                joined.expect(204);
            }
        }
        tasks(&admin, "hub=wiki&status=manual&limit=100", ROUNDS).await;
    }
}
