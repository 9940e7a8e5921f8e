//! The connection of one client. The client keeps it until the gateway says that it ends, and sends a
//! payment again, with its key, until it has an answer.

use std::sync::Arc;

use crate::balancer::{Balancer, Member};
use crate::harness::Answer;
use crate::harness::kept::{Kept, NoAnswer};
use crate::random::Random;

/// A kept connection to any gateway, and the next one after it.
pub struct Line {
    balancer: Arc<Balancer>,
    random: Random,
    http2: bool,
    open: Option<(Arc<Member>, Kept)>,
}

impl Line {
    pub fn new(balancer: &Arc<Balancer>, random: Random, http2: bool) -> Self {
        Self { balancer: Arc::clone(balancer), random, http2, open: None }
    }

    /// Sends a payment until it is answered.
    pub async fn pay(&mut self, path: &str, key: &str) -> Answer {
        let body = format!("{{\"payment\":\"{key}\"}}");
        loop {
            if self.open.is_none() {
                self.open = Some(self.balancer.connect(&mut self.random, self.http2).await);
            }
            let Some((member, kept)) = &mut self.open else { continue };
            let was_announced = member.is_announced();
            let answer = kept.post(path, key, &body).await;
            let again = match &answer {
                Ok(answer) => self.judge(answer, key, was_announced),
                Err(why) => self.excuse(*why, key),
            };
            if answer.is_err() || self.open.as_ref().is_some_and(|(_, kept)| kept.is_over()) {
                self.open = None;
            }
            match answer {
                Ok(answer) if !again => return answer,
                _ => {}
            }
        }
    }

    fn member(&self) -> &Member {
        &self.open.as_ref().expect("an open connection").0
    }

    /// Checks an answer. Returns true if the client has to send the payment again.
    fn judge(&self, answer: &Answer, key: &str, was_announced: bool) -> bool {
        if was_announced && !self.http2 {
            assert_eq!(answer.header("connection"), Some("close"), "{key}: {answer:?}");
        }
        if answer.status == 201 {
            assert_eq!(answer.json()["payment"], key, "another payment's answer");
            return false;
        }
        let problem = answer.json();
        assert_eq!(problem["retry"], "same-key", "{key}: {answer:?}");
        match problem["type"].as_str() {
            Some("urn:oncegate:problem:in-flight") => {}
            Some("urn:oncegate:problem:shutting-down") => {
                assert!(self.member().may_refuse(), "{key}: refused while the stop is announced");
                self.balancer.count_refused();
            }
            _ => panic!("{key}: {answer:?}"),
        }
        true
    }

    /// Checks that a request may be without an answer. Returns true, because it has to be sent again.
    fn excuse(&self, why: NoAnswer, key: &str) -> bool {
        match why {
            NoAnswer::NotSent => assert!(self.member().is_told(), "{key}: a connection ended for no reason"),
            NoAnswer::Lost => {
                assert!(self.member().may_refuse(), "{key}: dropped by a gateway that serves");
                self.balancer.count_refused();
            }
        }
        true
    }
}
