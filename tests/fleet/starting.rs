//! Log messages of a starting gateway about a shared store.

use crate::harness::{Gateway, Settings, Upstream};
use crate::servers::redis::Server;

/// Such a store is not refused, but an operator should learn of the risk before its first restart.
#[tokio::test]
async fn a_redis_that_forgets_is_warned_of() {
    let upstream = Upstream::start().await;
    for (settings, warned) in [
        (&["--save", "", "--appendonly", "no"][..], Some("neither an append-only file nor snapshots")),
        (&["--save", "3600 1", "--appendonly", "no"], Some("what came after the last snapshot")),
        (&["--save", "", "--appendonly", "yes"], None),
    ] {
        let server = Server::with(settings);
        // The warning also appears for a user that may not read the configuration of the server.
        for restricted in [false, true] {
            if restricted {
                server.say::<()>("ACL SETUSER default -config");
            }
            let store = format!("url = \"redis://127.0.0.1:{}\"", server.port);
            let gateway = Gateway::start(&upstream, Settings::default().store(&store)).await;
            let said: Vec<_> =
                gateway.log().lines().filter(|line| line.contains("WARN")).map(str::to_owned).collect();
            let found = said.iter().find(|line| line.contains("Redis writes"));
            assert_eq!(found.is_some(), warned.is_some(), "{said:?}");
            let (Some(line), Some(warned)) = (found, warned) else { continue };
            assert!(line.contains("docs/stores.md") && line.contains("appendonly yes"), "{line}");
            assert!(restricted || line.contains(warned), "{line}");
            let place = gateway.logs("\"message\":\"store\"").await;
            assert!(place.contains(&format!("redis://127.0.0.1:{}", server.port)), "{place}");
        }
    }
}
