//! What is valid but probably not meant, said by `check` and at start.

use std::fmt;

use http::header::HOST;

use crate::protocol::ScopePart;

use super::units::Span;
use super::{Config, InFlight, OnStoreError, Route, StoreUrl};

/// Something that is valid but probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What it is about: a section such as `store`, or a route by name.
    pub about: String,
    /// What may happen, and what would change it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

impl Config {
    /// Everything about this configuration that an operator should know before it runs.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let section = |about: &str, text: Option<String>| Some(Warning { about: about.into(), text: text? });
        let sections = [
            section("store", self.store_warning()),
            section("admin", self.admin_warning()),
            section("server", self.drain_warning()),
            section("routes", self.routes_warning()),
        ];
        let routes = self.routes.iter().flat_map(|route| {
            let about = format!("route {:?}", &*route.name);
            let warnings =
                [ttl(route), tombstone(route), wait(route), scope(route), self.host(route), bypass(route)];
            warnings.into_iter().flatten().map(move |text| Warning { about: about.clone(), text })
        });
        sections.into_iter().flatten().chain(routes).collect()
    }

    fn store_warning(&self) -> Option<String> {
        let text = "memory: keeps nothing when the process ends; after a restart every retry runs its \
                    operation again, so it is for tests and demos";
        match &self.store.url {
            StoreUrl::Memory => Some(text.into()),
            StoreUrl::Postgres(postgres) if !postgres.verified => Some(
                "the URL has no sslmode=verify-full, so whoever sits between gateway and Postgres can read \
                 and change what is stored"
                    .into(),
            ),
            _ => None,
        }
    }

    fn admin_warning(&self) -> Option<String> {
        let text = format!(
            "{} is not loopback and token_env is not set, so records and the console are off there",
            self.admin.listen
        );
        (!self.admin.listen.ip().is_loopback() && self.admin.token.is_none()).then_some(text)
    }

    /// Only upstreams that a route uses count: what streams unprotected is no execution.
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

    /// The upstream may be several services, told apart by the host that it is told.
    fn host(&self, route: &Route) -> Option<String> {
        let text = "preserve_host is set, and neither scope nor fingerprint.headers has \"host\": one host's \
                    answer may be replayed to a request for another";
        let told = self.upstreams.get(&route.upstream).is_some_and(|upstream| upstream.preserve_host);
        let counts = route.scope.contains(&ScopePart::Header(HOST))
            || route.fingerprint.headers.iter().any(|name| name == HOST.as_str());
        (told && !counts).then(|| text.into())
    }

    fn routes_warning(&self) -> Option<String> {
        let text = "there is none: everything streams to the fallback unprotected";
        self.routes.is_empty().then(|| text.into())
    }
}

fn ttl(route: &Route) -> Option<String> {
    let policy = &route.policy;
    let limits = [(policy.lease, "the lease"), (policy.response_timeout, "a call to the upstream may take")];
    let (longest, what) = limits.into_iter().filter(|(limit, _)| policy.ttl < *limit).max()?;
    Some(format!(
        "ttl {} is shorter than {what} ({}); a client that retries after that gets no replay any more",
        Span(policy.ttl),
        Span(longest),
    ))
}

fn tombstone(route: &Route) -> Option<String> {
    let text = format!(
        "tombstone_ttl is 0s: a retry later than {} after completion runs the operation again",
        Span(route.policy.ttl)
    );
    route.policy.tombstone_ttl.is_zero().then_some(text)
}

fn wait(route: &Route) -> Option<String> {
    let InFlight::Wait(wait) = route.in_flight else {
        return None;
    };
    let text = format!(
        "wait_timeout {} is longer than a call to the upstream may take ({}); harmless, but no \
         duplicate waits that long",
        Span(wait),
        Span(route.policy.response_timeout),
    );
    (wait > route.policy.response_timeout).then_some(text)
}

fn bypass(route: &Route) -> Option<String> {
    let text = "on_store_error is \"bypass\": while the store does not answer every attempt runs, and one that \
                is retried runs again";
    (route.on_store_error == OnStoreError::Bypass).then(|| text.into())
}

fn scope(route: &Route) -> Option<String> {
    let text = "anonymous is \"one\": callers that show none of the scope's headers share their keys, so one \
                caller's key can be answered with what another caller's request brought";
    route.anonymous.then(|| text.into())
}
