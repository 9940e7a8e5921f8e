//! A payment API, a store, and the gateways between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::api::{Api, Protection};
use crate::client::{Addresses, Client};
use crate::harness::{Gateway, Settings};
use crate::policy::{CONNECT_TIMEOUT, LEASE, Policy, RESPONSE_TIMEOUT, SEAL, SEAL_LINES, route_lines};
use crate::servers::proxy::Proxy;
use crate::store::Store;

/// The longest wait for a state that gateways reach by themselves.
const PATIENCE: Duration = Duration::from_secs(45);

/// A running world.
pub struct World {
    pub api: Arc<Api>,
    pub store: Store,
    /// The way of the first gateway to the store's server.
    pub store_wire: Option<Proxy>,
    /// The way of all gateways to the marker table.
    pub marker_wire: Option<Proxy>,
    pub fleet: Vec<Gateway>,
    pub addresses: Addresses,
    /// Time at which a stopped gateway went on.
    pub continued: Option<Instant>,
    settings: Vec<Settings>,
    /// The logs of processes that were killed, and their metrics just before.
    ended: Vec<(String, String)>,
}

/// The settings of a world beside its policy.
#[derive(Clone, Debug)]
pub struct Options {
    pub gateways: usize,
    /// The failpoint of the first gateway.
    pub failpoint: Option<String>,
    /// More lines of the route.
    pub route: String,
    /// The lease, where it is not [`LEASE`].
    pub lease: Duration,
    /// The longest wait for an answer of the store.
    pub store_timeout: Duration,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            gateways: 2,
            failpoint: None,
            route: String::new(),
            lease: LEASE,
            // Many tests run at once.
            store_timeout: Duration::from_secs(5),
            environment: Vec::new(),
        }
    }
}

impl World {
    /// Starts gateways under a policy, between `api` and `store`.
    pub async fn start(policy: Policy, api: Arc<Api>, store: Store, options: Options) -> Self {
        let marker_wire = match &api.protection {
            Protection::Marker(marker) => Some(Proxy::to(marker.server.port).await),
            Protection::Absent | Protection::Keys(_) => None,
        };
        let route = route_lines(policy, &api, marker_wire.as_ref().map(|wire| wire.port));
        let lease = options.lease.as_millis();
        let route = format!("lease = \"{lease}ms\"\nwait_timeout = \"1500ms\"\n{route}\n{}", options.route);
        Self::with_route(api, store, marker_wire, &route, options).await
    }

    /// Starts gateways with these lines of the route.
    pub async fn with_route(
        api: Arc<Api>,
        store: Store,
        marker_wire: Option<Proxy>,
        route: &str,
        options: Options,
    ) -> Self {
        let store_wire = match store.port() {
            Some(port) => Some(Proxy::to(port).await),
            None => None,
        };
        let mut world = Self {
            api,
            store,
            store_wire,
            marker_wire,
            fleet: Vec::new(),
            addresses: Addresses::default(),
            continued: None,
            settings: Vec::new(),
            ended: Vec::new(),
        };
        for number in 0..options.gateways {
            let settings = world.settings_of(number, route, options.store_timeout);
            let mut settings = settings;
            settings.environment.extend(options.environment.iter().cloned());
            let first = match &options.failpoint {
                Some(failpoint) if number == 0 => settings.clone().stop_at(failpoint),
                _ => settings.clone(),
            };
            let gateway = Gateway::before(first).await;
            world.addresses.set(number, gateway.address);
            world.fleet.push(gateway);
            world.settings.push(settings);
        }
        world
    }

    fn settings_of(&self, number: usize, route: &str, store_timeout: Duration) -> Settings {
        let wire = self.store_wire.as_ref().filter(|_| number == 0).map(|wire| wire.port);
        let store = self.store.lines_at(wire);
        let times = [CONNECT_TIMEOUT, RESPONSE_TIMEOUT].map(|time| time.as_millis());
        let upstream = format!("connect_timeout = \"{}ms\"\nresponse_timeout = \"{}ms\"", times[0], times[1]);
        let timeout = store_timeout.as_millis();
        let store = format!("{store}\ntimeout = \"{timeout}ms\"\n{SEAL_LINES}");
        let settings = Settings::route(route).store(&store).upstream(&upstream).env("ONCEGATE_SEAL", SEAL);
        Settings { address: Some(self.api.address), ..settings }
    }

