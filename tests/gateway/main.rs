//! The gateway as its users meet it: the real process, in front of a real server, over sockets.

mod anytime;
mod contract;
mod crash;
mod duplicates;
mod faults;
mod harness;
mod headers;
mod problems;
mod shutdown;
mod waiting;
