//! The policies of the rounds, and the settings that go with them.

use std::sync::Arc;
use std::time::Duration;

use crate::api::{Api, Call, Keys, Marker, Plan, Protection};

/// A policy for unknown outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Marker,
    Probe,
    /// `retry` with the upstream's keys: the next attempt sends again.
    Keys,
    /// `retry` with the upstream's keys and the kept request: the gateway itself sends again.
    KeptKeys,
}

impl Policy {
    pub const ALL: [Self; 4] = [Self::Marker, Self::Probe, Self::Keys, Self::KeptKeys];

    pub fn name(self) -> &'static str {
        match self {
            Self::Marker => "marker",
            Self::Probe => "probe",
            Self::Keys => "upstream_keys",
            Self::KeptKeys => "upstream_keys + keep_request",
        }
    }

    /// Tells whether gateways settle by themselves, without another attempt.
    pub fn settles_alone(self) -> bool {
        self != Self::Keys
    }
}

/// The lease of the gateways.
pub const LEASE: Duration = Duration::from_millis(700);
/// The longest call of the gateways.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_millis(700);
/// The longest time for a connection to the upstream.
pub const CONNECT_TIMEOUT: Duration = Duration::from_millis(100);
/// Time from a claim without renewal to the deadline of its execution.
pub const DEADLINE: Duration = LEASE.saturating_add(RESPONSE_TIMEOUT).saturating_add(CONNECT_TIMEOUT);
/// The time after the deadline before a probe is believed that found nothing.
pub const NOT_BEFORE: Duration = Duration::from_millis(400);
/// The time until the API's search finds a charge.
pub const SEARCH_LAG: Duration = Duration::from_millis(250);
/// The window of the upstream's keys where it plays no part.
pub const WINDOW: Duration = Duration::from_secs(120);
/// The life of the API's keys where it plays no part.
const KEY_LIFE: Duration = Duration::from_secs(150);
/// The key that seals kept requests, in base64.
pub const SEAL: &str = "c2V0dGxlLXRlc3QtMzItYnl0ZXMtb2YtYS1rZXkhISE=";

/// Starts an API that protects its charges as the policy needs it.
pub async fn api(
    policy: Policy,
    row_has_response: bool,
    script: impl Fn(&Call) -> Plan + Send + Sync + 'static,
) -> Arc<Api> {
    let protection = match policy {
        Policy::Marker => Protection::Marker(Marker::new(row_has_response).await),
        Policy::Probe => Protection::Absent,
        Policy::Keys | Policy::KeptKeys => Protection::Keys(Keys::living(KEY_LIFE)),
    };
    Api::with(protection, SEARCH_LAG, "text of a response", script).await
}

/// Returns lines of a route for the policy. A marker table is reached through `marker_port`.
pub fn route_lines(policy: Policy, api: &Api, marker_port: Option<u16>) -> String {
    match (policy, &api.protection) {
        (Policy::Marker, Protection::Marker(marker)) => {
            marker.lines_at(marker_port.unwrap_or(marker.server.port))
        }
        (Policy::Probe, _) => probe_lines(api, NOT_BEFORE),
        (Policy::Keys, _) => keys_lines(WINDOW),
        (Policy::KeptKeys, _) => format!("{}\nkeep_request = true", keys_lines(WINDOW)),
        (Policy::Marker, _) => unreachable!("the API of this policy has markers"),
    }
}

/// Returns lines of a route with a probe that asks the API's search.
pub fn probe_lines(api: &Api, not_before: Duration) -> String {
    let (address, not_before) = (api.address, not_before.as_millis());
    format!(
        "on_unknown = \"probe\"\n\
         probe = {{ url = \"http://{address}/search?idempotency_key={{key}}\", \
         not_before = \"{not_before}ms\", \
         timeout = \"1s\", headers = {{ authorization = \"Bearer probe-secret\" }}, response = \"/data/0\", \
         when = {{ pointer = \"/data/0/status\", \
         executed = [\"succeeded\"], not_executed = [\"absent\"] }} }}"
    )
}

/// Returns lines of a route to an upstream with keys.
pub fn keys_lines(window: Duration) -> String {
    format!("on_unknown = \"retry\"\nupstream_keys = {{ window = \"{}ms\" }}", window.as_millis())
}

/// Returns lines for `[store]` that name the key of the seal.
pub const SEAL_LINES: &str = "seal = [{ id = \"test\", env = \"ONCEGATE_SEAL\" }]";
