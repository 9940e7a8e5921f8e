//! Real servers, which the tests start on free ports and end with themselves.

pub mod postgres;
pub mod preload;
pub mod proxy;
pub mod redis;
