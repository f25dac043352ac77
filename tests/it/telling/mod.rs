//! What other systems and people are told, with real parts on the other side: an HTTP endpoint that
//! verifies every signature by itself and fails in every way there is.

mod commands;
mod deliveries;
mod endpoints;
pub mod mail;
mod owners;
pub mod receiver;
mod smtp;

use serde_json::{Value, json};

use crate::support::http::Client;
use crate::support::server::Server;
use receiver::Receiver;

/// An endpoint of this receiver that hears `types`; its id and its secret, which the server's log
/// must not show.
async fn endpoint(server: &Server, admin: &Client, receiver: &Receiver, types: &[&str]) -> (String, String) {
    // The name is an endpoint's own.
    let name = format!("ops-{}", uuid::Uuid::new_v4().simple());
    let body = json!({"name": name, "url": receiver.url(), "types": types});
    let made = admin.post("/api/v1/webhooks", &body).await.expect(201).json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    server.watch("a signing secret", &secret);
    server.watch("the key in an endpoint's path", receiver::KEY);
    (made["id"].as_str().unwrap().to_owned(), secret)
}

/// The deliveries of an endpoint, newest first.
async fn deliveries(admin: &Client, id: &str, query: &str) -> Vec<Value> {
    let page = admin.get(&format!("/api/v1/webhooks/{id}/deliveries{query}")).await.expect(200).json();
    page["items"].as_array().unwrap().clone()
}

/// Send a trial; the delivery's id.
async fn trial(admin: &Client, id: &str) -> String {
    let reply = admin.post(&format!("/api/v1/webhooks/{id}/test"), &json!({})).await.expect(202).json();
    reply["delivery"].as_str().unwrap().to_owned()
}
