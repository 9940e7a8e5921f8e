//! Warnings about settings that are valid but probably not intended. `check` and a start print them.

use std::sync::Arc;

use super::Config;
use super::units::Span;
use super::warning::Warning;

mod key;
mod outcomes;
mod problems;
mod route;
mod settling;

impl Config {
    /// Returns all warnings about this configuration, for the operator to read before it runs.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.warnings_with(self.descriptors_warning())
    }

    /// Returns all warnings, with this one about the number of open files.
    pub(super) fn warnings_with(&self, descriptors: Option<String>) -> Vec<Warning> {
        let section = |about: &str, text: Option<String>| Some(Warning { about: about.into(), text: text? });
        let sections = [
            section("store", self.store.settings.warning()),
            section("admin", self.admin_warning()),
            section("admin", self.notify_warning()),
            section("server", self.drain_warning()),
            section("server", self.proxies_warning()),
            section("server", descriptors),
            section("routes", self.routes_warning()),
        ];
        let sections = sections.into_iter().flatten();
        let sections = sections.chain(self.problems_warnings()).chain(self.notes.iter().cloned());
        sections.chain(self.route_warnings()).collect()
    }

    /// Returns the warnings about the shapes of problems that the file defines.
    fn problems_warnings(&self) -> impl Iterator<Item = Warning> {
        self.problems.iter().flat_map(|shape| {
            let is_used = self.routes.iter().any(|route| Arc::ptr_eq(&route.problems, shape));
            let about = format!("problems.{}", shape.name());
            let texts = problems::warnings(shape, is_used).into_iter();
            texts.map(move |text| Warning { about: about.clone(), text })
        })
    }

    /// Returns the warnings about routes. A warning that applies to several routes appears once, with all
    /// their names.
    fn route_warnings(&self) -> Vec<Warning> {
        let mut said: Vec<(String, Vec<&str>)> = Vec::new();
        for route in &self.routes {
            let texts = route::warnings(route, self.upstreams.get(&route.upstream));
            let sealed = !self.store.seal.is_empty();
            let lookup = route::lookup(route, self.lookup);
            for text in texts
                .into_iter()
                .chain(settling::warnings(route, sealed))
                .chain(lookup)
                .chain(key::warnings(route))
            {
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

    fn admin_warning(&self) -> Option<String> {
        let text = format!(
            "{} is not loopback and has no token (token_env, tokens), so records are off there",
            self.admin.listen
        );
        (!self.admin.listen.ip().is_loopback() && self.admin.tokens.is_empty()).then_some(text)
    }

    fn notify_warning(&self) -> Option<String> {
        let notify = self.admin.notify.as_ref().filter(|notify| notify.url.is_exposed())?;
        Some(format!(
            "notify sends to {} without encryption: everyone on the way can read which operations are unknown; \
             the signature keeps them from being changed",
            notify.url
        ))
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
