//! The requests that a server gets, and the responses that it has to give.

use std::fmt::Write as _;

use crate::upstream::DELAY;
use crate::wire::Message;

/// The relation of a request to earlier requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// A request without a key, which is passed through.
    NoKey,
    /// A key that was never used.
    First,
    /// A key that was completed, and has not been replayed since the gateway last forgot its replays.
    Replay,
    /// A key out of a few that are replayed again and again.
    Cached,
}

impl Case {
    pub const ALL: [Self; 4] = [Self::NoKey, Self::First, Self::Replay, Self::Cached];

    pub fn name(self) -> &'static str {
        match self {
            Self::NoKey => "no key",
            Self::First => "first attempt",
            Self::Replay => "replay",
            Self::Cached => "replay, cached",
        }
    }

    /// Tells whether the upstream has to see the request.
    pub fn executes(self) -> bool {
        matches!(self, Self::NoKey | Self::First)
    }

    /// Checks a response. Returns an error that says what is wrong with it.
    pub fn check(self, answer: &Message) -> Result<(), String> {
        let replayed = answer.header("idempotent-replayed").is_some();
        if answer.status() == 201 && replayed != self.executes() {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&answer.body);
        Err(format!("{}: {} {body} (replayed: {replayed})", self.name(), answer.start()))
    }
}

/// Body of 300 bytes.
const BODY: &str = r#"{"amount":1200,"currency":"eur","customer":"cus_Q8rT2mLk5NxWvB","source":"card_1P9xYzKZ2eVbYw","capture":true,"description":"order 1001, two tickets, row 12","metadata":{"order":"1001","shop":"north","cart":"c-77120391"},"return_url":"https://shop.example.com/orders/1001/paid","receipt":"a@b.example"}"#;

/// Returns a payment request, with the key of this number if there is one.
pub fn request(key: Option<u64>, delay_ms: u64) -> String {
    let mut text = String::with_capacity(640);
    text.push_str(
        "POST /v1/charges HTTP/1.1\r\nhost: pay.example.com\r\nuser-agent: shop/4.2\r\naccept: */*\r\n\
         authorization: Bearer sk_live_4eC39HqLyjWDarjtT1zdp7dc\r\ncontent-type: application/json\r\n",
    );
    if let Some(key) = key {
        // Keys differ from their first characters on, as random UUIDs do.
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        write!(text, "idempotency-key: {spread:016x}-{key:016x}\r\n").expect("a string takes all");
    }
    if delay_ms > 0 {
        write!(text, "{DELAY}: {delay_ms}\r\n").expect("a string takes all");
    }
    write!(text, "content-length: {}\r\n\r\n{BODY}", BODY.len()).expect("a string takes all");
    text
}
