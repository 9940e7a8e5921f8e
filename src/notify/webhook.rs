//! The webhook: one signed POST for each event.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use tokio::time::timeout;

use crate::clock::Timestamp;
use crate::config::{Notify, WebhookSecret, WebhookUrl};
use crate::pem::PemError;
use crate::receiver_client::{ReceiverClient, receiver_client};
use crate::telemetry::ErrorChain;

use super::event::Event;
use super::signature::signature;

/// Longest time for a delivery, from the connection to the head of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest body of an answer that is read, in bytes, and the longest time for it. Nothing in it counts; the
/// connection is used again if the body ends in time.
const ANSWER_LIMIT: usize = 64 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// A client of the webhook.
pub(super) struct Webhook {
    pub(super) url: WebhookUrl,
    secret: WebhookSecret,
    client: ReceiverClient,
}

/// The reason why an event was not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// A status other than 2xx. Redirects are not followed.
    Status(StatusCode),
    /// No answer in time.
    Late,
    /// No connection, or a broken one. The text does not contain the URL.
    Broken(String),
}

impl Failure {
    /// Tells whether the failure may be due to this one event, because the webhook may have received it.
    pub(super) fn is_of_event(&self) -> bool {
        matches!(self, Self::Status(_) | Self::Late)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "it answered {}", status.as_u16()),
            Self::Late => write!(f, "no answer within {TIMEOUT:?}"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

impl Webhook {
    /// Creates a client that trusts the usual roots.
    ///
    /// # Errors
    /// [`PemError`] if the URL is `https://` and this machine has no usual roots.
    pub(super) fn new(notify: &Notify) -> Result<Self, PemError> {
        Ok(Self {
            url: notify.url.clone(),
            secret: notify.secret.clone(),
            client: receiver_client(&notify.url.0)?,
        })
    }

    /// Delivers an event.
    ///
    /// # Errors
    /// [`Failure`] if the answer is not a 2xx status, or does not come in time.
    pub(super) async fn deliver(&self, event: &Event) -> Result<(), Failure> {
        let request = self.request(event).map_err(|error| Failure::Broken(error.to_string()))?;
        let answer = timeout(TIMEOUT, self.client.request(request)).await.map_err(|_| Failure::Late)?;
        let answer = answer.map_err(|error| Failure::Broken(ErrorChain(&error).to_string()))?;
        let status = answer.status();
        let rest = Limited::new(answer.into_body(), ANSWER_LIMIT).collect();
        drop(timeout(ANSWER_TIMEOUT, rest).await);
        if status.is_success() { Ok(()) } else { Err(Failure::Status(status)) }
    }

    fn request(&self, event: &Event) -> Result<Request<Full<Bytes>>, http::Error> {
        // Receivers compare this time with their own clocks, so it is not the store's.
        let seconds = Timestamp::of_the_wall().0 / 1000;
        let mut signed = HeaderValue::try_from(signature(&self.secret.0, &event.id, seconds, &event.body))?;
        signed.set_sensitive(true);
        Request::builder()
            .method(Method::POST)
            .uri(self.url.0.clone())
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header(USER_AGENT, "oncegate")
            .header("webhook-id", &event.id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signed)
            .body(Full::from(event.body.clone()))
    }
}
