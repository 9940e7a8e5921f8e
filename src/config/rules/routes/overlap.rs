//! No two routes may cover one path and method: which of them a request meant would be chance.
//!
//! `/v1/{id}` beside `/v1/charges` is fine, as the more exact route wins. `/v1/{a}` and `/v1/{b}`
//! are one path, and so an error unless their methods differ.

use std::collections::{BTreeMap, BTreeSet};

use matchit::{InsertError, Router};

use crate::config::file::Route;
use crate::config::problem::At;
use crate::config::rules::path::shape;

/// The shapes that one method's routes have, each with its route.
#[derive(Default)]
struct Covered {
    router: Router<()>,
    routes: BTreeMap<String, usize>,
}

impl Covered {
    /// Adds a route; gives the earlier one that covers the same.
    fn add(&mut self, shape: &str, route: usize) -> Option<usize> {
        match self.router.insert(shape, ()) {
            Err(InsertError::Conflict { with }) => self.routes.get(&with).copied().or(Some(0)),
            // The shape was checked; what the router does not take is no overlap.
            Ok(()) | Err(_) => {
                self.routes.insert(shape.to_owned(), route);
                None
            }
        }
    }
}

/// Refuses each route that covers what an earlier one covers.
pub fn no_overlap(at: &At<'_>, files: &[Route]) -> Option<()> {
    let mut methods: BTreeMap<&str, Covered> = BTreeMap::new();
    let mut apart = Some(());
    for (index, file) in files.iter().enumerate() {
        // A path that is not valid was refused where the route was read.
        let Some(Ok(shape)) = file.path.as_deref().map(shape) else {
            continue;
        };
        let own: BTreeSet<&str> = file.methods.iter().map(String::as_str).collect();
        let twice = own.iter().find_map(|method| {
            let earlier = methods.entry(method).or_default().add(&shape, index)?;
            Some((method, earlier))
        });
        if let Some((method, earlier)) = twice {
            let path = files[earlier].path.as_deref().unwrap_or_default();
            apart = at.item(index).key("path").refuse(format!(
                "{method} on this path is already covered by routes[{earlier}], path {path:?}; \
                 allowed: one route for a path and method"
            ));
        }
    }
    apart
}
