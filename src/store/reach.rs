//! Which rows a caller may see: those of one source, or (scope `admin`) of all sources of the
//! workspace. There is no value for "any workspace".

use crate::base::ids::SourceId;

/// The sources a query covers, always inside one workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reach {
    /// One source; rows of the others do not exist for this caller.
    Source(SourceId),
    /// Every source of the workspace: reading by administrators only.
    Workspace,
}

impl Reach {
    /// Is a row of `source` inside?
    pub fn covers(self, source: SourceId) -> bool {
        match self {
            Self::Source(own) => own == source,
            Self::Workspace => true,
        }
    }
}
