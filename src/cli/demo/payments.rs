//! A small payment API with a ledger, in the demo's own process.
//!
//! `POST /v1/charges` `{"amount", "currency", "customer"}` takes [`WORK`] and books a charge;
//! `GET /v1/charges` shows the ledger. Like many APIs, this one knows nothing of idempotency, and finishes a
//! charge even if the client is gone. The script sets how the API treats a customer's next charges (see
//! [`Conduct`]) and can wait for its bookings, so that no step of the script depends on timing.

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

use self::books::Books;
use super::ledger::Ledger;

mod books;
mod endpoints;

pub(super) use self::books::{Conduct, WORK};

/// The API. It serves until this value is dropped.
pub(super) struct PaymentApi {
    pub(super) address: SocketAddr,
    books: Arc<Books>,
    _serving: AbortOnDropHandle<()>,
}

impl PaymentApi {
    /// Starts the API on a port that the system chooses.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let books = Arc::new(Books::default());
        let serving = tokio::spawn(serve(listener, Arc::clone(&books)));
        Ok(Self { address, books, _serving: AbortOnDropHandle::new(serving) })
    }

    /// Sets the treatment of `customer` from now on.
    pub(super) fn treat(&self, customer: &str, conduct: Conduct) {
        self.books.treat(customer, conduct);
    }

    /// Returns a copy of the ledger.
    pub(super) fn ledger(&self) -> Ledger {
        self.books.ledger()
    }

    /// Waits until `customer` was charged at least once.
    pub(super) async fn booked(&self, customer: &str) {
        self.books.when(|pages| pages.ledger.total(customer).charges > 0).await;
    }
}

async fn serve(listener: TcpListener, books: Arc<Books>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The cause may be a lack of file descriptors, for example. Some will be free again.
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let books = Arc::clone(&books);
        let service = service_fn(move |request| endpoints::answer(Arc::clone(&books), request));
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // A client that gives up is part of the script.
            drop(connection.await);
        });
    }
}
