//! The rule that no two routes may cover the same path and method: the choice between them would be
//! arbitrary.
//!
//! `/v1/charges` beside `/v1/{id}` or `/{*rest}` is allowed, because the more exact route wins. `/v1/{a}` and
//! `/v1/{b}` are the same path, which is an error unless their methods differ. `/v1/{a}` and `/v1/{*rest}`
//! are an error as well: the router gives no precedence between two parameters at the same place. Routes with
//! `match = "equivalent"` are compared by the spellings that they cover.

use std::collections::{BTreeMap, BTreeSet};

use matchit::{InsertError, Router};

use crate::config::file::{Match, Route};
use crate::config::mistakes::KeyCursor;
use crate::config::rules::path::shape;
use crate::protocol::path::Template;

/// The shapes of the routes of one method, each with its route.
#[derive(Default)]
struct Covered {
    router: Router<()>,
    routes: BTreeMap<String, usize>,
}

impl Covered {
    /// Adds a route. Returns the shape of an earlier route that covers the same paths, if there is one.
    fn add(&mut self, shape: &str, route: usize) -> Option<String> {
        match self.router.insert(shape, ()) {
            Err(InsertError::Conflict { with }) => Some(with),
            // The shape was checked before. Any other error of the router is no overlap.
            Ok(()) | Err(_) => {
                self.routes.insert(shape.to_owned(), route);
                None
            }
        }
    }

    /// Tells whether one of the routes covers exactly the paths of this folded shape.
    fn covers(&self, folded: &str, files: &[Route]) -> bool {
        let paths = self.routes.values().filter_map(|index| files[*index].path.as_deref());
        paths.into_iter().any(|path| Template::new(path).shape() == folded)
    }

    /// Describes the route of a shape.
    fn describe(&self, shape: &str, files: &[Route]) -> String {
        let index = self.routes.get(shape);
        match index.and_then(|index| Some((index, files[*index].path.as_deref()?))) {
            Some((index, path)) => format!("routes[{index}], path {path:?}"),
            None => format!("a route like {shape:?}"),
        }
    }
}

/// Refuses each route that covers the same paths as an earlier one.
pub fn no_overlap(at: &KeyCursor<'_>, files: &[Route]) -> Option<()> {
    let mut methods: BTreeMap<(&str, bool), Covered> = BTreeMap::new();
    let mut apart = Some(());
    for (index, file) in files.iter().enumerate() {
        // An invalid path was refused where the route was read.
        let Some(path) = file.path.as_deref() else { continue };
        let Ok(exact) = shape(path) else { continue };
        let folded = Template::new(path).shape();
        let is_exact = file.matching == Match::Exact;
        let shape = if is_exact { &exact } else { &folded };
        let own: BTreeSet<&str> = file.methods.iter().map(String::as_str).collect();
        let twice = own.iter().find_map(|method| {
            let other = methods.get(&(*method, !is_exact)).filter(|other| other.covers(&folded, files));
            let other = other.map(|_| "a route that compares paths otherwise".to_owned());
            let covered = methods.entry((method, is_exact)).or_default();
            let earlier = covered.add(shape, index).map(|earlier| covered.describe(&earlier, files));
            Some((method, earlier.or(other)?))
        });
        if let Some((method, earlier)) = twice {
            apart = at.item(index).key("path").refuse(format!(
                "{method} on this path is already covered by {earlier}; \
                 allowed: one route for a path and method"
            ));
        }
    }
    apart
}
