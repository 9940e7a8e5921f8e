//! The commands, one file each.

pub mod check;
mod page;
pub mod schema;
