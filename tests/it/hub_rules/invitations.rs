//! Invitations that are not accepted yet, against the practice app as one that invites: roles wait,
//! the last lost grant takes them back, what ran out is sent again, and who is invited and not shown
//! is not taken for gone.

use std::time::Duration;

use scimhub::sandbox::Invites;
use serde_json::{Value, json};

use super::Stage;
use crate::hubs::{self, SOON};
use crate::support::http::Client;
use crate::support::{databases, eventually};

const ANN: &str = "ann@example.com";

/// People are invited from now on.
fn invites(stage: &Stage, seconds: Option<u64>, listed: bool) {
    stage.app.set_invites(Invites::On { lasts: seconds.map(Duration::from_secs), listed });
}

/// What took effect in the app, in order.
fn effects(stage: &Stage) -> Vec<String> {
    let state = stage.app.state();
    let all = state["spaces"]["box"]["effects"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect()
}

/// The app's id of the one seat or invitation there is.
fn seat(stage: &Stage) -> String {
    stage.app.state()["spaces"]["box"]["seats"][0]["id"].as_str().unwrap().to_owned()
}

/// The invited person follows the link, in a browser without any credential.
async fn accept(stage: &Stage) {
    let browser = Client::anonymous(&stage.app.base());
    let link = format!("/join/box/{}", seat(stage));
    assert!(browser.get(&link).await.expect(200).text().contains("Accept"));
    browser.post(&link, &json!({})).await.expect(200);
    browser.post(&link, &json!({})).await.expect(404);
}

async fn until(stage: &Stage, user: &str, known: &str, status: &str) -> Value {
    let mut row = Value::Null;
    eventually(&format!("{known}, {status}"), SOON, async || {
        row = stage.member_of(user).await.unwrap_or_default();
        (&row["known"], &row["status"]) == (&json!(known), &json!(status))
    })
    .await;
    row
}

/// Ann, invited as a viewer through a group; the ids of her and of both groups.
async fn invited(stage: &Stage) -> (String, String, String) {
    for (group, role) in [("viewers", "viewer"), ("editors", "editor")] {
        hubs::mapping(&stage.admin, "box", &json!({"group": group, "app_role": role})).await;
    }
    let ann = hubs::user(&stage.scim, ANN).await;
    let viewers = hubs::group(&stage.scim, "viewers", &[&ann]).await;
    let editors = hubs::group(&stage.scim, "editors", &[]).await;
    until(stage, &ann, "pending", "pending_invite_claim").await;
    stage.at_rest().await;
    assert_eq!(effects(stage), ["invite"]);
    (ann, viewers, editors)
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_12_a_role_waits_for_the_accepted_invitation() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        invites(&stage, None, true);
        let (ann, _, editors) = invited(&stage).await;
        stage.membership(&editors, "add", &ann).await;
        let waiting = hubs::tasks(&stage.admin, "hub=box&status=waiting", 1).await.remove(0);
        let wanted = (&json!("update_role"), &json!("editor"));
        assert_eq!((&waiting["kind"], &waiting["role"]), wanted, "{}", database.name);
        // Seen again and not accepted yet: still kept, and nothing was sent that the app would refuse.
        stage.sync().await;
        hubs::tasks(&stage.admin, "hub=box&status=waiting", 1).await;
        assert_eq!((effects(&stage), stage.role_in_app(ANN).await), (vec!["invite".into()], Some("viewer".into())));
        accept(&stage).await;
        stage.sync().await;
        stage.until_role(ANN, Some("editor")).await;
        stage.at_rest().await;
        until(&stage, &ann, "active", "").await;
        assert_eq!(effects(&stage), ["invite", "accept", "role"], "{}", database.name);
        assert_eq!(stage.kinds().await, ["add", "update_role"], "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_13_an_open_invitation_goes_with_the_last_grant() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        invites(&stage, None, true);
        let (ann, viewers, _) = invited(&stage).await;
        stage.membership(&viewers, "remove", &ann).await;
        stage.until_role(ANN, None).await;
        stage.at_rest().await;
        assert_eq!(effects(&stage), ["invite", "revoke"], "{}", database.name);
        until(&stage, &ann, "absent", "removed").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r6_6_an_invitation_that_ran_out_is_sent_again() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        invites(&stage, Some(1), true);
        let (ann, viewers, _) = invited(&stage).await;
        let member = until(&stage, &ann, "pending", "invite_expired").await["id"].as_str().unwrap().to_owned();
        let link = format!("/join/box/{}", seat(&stage));
        Client::anonymous(&stage.app.base()).post(&link, &json!({})).await.expect(410);
        // A sync that sees it invites nobody by itself.
        stage.sync().await;
        until(&stage, &ann, "pending", "invite_expired").await;
        assert_eq!(effects(&stage), ["invite"], "{}", database.name);
        invites(&stage, None, true);
        stage.act(&member, "resend", &json!({})).await.expect(200);
        until(&stage, &ann, "pending", "pending_invite_claim").await;
        stage.at_rest().await;
        assert_eq!(effects(&stage), ["invite", "revoke", "invite"], "{}", database.name);
        // One that is still open is sent again as well, and there is never a second one beside it.
        stage.act(&member, "resend", &json!({})).await.expect(200);
        eventually("another one", SOON, async || effects(&stage).len() == 5).await;
        stage.at_rest().await;
        assert_eq!(stage.app.state()["spaces"]["box"]["duplicates"], 0);
        assert_eq!(stage.app.state()["spaces"]["box"]["seats"].as_array().unwrap().len(), 1);
        accept(&stage).await;
        stage.sync().await;
        until(&stage, &ann, "active", "").await;
        let reply = stage.act(&member, "resend", &json!({})).await.expect(409);
        assert!(reply.text().contains("no invitation"), "{}", reply.text());
        assert_eq!(stage.told("member.invited_again").await.len(), 2);
        assert_eq!(effects(&stage), ["invite", "revoke", "invite", "revoke", "invite", "accept"], "{}", database.name);
        // Of somebody whom nothing gives a seat any more, there is nothing to send.
        let bob = hubs::user(&stage.scim, "bob@example.com").await;
        stage.membership(&viewers, "add", &bob).await;
        let row = until(&stage, &bob, "pending", "pending_invite_claim").await;
        stage.admin.post("/api/v1/pause", &json!({"hub": "box"})).await.expect(204);
        stage.membership(&viewers, "remove", &bob).await;
        stage.act(row["id"].as_str().unwrap(), "resend", &json!({})).await.expect(409);
    }
}

/// The practice app as one that shows nobody who is invited.
fn hiding() -> String {
    let manifest = include_str!("../../../apps/sandbox.toml");
    manifest.replace("id = \"sandbox\"", "id = \"sandbox\"\ninvites_visible = false")
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_10_who_is_invited_and_not_listed_is_not_taken_for_gone() {
    for database in databases() {
        let stage = Stage::of_app(&database, "0s", &hiding()).await;
        invites(&stage, None, false);
        let (ann, viewers, _) = invited(&stage).await;
        assert_eq!(stage.seats.get("/Users").await.expect(200).json()["totalResults"], 0, "{}", database.name);
        stage.sync().await;
        until(&stage, &ann, "pending", "pending_invite_claim").await;
        // Nobody can take back what the app does not show: a person is asked, and nothing looks done.
        stage.membership(&viewers, "remove", &ann).await;
        let item = hubs::tasks(&stage.admin, "hub=box&status=manual", 1).await.remove(0);
        assert_eq!(item["kind"], "remove", "{}: {item}", database.name);
        stage.membership(&viewers, "add", &ann).await;
        stage.at_rest().await;
        accept(&stage).await;
        stage.sync().await;
        until(&stage, &ann, "active", "").await;
        // Joined, they are seen like anybody else: gone from the list is gone.
        stage.seats.delete(&format!("/Users/{}", seat(&stage))).await.expect(204);
        let task = stage.admin.post("/api/v1/hubs/box/sync", &json!({"accept_removals": true})).await.expect(202);
        let id = task.json()["id"].as_str().unwrap().to_owned();
        eventually("seen to be gone", SOON, async || {
            stage.admin.get(&format!("/api/v1/tasks/{id}")).await.expect(200).json()["status"] == "completed"
        })
        .await;
        until(&stage, &ann, "absent", "removed").await;
        assert_eq!(effects(&stage), ["invite", "accept", "delete"], "{}", database.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_10_an_invitation_that_is_not_listed_still_runs_out_and_is_sent_again() {
    for database in databases() {
        let stage = Stage::of_app(&database, "0s", &hiding()).await;
        invites(&stage, Some(1), false);
        let (ann, _, _) = invited(&stage).await;
        until(&stage, &ann, "pending", "invite_expired").await;
        stage.sync().await;
        let member = until(&stage, &ann, "absent", "invite_expired").await["id"].as_str().unwrap().to_owned();
        invites(&stage, None, false);
        stage.act(&member, "resend", &json!({})).await.expect(200);
        until(&stage, &ann, "pending", "pending_invite_claim").await;
        accept(&stage).await;
        stage.sync().await;
        until(&stage, &ann, "active", "").await;
        assert_eq!(effects(&stage), ["invite", "revoke", "invite", "accept"], "{}", database.name);
    }
}

/// Who is only invited to be the app's admin is none yet: the guard keeps no leaver's invitation open.
#[tokio::test(flavor = "multi_thread")]
async fn r4_13_a_leavers_invitation_to_be_admin_is_taken_back_at_once() {
    for database in databases() {
        let stage = Stage::new(&database, "0s").await;
        invites(&stage, None, true);
        let nia = hubs::user(&stage.scim, "nia@example.com").await;
        hubs::mapping(&stage.admin, "box", &json!({"user": "nia@example.com", "app_role": "admin"})).await;
        until(&stage, &nia, "pending", "pending_invite_claim").await;
        stage.at_rest().await;
        super::set_active(&stage.scim, &nia, false).await;
        eventually("the invitation is taken back", SOON, async || effects(&stage).len() == 2).await;
        stage.at_rest().await;
        let held = stage.admin.get("/api/v1/held").await.expect(200).json();
        assert_eq!(held["items"], json!([]), "{}", database.name);
    }
}
