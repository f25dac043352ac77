//! The API below `/api/v1`.

pub mod activity;
pub mod audit;
pub mod drift;
pub mod erasure;
pub mod files;
pub mod hubs;
pub mod items;
pub mod managers;
pub mod mappings;
pub mod members;
pub mod notifications;
pub mod partners;
pub mod people;
pub mod sources;
pub mod status;
pub mod tasks;
pub mod teams;
pub mod tokens;
pub mod undo;
pub mod webhooks;
pub mod workspaces;
