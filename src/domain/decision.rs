//! Decisions stick (DESIGN.md section 2.6): what was rejected, cancelled or failed for good is not
//! planned again while wanted and known stay what they were.

use sha2::{Digest, Sha256};

use crate::domain::member::{Member, Reason};
use crate::domain::plan::Standing;
use crate::domain::task::Effect;

/// What ended a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecisionKind {
    /// A person rejected a held batch or one task of it.
    Rejected,
    /// A person cancelled the task.
    Cancelled,
    /// The app refused it for good.
    Failed,
}

impl DecisionKind {
    /// The word in the database and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// By its stored word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "rejected" => Some(Self::Rejected),
            "cancelled" => Some(Self::Cancelled),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

/// A decision about one subject in one hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The [`digest`] it was made on.
    pub digest: Vec<u8>,
    /// What it was.
    pub kind: DecisionKind,
    /// Who made it: `token:<id>`, `worker`.
    pub decided_by: String,
    /// Why, in their words.
    pub note: Option<String>,
}

impl Decision {
    /// Whether this wish is the one it was about, on the same known state.
    pub fn still_holds(
        &self,
        effect: &Effect,
        reasons: &[Reason],
        member: Option<&Member>,
        standing: Standing,
    ) -> bool {
        self.digest == digest(effect, reasons, member, standing)
    }
}

/// The digest of a wish and of the state it was made on. The principal is not part of it: a new
/// surname must not repeat a task that a person cancelled. Whether they left is: "keep her" was said
/// of somebody who is still here.
pub fn digest(effect: &Effect, reasons: &[Reason], member: Option<&Member>, standing: Standing) -> Vec<u8> {
    let mut mappings: Vec<String> = reasons.iter().map(|r| format!("{}={}", r.mapping, r.app_role)).collect();
    mappings.sort();
    mappings.dedup();
    let mut content = serde_json::json!([
        effect.kind,
        effect.role,
        effect.assets,
        effect.suspend,
        mappings,
        member.map(|m| (m.known, m.known_role.as_deref(), m.remote_id.as_deref())),
        match standing {
            Standing::Stays => "stays",
            Standing::Left => "left",
        },
    ]);
    // Only where there is any, so that what was decided before stays decided. A corrected value is a new wish.
    if let Some(content) = content.as_array_mut().filter(|_| !effect.extra.is_empty()) {
        content.push(serde_json::json!(effect.extra));
    }
    Sha256::digest(content.to_string()).to_vec()
}
