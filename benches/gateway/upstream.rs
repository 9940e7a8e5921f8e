//! The payment API behind all servers. It counts its executions, and is as cheap as possible.

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use crate::roles::{self, Process, Tool};
use crate::wire::{Connection, Message};

/// The request header that says how long an execution takes.
pub const DELAY: &str = "x-delay-ms";
const COUNT: &str = "/executions";
/// Body of 300 bytes.
const ANSWER: &str = r#"{"id":"ch_3PqX9dKZ2eVbYw1c0a7TfGhJ","object":"charge","amount":1200,"currency":"eur","status":"succeeded","captured":true,"created":1795420800,"customer":"cus_Q8rT2mLk5NxWvB","description":"order 1001, two tickets, row 12","receipt_url":"https://pay.example.com/receipts/ch_3PqX9dKZ2eVbYw","refunded":0}"#;

/// The upstream's process.
pub struct Upstream {
    pub address: SocketAddr,
    process: Process,
}

impl Upstream {
    pub fn start() -> Self {
        let (process, address) = Process::of_role(&["upstream"], Tool::None);
        Self { address, process }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns the number of payments executed so far.
    pub async fn executions(&self) -> u64 {
        let mut connection = Connection::to(self.address).await.expect("the upstream");
        let ask = format!("GET {COUNT} HTTP/1.1\r\nhost: upstream\r\n\r\n");
        connection.write(ask.as_bytes()).await.expect("sent");
        let answer = connection.answer().await.expect("a count");
        std::str::from_utf8(&answer.body).expect("text").parse().expect("a number")
    }
}

/// Plays the upstream.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let (listener, executions) = (roles::listen().await, Rc::new(Cell::new(0)));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            spawn_local(converse(stream, Rc::clone(&executions)));
        }
    });
}

async fn converse(stream: TcpStream, executions: Rc<Cell<u64>>) {
    let (mut connection, mut answer) = (Connection::new(stream), String::new());
    // The client breaks the connection off once it has measured enough.
    while let Ok(Some(request)) = connection.read().await {
        if request.start().contains(COUNT) {
            write_answer(&mut answer, &executions.get().to_string());
        } else {
            executions.set(executions.get() + 1);
            if let Some(delay) = delay(&request) {
                sleep(delay).await;
            }
            write_answer(&mut answer, ANSWER);
        }
        if connection.write(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn delay(request: &Message) -> Option<Duration> {
    let millis = request.header(DELAY)?.parse().expect("whole milliseconds");
    Some(Duration::from_millis(millis))
}

/// Writes a response. A real API sends the date of a response; any date will do here.
fn write_answer(into: &mut String, body: &str) {
    into.clear();
    write!(
        into,
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         date: Sat, 21 Nov 2026 12:00:00 GMT\r\nrequest-id: req_8fYt2KxLm4QwPz\r\n\r\n{body}",
        body.len()
    )
    .expect("a string takes all");
}
