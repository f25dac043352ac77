//! Apps that nobody automates: every change becomes an item for a person, with instructions.

use async_trait::async_trait;

use crate::domain::app::App;
use crate::domain::instructions;
use crate::domain::task::Effect;
use crate::engine::connector::{
    AttemptContext, Capabilities, Checked, Connector, Failure, FailureClass, Outcome, Page, Seen,
};

/// A person does it.
#[derive(Debug)]
pub(super) struct Manual {
    app: App,
    hub: String,
}

impl Manual {
    /// For a hub of this app and label.
    pub(super) fn new(app: App, hub: String) -> Self {
        Self { app, hub }
    }
}

#[async_trait]
impl Connector for Manual {
    fn kind(&self) -> &'static str {
        "manual"
    }

    fn describe(&self) -> Capabilities {
        Capabilities {
            list: false,
            invites: false,
            role_change_while_pending: false,
            suspend: false,
            write_concurrency: 1,
        }
    }

    async fn check(&self, _context: &AttemptContext) -> Result<Checked, Failure> {
        Ok(Checked {
            account: None,
            seats: None,
            warnings: vec![String::from("This app is not automated: every change is an item for a person.")],
        })
    }

    async fn list(&self, _cursor: Option<String>, _context: &AttemptContext) -> Result<Page, Failure> {
        Err(Failure::new(FailureClass::NotSupported, "the members of this app cannot be read automatically"))
    }

    async fn apply(&self, effect: &Effect, _context: &AttemptContext) -> Result<Outcome, Failure> {
        Err(Failure::new(FailureClass::NeedsHuman, instructions::write(&self.app, &self.hub, effect)))
    }

    async fn verify(&self, _intent: &Effect, _context: &AttemptContext) -> Result<Seen, Failure> {
        Ok(Seen::Unknown)
    }
}
