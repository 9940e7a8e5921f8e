//! Warnings about settings that are valid but probably not intended. `check` and a start print them.

use std::fmt;

use super::units::Span;
use super::{Config, StoreUrl};

mod route;

/// A warning about a setting that is valid but probably not intended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Subject of the warning: a section such as `store`, or a route by name.
    pub about: String,
    /// Description of the possible effect, and of the setting that changes it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

impl Config {
    /// Returns all warnings about this configuration, for the operator to read before it runs.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let section = |about: &str, text: Option<String>| Some(Warning { about: about.into(), text: text? });
        let sections = [
            section("store", self.store_warning()),
            section("admin", self.admin_warning()),
            section("server", self.drain_warning()),
            section("server", self.proxies_warning()),
            section("server", self.descriptors_warning()),
            section("routes", self.routes_warning()),
        ];
        let sections = sections.into_iter().flatten();
        sections.chain(self.notes.iter().cloned()).chain(self.route_warnings()).collect()
    }

    /// Returns the warnings about routes. A warning that applies to several routes appears once, with all
    /// their names.
    fn route_warnings(&self) -> Vec<Warning> {
        let mut said: Vec<(String, Vec<&str>)> = Vec::new();
        for route in &self.routes {
            for text in route::warnings(route, self.upstreams.get(&route.upstream)) {
                match said.iter_mut().find(|(earlier, _)| *earlier == text) {
                    Some((_, names)) => names.push(&route.name),
                    None => said.push((text, vec![&route.name])),
                }
            }
        }
        let about = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
            format!("route{} {}", if names.len() == 1 { "" } else { "s" }, names.join(", "))
        };
        said.into_iter().map(|(text, names)| Warning { about: about(&names), text }).collect()
    }

    fn store_warning(&self) -> Option<String> {
        let text = "memory: keeps nothing when the process ends; after a restart every retry runs its \
                    operation again, so it is for tests and demos";
        match &self.store.url {
            StoreUrl::Memory => Some(text.into()),
            StoreUrl::Postgres(postgres) if !postgres.verified => Some(
                "the URL has no sslmode=verify-full, so anyone on the network to Postgres can read and \
                 change what is stored"
                    .into(),
            ),
            _ => None,
        }
    }

    fn admin_warning(&self) -> Option<String> {
        let text = format!(
            "{} is not loopback and token_env is not set, so records are off there",
            self.admin.listen
        );
        (!self.admin.listen.ip().is_loopback() && self.admin.token.is_none()).then_some(text)
    }

    /// Compares the drain timeout with the response timeouts. Only upstreams that a route uses count, because
    /// an unprotected request is not an execution.
    fn drain_warning(&self) -> Option<String> {
        let drain = self.server.drain_timeout;
        let used = self.routes.iter().filter_map(|route| self.upstreams.get_key_value(&route.upstream));
        let longer = used.filter(|(_, upstream)| upstream.response_timeout > drain);
        let (name, upstream) = longer.max_by_key(|(_, upstream)| upstream.response_timeout)?;
        Some(format!(
            "drain_timeout {} is shorter than the response_timeout {} of upstream {name}; a call that is cut \
             off at shutdown becomes unknown",
            Span(drain),
            Span(upstream.response_timeout),
        ))
    }

    fn proxies_warning(&self) -> Option<String> {
        let all = self.server.trusted_proxies.iter().find(|network| network.prefix_len() == 0)?;
        Some(format!(
            "trusted_proxies has {all}, which is every address: a stranger may then say which address, host and \
             scheme a request comes from"
        ))
    }

    fn routes_warning(&self) -> Option<String> {
        let text = "there is none: everything streams to the fallback unprotected";
        self.routes.is_empty().then(|| text.into())
    }
}
