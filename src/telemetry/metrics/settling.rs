//! The metrics of unknown outcomes that are asked about, decided and told.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::{Outcome, RouteAnswer, RouteBy, RouteSettled};
use crate::telemetry::family::{Histograms, age_seconds, describe};

pub(super) struct SettleFamilies {
    asked: Family<RouteAnswer, Counter>,
    settled: Family<RouteSettled, Counter>,
    duration: Histograms<RouteBy>,
    gave_up: Family<RouteBy, Counter>,
    notifications: Family<Outcome, Counter>,
}

impl Default for SettleFamilies {
    fn default() -> Self {
        let (asked, settled, gave_up, notifications) = Default::default();
        let duration = Histograms::new_with_constructor(age_seconds);
        Self { asked, settled, duration, gave_up, notifications }
    }
}

impl SettleFamilies {
    pub(super) fn asked(&self, route: &str, answer: &'static str) {
        self.asked.get_or_create(&RouteAnswer { route: route.to_owned(), answer }).inc();
    }

    pub(super) fn settled(&self, route: &str, by: &'static str, outcome: &'static str, took: Duration) {
        let route = route.to_owned();
        self.settled.get_or_create(&RouteSettled { route: route.clone(), by, outcome }).inc();
        self.duration.get_or_create(&RouteBy { route, by }).observe(took.as_secs_f64());
    }

    pub(super) fn gave_up(&self, route: &str, by: &'static str) {
        self.gave_up.get_or_create(&RouteBy { route: route.to_owned(), by }).inc();
    }

    pub(super) fn notified(&self, outcome: &'static str) {
        self.notifications.get_or_create(&Outcome { outcome }).inc();
    }

    pub(super) fn describe(&self, to: &mut Registry) {
        let help = "Questions about unknown outcomes that were answered";
        describe(to, "settle_answers", help, &self.asked);
        let help = "Unknown outcomes that were decided, by what";
        describe(to, "settled", help, &self.settled);
        let help = "Time for which a decided outcome was unknown";
        describe(to, "settle_duration_seconds", help, &self.duration);
        let help = "Unknown outcomes that the background settler asks for no more";
        describe(to, "settling_gave_up", help, &self.gave_up);
        let help = "Deliveries to the webhook for unknown outcomes";
        describe(to, "notifications", help, &self.notifications);
    }
}
