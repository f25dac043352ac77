//! Invitations that are not accepted yet: roles wait, the last lost grant takes them back, what ran
//! out is sent again. The practice app invites nobody, so a row is put into the state that an app
//! which does would have led to; everything before and after goes through the real parts.

use std::time::Duration;

use scimhub::base::clock::{Clock as _, SystemClock};
use scimhub::base::ids::{UserId, WorkspaceId};
use scimhub::domain::member::{MemberStatus, Presence};
use scimhub::store::{StoreError, hub_members, hubs as hub_rows, marks};
use serde_json::json;

use super::Stage;
use crate::hubs::{self, SOON};
use crate::support::{Database, databases, eventually};

const ANN: &str = "ann@example.com";

/// The account of this person is as an app with invitations would show it.
async fn stands(database: &Database, user: &str, presence: Presence, ran_out: bool) {
    let store = database.open();
    let user: UserId = user.parse().unwrap();
    store
        .write(move |tx| {
            let workspace = WorkspaceId(1);
            let hub = hub_rows::by_slug(tx, workspace, "box")?;
            let now = SystemClock::new().now();
            let mut member = hub_members::by_user(tx, workspace, hub.id, user)?.unwrap();
            member.known = presence;
            member.status = match presence {
                Presence::Pending => MemberStatus::PendingInviteClaim,
                _ => MemberStatus::Settled,
            };
            hub_members::update(tx, workspace, &member, "sync", now)?;
            let day = Duration::from_secs(24 * 60 * 60);
            let end = if ran_out { now.minus(day) } else { now.plus(day) };
            hub_members::invited(tx, workspace, member.id, now, Some(end))?;
            marks::touch(tx, workspace, hub.id, user, now)?;
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
}

/// Ann, invited as a viewer through a group; the ids of her and of the editors' group.
async fn invited(stage: &Stage, database: &Database, ran_out: bool) -> (String, String, String) {
    for (group, role) in [("viewers", "viewer"), ("editors", "editor")] {
        hubs::mapping(&stage.admin, "box", &json!({"group": group, "app_role": role})).await;
    }
    let ann = hubs::user(&stage.scim, ANN).await;
    let viewers = hubs::group(&stage.scim, "viewers", &[&ann]).await;
    let editors = hubs::group(&stage.scim, "editors", &[]).await;
    stage.until_role(ANN, Some("viewer")).await;
    stage.at_rest().await;
    stands(database, &ann, Presence::Pending, ran_out).await;
    stage.at_rest().await;
    (ann, viewers, editors)
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_12_a_role_waits_for_the_accepted_invitation() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (ann, _, editors) = invited(&stage, &database, false).await;
        stage.membership(&editors, "add", &ann).await;
        let waiting = hubs::tasks(&stage.admin, "hub=box&status=waiting", 1).await.remove(0);
        assert_eq!(
            (&waiting["kind"], &waiting["role"]),
            (&json!("update_role"), &json!("editor")),
            "{}",
            database.name
        );
        assert_eq!(stage.role_in_app(ANN).await.as_deref(), Some("viewer"), "{}: kept, not sent", database.name);
        stands(&database, &ann, Presence::Active, false).await;
        // Opening the database a second time nudges nobody: the server's own poll finds the mark.
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await, ["add", "update_role"], "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_13_an_open_invitation_goes_with_the_last_grant() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (ann, viewers, _) = invited(&stage, &database, false).await;
        stage.membership(&viewers, "remove", &ann).await;
        stage.until_role(ANN, None).await;
        stage.at_rest().await;
        assert_eq!(stage.kinds().await, ["add", "remove"], "{}", database.name);
        assert_eq!(stage.member_of(&ann).await.unwrap()["known"], "absent", "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_6_an_invitation_that_ran_out_is_sent_again() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        let (ann, viewers, _) = invited(&stage, &database, true).await;
        eventually("it ran out", SOON, async || stage.member_of(&ann).await.unwrap()["status"] == "invite_expired")
            .await;
        let member = stage.member_of(&ann).await.unwrap()["id"].as_str().unwrap().to_owned();
        stage.act(&member, "resend", &json!({})).await.expect(200);
        eventually("she is invited again", SOON, async || stage.kinds().await == ["add", "add"]).await;
        stage.at_rest().await;
        let row = stage.member_of(&ann).await.unwrap();
        assert_eq!((&row["known"], &row["status"]), (&json!("active"), &json!("")), "{}: {row}", database.name);
        let reply = stage.act(&member, "resend", &json!({})).await.expect(409);
        assert!(reply.text().contains("no invitation"), "{}", reply.text());
        assert_eq!(stage.told("member.invited_again").await.len(), 1);
        // Of somebody whom nothing gives a seat any more, there is nothing to send.
        stands(&database, &ann, Presence::Pending, false).await;
        stage.admin.post("/api/v1/pause", &json!({"hub": "box"})).await.expect(204);
        stage.membership(&viewers, "remove", &ann).await;
        stage.act(&member, "resend", &json!({})).await.expect(409);
    }
}
