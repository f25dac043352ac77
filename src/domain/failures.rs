//! Failed tasks in three groups, as people look at them (R6.8).

use serde::{Deserialize, Serialize};

use crate::domain::task::TaskKind;

/// What a failed task was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureGroup {
    /// Taking access away: the first to look at.
    UserAccessTermination,
    /// Giving or changing access.
    UserAccessManagement,
    /// Reading the app.
    RoutineSync,
}

impl FailureGroup {
    /// All of them, the most pressing first.
    pub const ALL: [Self; 3] = [Self::UserAccessTermination, Self::UserAccessManagement, Self::RoutineSync];

    /// The group of a kind of task.
    pub const fn of(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Remove => Self::UserAccessTermination,
            TaskKind::Add | TaskKind::UpdateRole => Self::UserAccessManagement,
            TaskKind::Sync => Self::RoutineSync,
        }
    }

    /// The kinds in it.
    pub fn kinds(self) -> Vec<TaskKind> {
        TaskKind::ALL.into_iter().filter(|kind| Self::of(*kind) == self).collect()
    }

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserAccessTermination => "user_access_termination",
            Self::UserAccessManagement => "user_access_management",
            Self::RoutineSync => "routine_sync",
        }
    }

    /// Read the word back; `None` for any other word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r6_8_every_kind_is_in_one_group() {
        let kinds: Vec<_> = FailureGroup::ALL.into_iter().flat_map(FailureGroup::kinds).collect();
        assert_eq!(kinds, [TaskKind::Remove, TaskKind::Add, TaskKind::UpdateRole, TaskKind::Sync]);
        for group in FailureGroup::ALL {
            assert_eq!(FailureGroup::from_word(group.as_str()), Some(group));
        }
    }
}
