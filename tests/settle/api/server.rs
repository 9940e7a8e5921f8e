//! The HTTP side of the API: charges and the search for them.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::keys::Recognised;
use super::{Act, Api, Call, Plan, Point, Protection, Reply, Search};

type Answer = Response<Full<Bytes>>;

pub(super) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

pub(super) async fn accept(api: Arc<Api>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let api = Arc::clone(&api);
        let service = service_fn(move |request| {
            // The API works on if the connection is closed meanwhile.
            let work = tokio::spawn(respond(Arc::clone(&api), request));
            let lost = || io::Error::other("the answer is lost");
            async move { work.await.expect("no panic in the API").ok_or_else(lost) }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// Treats a request. Returns `None` if its answer is lost.
async fn respond(api: Arc<Api>, request: Request<Incoming>) -> Option<Answer> {
    let (head, body) = request.into_parts();
    if head.method == Method::GET {
        let query = head.uri.query().unwrap_or_default();
        let answer = api.search(query.rsplit('=').next().unwrap_or_default(), head.headers);
        api.search_gate.subscribe().wait_for(|open| *open).await.ok()?;
        return Some(answer);
    }
    let body = body.collect().await.ok()?.to_bytes();
    let text = |name: &str| {
        let value = head.headers.get(name).map(|value| value.to_str().expect("text"));
        value.unwrap_or_default().to_owned()
    };
    let (key, execution) = (text("idempotency-key"), text("idempotency-execution"));
    let (at, number, plan) = (Instant::now(), 0, Plan::CHARGE);
    let call = api.note(Call { key, execution, headers: head.headers, body, at, number, plan });
    let plan = call.plan;
    api.passes(Point::Received);
    api.pause(plan.received).await;
    let answer = match &api.protection {
        Protection::Absent => Some(api.charge(&call, plan).await),
        Protection::Keys(_) => Some(api.charge_once(&call, plan).await),
        Protection::Marker(_) => api.charge_with_marker(&call, plan).await,
    };
    api.passes(Point::Done);
    let Some((status, body)) = answer else {
        return Some(with_header(json_answer(409, Bytes::from("{\"error\":\"conflict\"}")), "conflict"));
    };
    match plan.reply {
        Reply::Own => Some(json_answer(status, body)),
        Reply::Lost => None,
        Reply::Status(status) => {
            let mut answer = json_answer(status, Bytes::from("{\"error\":\"as the plan says\"}"));
            if plan.act == Act::Nothing {
                answer.headers_mut().insert("x-executed", http::HeaderValue::from_static("no"));
            }
            Some(answer)
        }
    }
}

fn json_answer(status: u16, body: Bytes) -> Answer {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Full::from(body)).expect("a response")
}

fn with_header(mut answer: Answer, value: &'static str) -> Answer {
    answer.headers_mut().insert("idempotency-marker", http::HeaderValue::from_static(value));
    answer
}

/// The answer to a request that had no effect.
fn nothing() -> (u16, Bytes) {
    (500, Bytes::from("{\"error\":\"nothing was done\"}"))
}

impl Api {
    fn note(&self, mut call: Call) -> Call {
        let mut calls = self.calls.lock().expect("no panic while locked");
        call.number = calls.iter().filter(|earlier| earlier.key == call.key).count() + 1;
        call.plan = (self.script)(&call);
        calls.push(call.clone());
        call
    }

    fn body(&self, charge: i64) -> Bytes {
        json!({ "charge": charge, "text": self.response_text }).to_string().into()
    }

    async fn charge(&self, call: &Call, plan: Plan) -> (u16, Bytes) {
        self.passes(Point::Written);
        self.pause(plan.written).await;
        if plan.act == Act::Nothing {
            return nothing();
        }
        let charge = self.ledger.charge(&call.key, &call.execution);
        self.passes(Point::Committed);
        self.pause(plan.committed).await;
        (201, self.body(charge))
    }

    async fn charge_once(&self, call: &Call, plan: Plan) -> (u16, Bytes) {
        let Protection::Keys(keys) = &self.protection else { unreachable!("an API with keys") };
        match keys.recognise(call) {
            Recognised::New => {}
            Recognised::Running => return (409, Bytes::from("{\"error\":\"the key is in use\"}")),
            Recognised::Answered(status, body) => return (status, body),
            Recognised::Mismatch => return (422, Bytes::from("{\"error\":\"another request\"}")),
        }
        let (status, body) = self.charge(call, plan).await;
        match plan.act {
            Act::Charge => keys.answered(&call.key, status, &body),
            Act::Nothing => keys.forget(&call.key),
        }
        (status, body)
    }

    /// Charges under the name of the execution. Returns `None` if that name has a marker.
    async fn charge_with_marker(&self, call: &Call, plan: Plan) -> Option<(u16, Bytes)> {
        let Protection::Marker(marker) = &self.protection else { unreachable!("an API with markers") };
        let written = marker.write(&call.key, &call.execution, |charge| self.body(charge)).await?;
        self.passes(Point::Written);
        self.pause(plan.written).await;
        if plan.act == Act::Nothing {
            written.roll_back().await;
            return Some(nothing());
        }
        let body = written.commit().await;
        self.passes(Point::Committed);
        self.pause(plan.committed).await;
        Some((201, body))
    }

    /// Answers a search as usual APIs do: status 200 and a list, which may be empty.
    fn search(&self, key: &str, headers: http::HeaderMap) -> Answer {
        let found = self.ledger.find(key, self.search_lag);
        let search = Search { key: key.to_owned(), headers, at: Instant::now(), found: found.is_some() };
        self.searches.lock().expect("no panic while locked").push(search);
        let text = &self.response_text;
        let entry =
            |effect: super::Effect| json!({ "charge": effect.charge, "status": "succeeded", "text": text });
        let list: Vec<_> = found.map(entry).into_iter().collect();
        json_answer(200, json!({ "data": list }).to_string().into())
    }
}
