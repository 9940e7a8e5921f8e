//! The commands of the README, as a new user types them from top to bottom. Each command has the result that
//! is written beside it, and the payment of the first page is made once.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod page;
mod reader;
mod settling;

#[path = "../clients/mod.rs"]
#[expect(dead_code, reason = "it also serves tests of frameworks and clients")]
mod clients;
#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of the gateway alone")]
mod harness;

use page::{Block, Command};
use reader::Reader;

/// The key of the README's first payment.
const FIRST_KEY: &str = "order-1001";

#[tokio::test]
async fn the_commands_do_what_is_written_beside_them() {
    let text = std::fs::read_to_string(clients::file("README.md")).expect("the README");
    let mut reader = Reader::new().await;
    let mut payment: Option<Command> = None;
    for block in page::blocks(&text) {
        reader.next_block();
        match block {
            Block::File { name, text } => reader.write(&name, &text),
            Block::Commands(commands) => {
                for command in commands {
                    if command.text.contains(FIRST_KEY) {
                        payment.get_or_insert_with(|| command.clone());
                    }
                    reader.run(&command).await;
                }
            }
        }
    }
    let served = reader.served.join("\n");
    assert!(served.contains("serve --upstream"), "the quick start ran: {served}");
    assert!(served.contains("serve --config"), "the configuration ran: {served}");

    let payment = payment.expect("a payment");
    let again = reader.run(&Command { says: String::new(), ..payment }).await;
    assert!(again.contains("idempotent-replayed: true"), "the first payment, once more: {again}");
    let charged = reader.upstream.seen();
    let charged = charged.iter().filter(|seen| seen.header("idempotency-key") == FIRST_KEY).count();
    assert_eq!(charged, 1, "{FIRST_KEY} was charged {charged} times");
}
