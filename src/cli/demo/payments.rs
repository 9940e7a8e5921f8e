//! A small payment API with a ledger, in the demo's own process.
//!
//! `POST /v1/charges` `{"amount", "currency", "customer"}` takes [`CHARGE_TIME`] and books a charge;
//! `GET /v1/charges` shows the ledger, and `GET /v1/charges?idempotency_key=KEY` the charge with a key. Like
//! many APIs, this one makes a second charge for a key that it knows, and finishes a charge even if the
//! client is gone. The script sets how the API treats a customer's next charges (see [`AnswerMode`]) and can
//! wait for its bookings, so that no step of the script depends on timing.
//!
//! With a [`Database`], the API commits each charge there, together with its marker row.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use self::state::ApiState;
use super::error::DemoError;
use super::ledger::{Ledger, Total};

#[cfg(feature = "postgres")]
mod database;
mod endpoints;
mod failure;
#[cfg(not(feature = "postgres"))]
mod no_database;
mod state;

#[cfg(feature = "postgres")]
pub(super) use self::database::Database;
#[cfg(not(feature = "postgres"))]
pub(super) use self::no_database::Database;
pub(super) use self::state::{AnswerMode, CHARGE_TIME};

/// The API. It serves until this value is dropped.
pub(super) struct PaymentApi {
    pub(super) address: SocketAddr,
    state: Arc<ApiState>,
    _serving: AbortOnDropHandle<()>,
}

impl PaymentApi {
    /// Starts the API on a port that the system chooses. Its charges are in `database`, if there is one.
    pub(super) async fn start(database: Option<Database>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(ApiState::over(database));
        let serving = tokio::spawn(serve(listener, Arc::clone(&state)));
        Ok(Self { address, state, _serving: AbortOnDropHandle::new(serving) })
    }

    /// Sets the treatment of `customer` from now on.
    pub(super) fn set_mode(&self, customer: &str, answer_mode: AnswerMode) {
        self.state.set_mode(customer, answer_mode);
    }

    /// Returns a copy of the ledger.
    pub(super) fn ledger(&self) -> Ledger {
        self.state.ledger()
    }

    /// Returns the total of a customer's charges, from the database if there is one.
    pub(super) async fn total(&self, customer: &str) -> Result<Total, DemoError> {
        self.state.total(customer).await
    }

    /// Returns the path and query of each question about a key, in their order.
    pub(super) fn questions(&self) -> Vec<String> {
        self.state.questions()
    }

    /// Waits until `customer` was charged at least once.
    pub(super) async fn booked(&self, customer: &str) {
        self.state.wait_until(|accounts| accounts.ledger.total(customer).charges > 0).await;
    }
}

async fn serve(listener: TcpListener, state: Arc<ApiState>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The cause may be a lack of file descriptors, for example. Some will be free again.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let state = Arc::clone(&state);
        let service = service_fn(move |request| endpoints::answer(Arc::clone(&state), request));
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // A client that gives up is part of the script.
            drop(connection.await);
        });
    }
}
