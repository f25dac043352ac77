//! Okta, as a catalog app with group push talks (idp-behaviour.md, "Okta"): asks by userName
//! before it creates, sends a password nobody wants, pushes groups empty and fills them by PATCH,
//! deactivates with a PATCH without a path, and never deletes a user.

use serde_json::{Value, json};

use super::Person;
use super::line::{Line, SimulateError};

/// An Okta organisation connected to one SCIM server.
#[derive(Debug)]
pub struct Okta {
    line: Line,
}

impl Okta {
    /// Okta on this line.
    pub fn new(line: Line) -> Self {
        Self { line: line.speak_as("Okta SCIM Client 1.0.0", "application/scim+json; charset=utf-8") }
    }

    /// The ids the server gave.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// "Test Connector Configuration".
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn test_connection(&self) -> Result<(), SimulateError> {
        self.line.find("Users", &[("startIndex", "1"), ("count", "2")]).await?;
        self.line.find("Groups", &[("startIndex", "1"), ("count", "100")]).await?;
        Ok(())
    }

    /// Assign the app to a person.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn assign(&mut self, person: &Person) -> Result<(), SimulateError> {
        let filter = format!("userName eq {}", Value::String(person.user_name.clone()));
        let found = self.line.find("Users", &[("filter", &filter), ("startIndex", "1"), ("count", "100")]).await?;
        let id = match found {
            Some(id) => {
                self.line.patch("Users", &id, json!([{"op": "replace", "value": {"active": true}}])).await?;
                id
            }
            None => {
                let body = json!({
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                    "userName": person.user_name,
                    "name": {"givenName": person.given_name, "familyName": person.family_name},
                    "emails": [{"primary": true, "value": person.user_name, "type": "work"}],
                    "displayName": person.display_name(),
                    "locale": "en-US",
                    "externalId": person.external_id,
                    "groups": [],
                    // Sent in every create, password sync or not.
                    "password": "1mz050nq",
                    "active": true,
                });
                self.line.create("Users", &body).await?
            }
        };
        self.line.keep_user(&person.user_name, id);
        Ok(())
    }

    /// Push a group: empty first, then its members.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn push_group(&mut self, name: &str, members: &[&Person]) -> Result<(), SimulateError> {
        let filter = format!("displayName eq {}", Value::String(name.to_owned()));
        let found = self.line.find("Groups", &[("filter", &filter), ("startIndex", "1"), ("count", "100")]).await?;
        let id = match found {
            Some(id) => id,
            None => {
                let body = json!({
                    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": name, "members": [],
                });
                self.line.create("Groups", &body).await?
            }
        };
        self.line.keep_group(name, id.clone());
        let mut list = Vec::new();
        for person in members {
            list.push(json!({"value": self.line.known_user(&person.user_name)?, "display": person.user_name}));
        }
        self.line.patch("Groups", &id, json!([{"op": "add", "path": "members", "value": list}])).await
    }

    /// The next push of a group after people joined or left; the name is always sent along.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn push_changes(&self, group: &str, joined: &[&Person], left: &[&Person]) -> Result<(), SimulateError> {
        let id = self.line.known_group(group)?;
        let mut operations = vec![json!({"op": "replace", "value": {"id": id, "displayName": group}})];
        for person in left {
            let user = self.line.known_user(&person.user_name)?;
            operations.push(json!({"op": "remove", "path": format!("members[value eq \"{user}\"]")}));
        }
        let mut list = Vec::new();
        for person in joined {
            list.push(json!({"value": self.line.known_user(&person.user_name)?, "display": person.user_name}));
        }
        if !list.is_empty() {
            operations.push(json!({"op": "add", "path": "members", "value": list}));
        }
        self.line.patch("Groups", id, Value::Array(operations)).await
    }

    /// Deactivate a person: a PATCH without a path. The memberships stay as they are.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn deactivate(&self, person: &Person) -> Result<(), SimulateError> {
        let id = self.line.known_user(&person.user_name)?;
        self.line.patch("Users", id, json!([{"op": "replace", "value": {"active": false}}])).await
    }
}