    /// Returns a client of these gateways.
    pub fn client(&self, key: &str) -> Client {
        let body = format!("{{\"amount\":100,\"order\":\"{key}\"}}");
        let (addresses, credential) = (self.addresses.clone(), "Bearer test".to_owned());
        Client { addresses, key: key.to_owned(), body, credential }
    }

    /// Kills a gateway.
    pub async fn kill(&mut self, number: usize) {
        let metrics = self.fleet[number].admin_get("/metrics").await.text().to_owned();
        self.fleet[number].kill().await;
        self.ended.push((self.fleet[number].log(), metrics));
    }

    /// Starts a gateway that was killed again, without a failpoint.
    pub async fn start_again(&mut self, number: usize) {
        self.fleet[number] = self.fleet[number].again(self.settings[number].clone()).await;
        self.addresses.set(number, self.fleet[number].address);
    }

    /// Returns everything that all processes have logged.
    pub fn logs(&self) -> String {
        let running = self.fleet.iter().map(Gateway::log);
        self.ended.iter().map(|(log, _)| log.clone()).chain(running).collect::<Vec<_>>().join("\n")
    }

    /// Returns how many outcomes were settled, by the evidence and the outcome, in the words of the metrics.
    pub async fn settled(&self) -> BTreeMap<String, usize> {
        let mut metrics: Vec<String> = self.ended.iter().map(|(_, metrics)| metrics.clone()).collect();
        for gateway in &self.fleet {
            metrics.push(gateway.admin_get("/metrics").await.text().to_owned());
        }
        let mut settled = BTreeMap::new();
        for line in metrics.iter().flat_map(|metrics| metrics.lines()) {
            let Some(line) = line.strip_prefix("oncegate_settled_total{route=\"pay\",") else { continue };
            let (labels, count) = line.split_once("} ").expect("a sample");
            *settled.entry(labels.replace('"', "")).or_default() += count.parse::<usize>().expect("a number");
        }
        settled
    }

    /// Returns the records in one state, or in any, as a gateway lists them.
    pub async fn records(&self, gateway: usize, state: &str) -> Vec<Value> {
        let (mut records, mut cursor) = (Vec::new(), String::new());
        let until = Instant::now() + PATIENCE;
        loop {
            let filter = if state.is_empty() { String::new() } else { format!("&state={state}") };
            let query = format!("/v1/records?limit=1000{filter}&cursor={cursor}");
            let answer = self.fleet[gateway].admin_get(&query).await;
            // Where many rounds run at once, the store may be late.
            if answer.status == 503 && Instant::now() < until {
                continue;
            }
            let listed = answer.json();
            let page = listed["records"].as_array();
            records.extend(page.unwrap_or_else(|| panic!("a list: {listed}")).iter().cloned());
            match listed["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => return records,
            }
        }
    }

    /// Waits until no record is in any of these states. Otherwise returns the records that stay in one.
    pub async fn leaves(&self, states: &[&str]) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        for state in states {
            loop {
                let left = self.records(0, state).await;
                if left.is_empty() {
                    break;
                }
                if Instant::now() > until {
                    return Err(format!("for ever {state}: {left:?}"));
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }

    /// Waits until the one record is in a state, as a gateway lists it.
    pub async fn record_in(&self, gateway: usize, state: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let records = self.records(gateway, "").await;
            assert!(records.len() <= 1, "{records:?}");
            match records.into_iter().next() {
                Some(record) if record["state"] == state => return record,
                other if Instant::now() > until => panic!("never {state}: {other:?}\n{}", self.logs()),
                _ => {}
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}
