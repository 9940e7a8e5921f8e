//! Requests that are the same, and requests that are not, for each form of a body.

use super::{Answer, Gateway, Settings, request};

/// A form of a body: lines for `fingerprint`, and requests with one key.
pub struct Form {
    pub name: &'static str,
    /// The table `fingerprint` of the route.
    pub fingerprint: &'static str,
    pub first: Sent,
    /// Other spellings of the first request.
    pub same: &'static [Sent],
    /// Requests with another meaning.
    pub other: &'static [Sent],
}

/// A media type and a body.
pub type Sent = (&'static str, &'static str);

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const FIRST_PARTS: &str = "--one\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n100\r\n--one\r\n\
     Content-Disposition: form-data; name=\"proof\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--one--\r\n";
const SAME_PARTS: &str = "--other\r\ncontent-type: application/pdf\r\ncontent-disposition: form-data; filename=\"a.pdf\"; name=proof\r\n\
     \r\n%PDF\r\n--other\r\nCONTENT-DISPOSITION: form-data;name=\"amount\"\r\n\r\n100\r\n--other--";
const OTHER_PARTS: &str = "--one\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n101\r\n--one\r\n\
     Content-Disposition: form-data; name=\"proof\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--one--\r\n";
const OTHER_FILE: &str = "--one\r\nContent-Disposition: form-data; name=\"amount\"\r\n\r\n100\r\n--one\r\n\
     Content-Disposition: form-data; name=\"proof\"; filename=\"b.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\r\n--one--\r\n";

pub const FORMS: [Form; 7] = [
    Form {
        name: "json",
        fingerprint: "{ body = \"json\" }",
        first: ("application/json; charset=utf-8", r#"{"amount":100,"to":"a"}"#),
        same: &[
            (JSON, r#"{ "to": "a", "amount": 1e2 }"#),
            ("Application/JSON;charset=UTF-8", r#"{"to":"a","amount":100}"#),
        ],
        other: &[(JSON, r#"{"amount":101,"to":"a"}"#), ("text/json", r#"{"amount":100,"to":"a"}"#)],
    },
    Form {
        name: "json-wildcard",
        fingerprint: "{ body = \"json\", ignore = [\"/items/*/at\", \"/try\"] }",
        first: (JSON, r#"{"items":[{"n":1,"at":1},{"n":2}],"try":1}"#),
        same: &[("application/json; charset=utf-8", r#"{"items":[{"n":1},{"at":7,"n":2}],"try":2}"#)],
        other: &[
            (JSON, r#"{"items":[{"n":1,"at":1},{"n":3}],"try":1}"#),
            (JSON, r#"{"items":[{"n":1},{"n":2}],"at":1}"#),
        ],
    },
    Form {
        name: "json-only",
        fingerprint: "{ body = \"json\", only = [\"/amount\", \"/to/id\"] }",
        first: (JSON, r#"{"amount":100,"to":{"id":"a","name":"x"},"at":1764400000000000001}"#),
        same: &[("application/json; charset=utf-8", r#"{"to":{"id":"a"},"at":2,"amount":100}"#)],
        other: &[
            (JSON, r#"{"amount":101,"to":{"id":"a","name":"x"},"at":1764400000000000001}"#),
            (JSON, r#"{"amount":100,"to":{"id":null}}"#),
            (JSON, r#"{"amount":100}"#),
            (JSON, r#"{"at":1}"#),
        ],
    },
    Form {
        name: "none",
        fingerprint: "{ body = \"none\" }",
        first: (JSON, r#"{"amount":100}"#),
        same: &[(JSON, r#"{"amount":101}"#), (JSON, "")],
        other: &[("text/plain", r#"{"amount":100}"#)],
    },
    Form {
        name: "form",
        fingerprint: "{ body = \"form\" }",
        first: (FORM, "amount=100&note=a+b&items[]=x&items[]=y"),
        same: &[(
            "application/x-www-form-urlencoded; charset=utf-8",
            "items%5B%5D=x&&note=a%20b&items[]=y&amount=%3100",
        )],
        other: &[
            (FORM, "amount=101&note=a+b&items[]=x&items[]=y"),
            (FORM, "amount=100&note=a+b&items[]=y&items[]=x"),
            (FORM, "amount=100&note=a%2Bb&items[]=x&items[]=y"),
            ("text/plain", "amount=100&note=a+b&items[]=x&items[]=y"),
        ],
    },
    Form {
        name: "form-only",
        fingerprint: "{ body = \"form\", only = [\"/amount\", \"/metadata/order\"] }",
        first: (FORM, "amount=100&metadata[order]=7&metadata[try]=1"),
        same: &[(FORM, "metadata%5Border%5D=7&amount=100&at=2")],
        other: &[
            (FORM, "amount=100&metadata[order]=8&metadata[try]=1"),
            (FORM, "amount=100"),
            (FORM, "at=2"),
        ],
    },
    Form {
        name: "multipart",
        fingerprint: "{ body = \"multipart\" }",
        first: ("multipart/form-data; boundary=one", FIRST_PARTS),
        same: &[("multipart/form-data; boundary=\"other\"", SAME_PARTS)],
        other: &[
            ("multipart/form-data; boundary=one", OTHER_PARTS),
            ("multipart/form-data; boundary=one", OTHER_FILE),
            ("multipart/mixed; boundary=one", FIRST_PARTS),
        ],
    },
];

impl Form {
    /// Returns settings with a route of this form.
    pub fn settings(&self) -> Settings {
        Settings::route(&format!("fingerprint = {}", self.fingerprint))
    }

    pub async fn send(&self, gateway: &Gateway, sent: &Sent) -> Answer {
        let headers = [("idempotency-key", self.name), ("content-type", sent.0)];
        request(gateway.address, "POST", "/v1/charges", &headers, sent.1).await
    }

    /// Sends a duplicate of each kind.
    pub async fn is_kept_by(&self, gateway: &Gateway) {
        for same in [&self.first].into_iter().chain(self.same) {
            let answer = self.send(gateway, same).await;
            assert!(answer.is_replay(), "{}: {same:?} {answer:?}", self.name);
        }
        for other in self.other {
            let answer = self.send(gateway, other).await;
            assert_eq!(answer.status, 422, "{}: {other:?} {answer:?}", self.name);
            answer.problem(422, "payload-mismatch", "no", "new-key");
        }
    }
}
