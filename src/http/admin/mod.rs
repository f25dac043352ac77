//! The API below `/api/v1`.

pub mod sources;
pub mod status;
pub mod tokens;
pub mod workspaces;
