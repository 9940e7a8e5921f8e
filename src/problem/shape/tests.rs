use serde_json::{Value, json};

use super::super::Problem;
use super::*;

fn json_of(wording: &Wording) -> Value {
    serde_json::from_slice(&wording.body).expect("JSON")
}

fn stripe(problem: Problem) -> (u16, Value) {
    let wording = problem.wording(&Shape::Stripe, None);
    assert_eq!(wording.content_type, "application/json");
    (wording.status.as_u16(), json_of(&wording))
}

#[test]
fn stripe_clients_get_their_types_codes_and_statuses() {
    for (slug, status, kind, code) in [
        (Slug::KeyMissing, 400, "invalid_request_error", "key_missing"),
        (Slug::KeyInvalid, 400, "invalid_request_error", "key_invalid"),
        (Slug::PayloadMismatch, 400, "idempotency_error", "payload_mismatch"),
        (Slug::InFlight, 409, "invalid_request_error", "idempotency_key_in_use"),
        (Slug::OutcomeUnknown, 409, "api_error", "outcome_unknown"),
        (Slug::KeyExpired, 410, "api_error", "key_expired"),
        (Slug::CallerUnknown, 400, "api_error", "caller_unknown"),
        (Slug::UpstreamUnreachable, 502, "api_error", "upstream_unreachable"),
        (Slug::Http(StatusCode::REQUEST_TIMEOUT), 408, "api_error", "http_error"),
    ] {
        let (told, body) = stripe(Problem::new(slug, "Why."));
        assert_eq!(told, status, "{slug:?}");
        let error = &body["error"];
        assert_eq!(
            (&error["type"], &error["code"], &error["message"]),
            (&json!(kind), &json!(code), &json!("Why."))
        );
        assert!(error["executed"].is_string() && error["retry"].is_string(), "{error}");
    }
}

/// Stripe's clients take a body without `error` for a success.
#[test]
fn no_problem_lacks_what_makes_a_stripe_client_raise() {
    for slug in Slug::ALL {
        let (status, body) = stripe(Problem::new(slug, "Why."));
        assert!(status >= 400 && body["error"]["type"].is_string(), "{slug:?}: {status} {body}");
    }
}

#[test]
fn support_finds_the_facts_in_stripes_shape() {
    let record = "00112233445566778899aabbccddeeff00112233".parse().expect("an id");
    let problem = Problem::new(Slug::ResponseNotRetained, "Why.").about(record).original_status(402);
    let wording = problem.wording(&Shape::Stripe, Some("https://docs.example/x"));
    let expected = json!({ "error": {
        "type": "api_error",
        "code": "response_not_retained",
        "message": "Why.",
        "doc_url": "https://docs.example/x#response-not-retained",
        "executed": "yes",
        "retry": "never",
        "record": "00112233445566778899aabbccddeeff00112233",
        "original_status": 402,
    }});
    assert_eq!(json_of(&wording), expected);
}

#[test]
fn an_own_shape_says_what_it_names_and_the_rest_as_usual() {
    let words = SlugWords {
        status: Some(StatusCode::OK),
        code: Some("E17".into()),
        kind: Some("done".into()),
        body: None,
        ..SlugWords::default()
    };
    let shape = |body| {
        Shape::Custom(CustomShape {
            name: "own".into(),
            body,
            slugs: BTreeMap::from([("key-expired", words.clone())]),
            ..CustomShape::default()
        })
    };
    let expired = Problem::new(Slug::KeyExpired, "Why.");
    let usual = expired.wording(&shape(None), None);
    assert_eq!(
        (usual.status.as_u16(), usual.content_type.as_bytes()),
        (200, &b"application/problem+json"[..])
    );
    let body = json_of(&usual);
    assert_eq!(
        (&body["status"], &body["type"], &body["error"]["code"]),
        (&json!(200), &json!("done"), &json!("E17"))
    );

    let text = r#"{"status": {status}, "code": "{code}", "type": "{type}", "slug": "{slug}"}"#;
    let template = Template::parse(text, &ContentType::json()).expect("a template");
    let own = expired.wording(&shape(Some(template.clone())), None);
    assert_eq!(own.content_type, "application/json");
    let expected = json!({ "status": 200, "code": "E17", "type": "done", "slug": "key-expired" });
    assert_eq!(json_of(&own), expected);
    let other = Problem::new(Slug::InFlight, "Why.").wording(&shape(Some(template)), Some("https://d"));
    let expected =
        json!({ "status": 409, "code": "in-flight", "type": "https://d#in-flight", "slug": "in-flight" });
    assert_eq!(json_of(&other), expected);
}

#[test]
fn only_a_shape_that_repeats_headers_reads_them() {
    let mut headers = HeaderMap::new();
    for (name, value) in
        [("x-request-id", "a"), ("x-request-id", "b"), ("x-trace", "c"), ("connection", "x-trace")]
    {
        headers.append(name, HeaderValue::from_static(value));
    }
    let of = |shape: Shape| ShapeOfRequest::of(&Arc::new(shape), &headers);
    assert!(of(Shape::Rfc9457).is_none());
    assert_eq!(of(Shape::Stripe).map(|request| request.echoed), Some(Vec::new()));
    let echo = ["x-request-id", "x-trace", "x-absent"].map(HeaderName::from_static).to_vec();
    let request = of(Shape::Custom(CustomShape { echo, ..CustomShape::default() })).expect("it has a shape");
    let values: Vec<&[u8]> = request.echoed.iter().map(|(_, value)| value.as_bytes()).collect();
    assert_eq!(values, [b"a", b"b"]);
    let response = Problem::new(Slug::InFlight, "Why.").into_response_to(request, None);
    assert_eq!(response.headers().get_all("x-request-id").iter().count(), 2);
    assert_eq!(response.headers()["idempotency-executed"], "unknown");
    assert_eq!(response.headers()["retry-after"], "1");
}

#[test]
fn a_lost_refusal_never_looks_like_a_success() {
    let words = SlugWords { status: Some(StatusCode::OK), ..SlugWords::default() };
    let slugs = BTreeMap::from([("response-not-retained", words)]);
    let shape = Shape::Custom(CustomShape { slugs, ..CustomShape::default() });
    for (original, told) in [(200, 200), (201, 200), (302, 410), (400, 410), (402, 410), (500, 410)] {
        let problem = Problem::new(Slug::ResponseNotRetained, "Why.").original_status(original);
        assert_eq!(problem.wording(&shape, None).status.as_u16(), told, "{original}");
    }
}

/// Headers of a shape stand beside those of the contract, and on no other problem.
#[test]
fn a_problem_has_the_headers_of_its_shape() {
    let name = HeaderName::from_static("transient-error");
    let headers = vec![(name.clone(), HeaderValue::from_static("true"))];
    let words = SlugWords { headers, ..SlugWords::default() };
    let custom = CustomShape { slugs: [("in-flight", words)].into(), ..CustomShape::default() };
    let shape = Shape::Custom(custom);
    for (slug, expected) in [(Slug::InFlight, Some("true")), (Slug::Overloaded, None)] {
        let request = ShapeOfRequest { shape: Arc::new(shape.clone()), echoed: Vec::new() };
        let response = Problem::new(slug, "Why.").into_response_to(request, None);
        let found = response.headers().get(&name).map(|value| value.to_str().expect("text"));
        assert_eq!(found, expected, "{slug:?}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-should-retry"], "true");
    }
}
