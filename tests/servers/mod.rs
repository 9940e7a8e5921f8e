//! Real servers, started by the tests for themselves on free ports and ended with them.

pub mod postgres;
pub mod preload;
pub mod proxy;
pub mod redis;
