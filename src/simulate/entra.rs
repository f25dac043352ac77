//! Entra ID in its default dialect (idp-behaviour.md, "Microsoft Entra ID"): matches first, makes
//! groups without members and fills them afterwards, capital `Add` and `Remove` with value lists,
//! `"False"` as text, and never sends a membership again after a restore.

use serde_json::{Value, json};

use super::Person;
use super::line::{Line, SimulateError};

/// An Entra tenant's enterprise application connected to one SCIM server.
#[derive(Debug)]
pub struct Entra {
    line: Line,
}

impl Entra {
    /// Entra on this line.
    pub fn new(line: Line) -> Self {
        Self { line: line.speak_as("AzureAD-Provisioning", "application/scim+json; charset=utf-8") }
    }

    /// The ids the server gave.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// "Test Connection": a search for somebody who does not exist; an empty list is wanted.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn test_connection(&self) -> Result<(), SimulateError> {
        let nobody = "userName eq \"0cd3bf7a-2f5a-4b3a-9a5e-c9a7a2f2a111\"";
        match self.line.find("Users", &[("filter", nobody)]).await? {
            None => Ok(()),
            Some(_) => Err(SimulateError::Odd { what: String::from("GET /Users"), missing: "empty list" }),
        }
    }

    /// Bring a person into the app, in the first part of a cycle.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn provision(&mut self, person: &Person) -> Result<(), SimulateError> {
        let filter = format!("userName eq {}", Value::String(person.user_name.clone()));
        let id = match self.line.find("Users", &[("filter", &filter)]).await? {
            Some(id) => {
                self.line.read("Users", &id, &[]).await?;
                self.line.patch("Users", &id, json!([{"op": "Replace", "path": "active", "value": "True"}])).await?;
                id
            }
            None => {
                let body = json!({
                    "schemas": [
                        "urn:ietf:params:scim:schemas:core:2.0:User",
                        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                    ],
                    "externalId": person.external_id,
                    "userName": person.user_name,
                    "active": true,
                    "displayName": person.display_name(),
                    "emails": [{"primary": true, "type": "work", "value": person.user_name}],
                    "meta": {"resourceType": "User"},
                    "name": {
                        "formatted": person.display_name(),
                        "familyName": person.family_name,
                        "givenName": person.given_name,
                    },
                    "addresses": null,
                    "roles": [],
                });
                self.line.create("Users", &body).await?
            }
        };
        self.line.keep_user(&person.user_name, id);
        Ok(())
    }

    /// Bring a group in, later in the cycle: without members, then the references.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn provision_group(
        &mut self,
        name: &str,
        external_id: &str,
        members: &[&Person],
    ) -> Result<(), SimulateError> {
        let filter = format!("displayName eq {}", Value::String(name.to_owned()));
        let query = [("excludedAttributes", "members"), ("filter", filter.as_str())];
        let id = match self.line.find("Groups", &query).await? {
            Some(id) => id,
            None => {
                let body = json!({
                    "schemas": [
                        "urn:ietf:params:scim:schemas:core:2.0:Group",
                        "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
                    ],
                    "externalId": external_id,
                    "displayName": name,
                    "meta": {"resourceType": "Group"},
                });
                self.line.create("Groups", &body).await?
            }
        };
        self.line.read("Groups", &id, &[("excludedAttributes", "members")]).await?;
        self.line.keep_group(name, id);
        self.change_members(name, "Add", members).await
    }

    /// Members who left, in a later cycle.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn remove_members(&self, group: &str, members: &[&Person]) -> Result<(), SimulateError> {
        self.change_members(group, "Remove", members).await
    }

    /// Members who joined, in a later cycle.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn add_members(&self, group: &str, members: &[&Person]) -> Result<(), SimulateError> {
        self.change_members(group, "Add", members).await
    }

    async fn change_members(&self, group: &str, op: &str, members: &[&Person]) -> Result<(), SimulateError> {
        let mut list = Vec::new();
        for person in members {
            let user = self.line.known_user(&person.user_name)?;
            // An Add carries an empty reference, a Remove the bare value.
            list.push(if op == "Add" { json!({"$ref": null, "value": user}) } else { json!({"value": user}) });
        }
        let operations = json!([{"op": op, "path": "members", "value": list}]);
        self.line.patch("Groups", self.line.known_group(group)?, operations).await
    }

    /// Unassigned, blocked or soft-deleted: `active` becomes the text `"False"`.
    ///
    /// # Errors
    /// What an admin would see.
    pub async fn disable(&self, person: &Person) -> Result<(), SimulateError> {
        let id = self.line.known_user(&person.user_name)?;
        self.line.patch("Users", id, json!([{"op": "Replace", "path": "active", "value": "False"}])).await
    }
}
