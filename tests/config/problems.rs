//! The shapes of problems: mistakes with their line and key, warnings, and what `check` prints of them.

use oncegate::cli::check::{problems, report};
use oncegate::config::{Config, Environment, UnknownAnswers};
use oncegate::problem::{Shape, Slug};

use super::{SMALL, parsed, refused};

/// Returns a file with the line under test as its second line, in a shape that the route names.
fn shaped(line: &str) -> String {
    format!("[problems.own]\n{line}\n{SMALL}problems = 'own'\n")
}

/// Line of the shape, the key that the error names, and a part of the text.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "status = { key-mising = 400 }",
        "problems.own.status.key-mising",
        "there is no problem \"key-mising\"; known: key-missing, key-invalid",
    ),
    ("status = { payload_mismatch = 400 }", "problems.own.status.payload_mismatch", "known: key-missing"),
    ("status = { http-error = 400 }", "problems.own.status.http-error", "each with its own status"),
    (
        "status = { in-flight = 199 }",
        "problems.own.status.in-flight",
        "199 is not a final status; allowed: 200 to 599",
    ),
    ("status = { in-flight = 600 }", "problems.own.status.in-flight", "allowed: 200 to 599"),
    ("status = { in-flight = -1 }", "problems.own.status.in-flight", "allowed: 200 to 599"),
    ("status = { in-flight = '409' }", "problems.own.status.in-flight", "write 409, without quotes"),
    ("status = { key-expired = 204 }", "problems.own.status.key-expired", "204 forbids a body"),
    ("status = { key-expired = 205 }", "problems.own.status.key-expired", "205 forbids a body"),
    ("status = { key-expired = 304 }", "problems.own.status.key-expired", "304 forbids a body"),
    ("status = { key-expired = 302 }", "problems.own.status.key-expired", "302 leads clients elsewhere"),
    (
        "status = { key-expired = 407 }",
        "problems.own.status.key-expired",
        "407 asks for the credentials of a proxy",
    ),
    (
        "status = { outcome-unknown = 401 }",
        "problems.own.status.outcome-unknown",
        "401 makes clients fetch another token",
    ),
    ("status = 409", "problems.own.status", "is a number; allowed: a table"),
    ("codes = { in-flite = 'x' }", "problems.own.codes.in-flite", "there is no problem"),
    ("codes = { in-flight = 704 }", "problems.own.codes.in-flight", "write it in quotes"),
    ("codes = { in-flight = '' }", "problems.own.codes.in-flight", "is empty or has control characters"),
    (
        "types = { in-flight = \"a\\nb\" }",
        "problems.own.types.in-flight",
        "is empty or has control characters",
    ),
    ("types = { possible-duplicate = 'x' }", "problems.own.types.possible-duplicate", "there is no problem"),
    (
        "content_type = 'json'",
        "problems.own.content_type",
        "\"json\" is not a content type; allowed: application/json",
    ),
    ("content_type = 'text/html'", "problems.own.content_type", "is not a content type; allowed"),
    (
        "content_type = 'text/plain; charset=latin1'",
        "problems.own.content_type",
        "another charset than utf-8",
    ),
    ("content_type = 'text/plain'", "problems.own.content_type", "needs `body` beside it"),
    (
        "content_type = 'text/xml'\nbodies = { in-flight = '<x/>' }",
        "problems.own.content_type",
        "needs `body`",
    ),
    ("echo = ['a b']", "problems.own.echo[0]", "letters, digits"),
    ("echo = ['x-a', 'X-A']", "problems.own.echo[1]", "named twice"),
    ("echo = ['x-a', 'Authorization']", "problems.own.echo[1]", "may prove who asks"),
    ("echo = ['cookie']", "problems.own.echo[0]", "may prove who asks"),
    ("echo = ['x-api-key']", "problems.own.echo[0]", "may prove who asks"),
    ("echo = ['x-merchant-key']", "problems.own.echo[0]", "may prove who asks"),
    ("echo = ['Idempotency-Key']", "problems.own.echo[0]", "carries a key or the gateway's own words"),
    ("echo = ['idempotency_key']", "problems.own.echo[0]", "carries a key"),
    ("echo = ['idempotency-executed']", "problems.own.echo[0]", "carries a key or the gateway's own words"),
    ("echo = ['x-should-retry']", "problems.own.echo[0]", "the gateway's own words"),
    ("echo = ['connection']", "problems.own.echo[0]", "belongs to one connection"),
    ("echo = ['transfer-encoding']", "problems.own.echo[0]", "belongs to one connection"),
    ("echo = ['content-type']", "problems.own.echo[0]", "describes the body"),
    ("echo = ['content_length']", "problems.own.echo[0]", "; allowed: headers that name a request"),
    ("echo = ['location']", "problems.own.echo[0]", "set by browsers"),
    ("echo = ['Access-Control-Allow-Origin']", "problems.own.echo[0]", "set by browsers"),
    ("echo = ['x-forwarded-for']", "problems.own.echo[0]", "where a request comes from"),
    ("echo = ['set-cookie']", "problems.own.echo[0]", "may prove who asks"),
    ("echo = ['retry-after']", "problems.own.echo[0]", "is a time"),
    ("echo = ['x-accel-redirect']", "problems.own.echo[0]", "means something in an answer"),
    ("echo = ['Refresh']", "problems.own.echo[0]", "means something in an answer"),
    ("echo = ['clear-site-data']", "problems.own.echo[0]", "means something in an answer"),
    ("echo = 'x-request-id'", "problems.own.echo", "write it in brackets"),
    ("headers = { in-fligth = { x-a = 'b' } }", "problems.own.headers.in-fligth", "there is no problem"),
    (
        "headers = { in-flight = { 'a b' = 'c' } }",
        "problems.own.headers.in-flight.\"a b\"",
        "not a header name",
    ),
    ("headers = { in-flight = { x-a = '' } }", "problems.own.headers.in-flight.x-a", "no value of a header"),
    ("headers = { in-flight = { x-a = 'é' } }", "problems.own.headers.in-flight.x-a", "no value of a header"),
    (
        "headers = { in-flight = { x-a = \"b\\nc\" } }",
        "problems.own.headers.in-flight.x-a",
        "no value of a header",
    ),
    (
        "headers = { in-flight = { x-a = 'b', X-A = 'c' } }",
        "problems.own.headers.in-flight.x-a",
        "named twice",
    ),
    (
        "echo = ['x-a']\nheaders = { in-flight = { X-A = 'b' } }",
        "problems.own.headers.in-flight.X-A",
        "named twice",
    ),
    (
        "headers = { in-flight = { retry-after = '1' } }",
        "problems.own.headers.in-flight.retry-after",
        "is a time",
    ),
    (
        "headers = { in-flight = { x-should-retry = 'true' } }",
        "problems.own.headers.in-flight.x-should-retry",
        "own words",
    ),
    (
        "headers = { in-flight = { idempotent_replayed = 'a' } }",
        "problems.own.headers.in-flight.idempotent_replayed",
        "own words",
    ),
    (
        "headers = { in-flight = { Set-Cookie = 'a' } }",
        "problems.own.headers.in-flight.Set-Cookie",
        "may prove who asks",
    ),
    (
        "headers = { in-flight = { Location = '/' } }",
        "problems.own.headers.in-flight.Location",
        "allowed: headers of an API's own",
    ),
    (
        "headers = { in-flight = { content-type = 'a/b' } }",
        "problems.own.headers.in-flight.content-type",
        "describes the body",
    ),
    (
        "headers = { in-flight = { Refresh = '1' } }",
        "problems.own.headers.in-flight.Refresh",
        "would obey it",
    ),
    (
        "body = '{\"a\": \"{stauts}\"}'",
        "problems.own.body",
        "has {stauts}, which is no placeholder; known: {status}",
    ),
    ("body = '{\"a\": {status}'", "problems.own.body", "has a { without its }"),
    ("body = '{\"a\": \"{status\"}'", "problems.own.body", "has a { without its }"),
    ("body = '{\"a\": {status},}'", "problems.own.body", "is not JSON once it is filled in"),
    ("body = '{status}: {detail}'", "problems.own.body", "is not JSON once it is filled in"),
    ("body = ''", "problems.own.body", "is not JSON"),
    ("body = 7", "problems.own.body", "write it in quotes"),
    ("body = '{\"a\": \"${NOT_SET}\"}'", "problems.own.body", "NOT_SET is not set"),
    ("bodies = { in-flight = '{' }", "problems.own.bodies.in-flight", "has a { without its }"),
    ("bodies = { inflight = '{}' }", "problems.own.bodies.inflight", "there is no problem"),
    (
        "content_type = 'application/x-www-form-urlencoded'\nbody = 'a b={status}'",
        "problems.own.body",
        "write it as %XX",
    ),
    ("title = 'x'", "problems.own.title", "unknown key"),
];

#[test]
fn each_mistake_in_a_shape_names_its_line_and_key() {
    for (lines, key, why) in MISTAKES {
        let errors = refused(&shaped(lines));
        assert_eq!(errors.lines().count(), 1, "{lines}:\n{errors}");
        assert!(errors.contains(&format!(" {key}: ")) && errors.contains(why), "{lines}: {errors}");
        let line = 2 + lines
            .lines()
            .position(|line| key.contains(line.split(' ').next().expect("a key")))
            .expect("its line");
        assert!(errors.starts_with(&format!("test.toml:{line}:")), "{lines}: {errors}");
    }
}

/// A client that reads a success where nothing is known to have run takes a payment for done.
#[test]
fn only_what_was_executed_may_look_like_a_success() {
    for slug in Slug::ALL {
        let text = shaped(&format!("status = {{ {} = 200 }}", slug.name()));
        let allowed = ["key-expired", "response-not-retained", "outcome-settled"].contains(&slug.name());
        assert_eq!(slug.is_always_executed(), allowed, "{slug:?}");
        if allowed {
            let warnings = parsed(&text).warnings();
            let [one] = &warnings[..] else { panic!("{warnings:?}") };
            let expected = format!("takes {} = 200 for a success", slug.name());
            assert!(one.about == "problems.own" && one.text.contains(&expected), "{one}");
        } else if !matches!(slug, Slug::Http(_)) {
            let errors = refused(&text);
            assert!(errors.contains("200 tells clients that the operation was executed"), "{errors}");
            assert!(
                errors.contains("Only key-expired, response-not-retained, outcome-settled may be 2xx"),
                "{errors}"
            );
        }
    }
}

#[test]
fn a_status_that_reads_as_a_refusal_is_warned_of_where_the_operation_may_have_run() {
    for (status, expected) in [
        ("outcome-unknown = 402", "take outcome-unknown = 402 for a refusal, and pay again under a new key"),
        ("in-flight = 422, key-expired = 400", "take in-flight = 422, key-expired = 400 for a refusal"),
        ("store-unavailable = 403", "take store-unavailable = 403 for a refusal"),
    ] {
        let warnings = parsed(&shaped(&format!("status = {{ {status} }}"))).warnings();
        assert!(matches!(&warnings[..], [one] if one.text.contains(expected)), "{status}: {warnings:?}");
    }
    for status in [
        "outcome-unknown = 409",
        "outcome-unknown = 500",
        "in-flight = 429",
        "in-flight = 425",
        "payload-mismatch = 400",
        "key-missing = 422",
        "upstream-unreachable = 400",
        "caller-unknown = 401",
        "request-too-large = 400",
    ] {
        assert_eq!(parsed(&shaped(&format!("status = {{ {status} }}"))).warnings(), [], "{status}");
    }
}

#[test]
fn references_to_shapes_are_checked() {
    let errors = refused(&format!("{SMALL}problems = 'strip'\n[problems.own]\n"));
    assert!(errors.starts_with("test.toml:9:"), "{errors}");
    assert!(
        errors.contains("routes[0].problems (route \"charges\"): there is no shape \"strip\""),
        "{errors}"
    );
    assert!(
        errors
            .contains("allowed: \"rfc9457\", \"stripe\", or the name of a [problems.NAME]; defined: \"own\""),
        "{errors}"
    );
    let errors = refused(&format!("{SMALL}problems = true\n"));
    assert!(errors.contains("routes[0].problems"), "{errors}");
    for name in ["stripe", "rfc9457"] {
        let errors = refused(&format!("[problems.{name}]\n{SMALL}"));
        assert!(errors.starts_with("test.toml:1:"), "{errors}");
        assert!(
            errors.contains(&format!("problems.{name}: is the name of a shape that the gateway knows")),
            "{errors}"
        );
    }
    let errors = refused(&format!("{SMALL}problems = {{ status = {{}} }}\n"));
    assert!(
        errors.contains("routes[0].problems (route \"charges\"): is a table; allowed: a string"),
        "{errors}"
    );
    let errors = refused(&format!("problems = 'stripe'\n{SMALL}"));
    assert!(errors.contains("write [problems.NAME], and its keys below it"), "{errors}");
    let key = "key = { header = 'X-Event-Id' }\n";
    let errors = refused(&format!("[problems.own]\necho = ['x-event-id']\n{SMALL}problems = 'own'\n{key}"));
    assert!(errors.starts_with("test.toml:11:"), "{errors}");
    assert!(errors.contains("with x-event-id in echo, which is the header of this route's key"), "{errors}");
}

/// A mistake in a shape is reported once, however many routes name it.
#[test]
fn a_mistake_in_a_shape_is_reported_where_it_is_defined() {
    let errors = refused(&shaped("body = '{'"));
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn stripes_shape_implies_problems_for_unknown_answers() {
    let of = |lines: &str| parsed(&format!("{SMALL}{lines}\n")).routes[0].unknown_answers;
    assert_eq!(of(""), UnknownAnswers::Pass);
    assert_eq!(of("problems = 'rfc9457'\nunknown_answers = 'pass'"), UnknownAnswers::Pass);
    assert_eq!(of("problems = 'stripe'"), UnknownAnswers::Problem);
    assert_eq!(of("problems = 'stripe'\nunknown_answers = 'problem'"), UnknownAnswers::Problem);
    let errors = refused(&format!("{SMALL}problems = 'stripe'\nunknown_answers = 'pass'\n"));
    assert!(errors.starts_with("test.toml:10:"), "{errors}");
    assert!(
        errors.contains("routes[0].unknown_answers (route \"charges\"): \"pass\" shows the upstream's 503"),
        "{errors}"
    );
    assert!(
        errors.contains("allowed beside problems = \"stripe\": \"problem\", or leave it out"),
        "{errors}"
    );
}

#[test]
fn an_unused_shape_is_warned_of() {
    let config = parsed(&format!("[problems.own]\n[problems.other]\n{SMALL}problems = 'own'\n"));
    let warnings: Vec<String> = config.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["problems.other: no route names this shape, so nothing is told in it"]);
}

#[test]
fn the_environment_reaches_a_shape() {
    let variables = [
        ("ONCEGATE__PROBLEMS__MY_OWN__CONTENT_TYPE", "text/plain"),
        ("ONCEGATE__PROBLEMS__MY_OWN__BODY", "{slug}"),
    ];
    let text = format!("[problems.My-Own]\n{SMALL}problems = 'My-Own'\n");
    let config = Config::parse(&text, "test.toml", &Environment::from(variables)).expect("valid");
    let Shape::Custom(custom) = &*config.routes[0].problems else {
        panic!("{:?}", config.routes[0].problems)
    };
    assert!(custom.body.is_some() && custom.content_type.as_ref().is_some_and(|kind| !kind.is_json()));
}

#[test]
fn the_report_tells_statuses_as_clients_get_them() {
    let shape = "status = { payload-mismatch = 409, key-expired = 200, in-flight = 425, outcome-unknown = 500, \
                 store-unavailable = 500, response-not-retained = 404, caller-unknown = 401, key-missing = 422 }\n\
                 echo = ['x-request-id']";
    let text = format!("{}key = {{ required = true }}\n", shaped(shape));
    let words = report(&parsed(&text)).split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "problems the shape of [problems.own]; 422 key-missing, 401 caller-unknown, 409 payload-mismatch, 425 in-flight",
        "they repeat x-request-id of the request; `oncegate check --problems` prints each",
        "a key with any other is answered 409",
        "then gets 425 in-flight",
        "then refused for 30d (200 key-expired)",
        "500 outcome-unknown, then 500 for 24h",
        "500 store-unavailable, and nothing is sent",
        "passed on once, then 404 response-not-retained",
        "required: a request without it is answered 422 key-missing",
        "is answered 401 caller-unknown.",
    ] {
        assert!(words.contains(part), "{part:?} is not in\n{words}");
    }
}

#[test]
fn each_problem_of_a_route_is_shown_with_an_example() {
    let more = "[[routes]]\nname = 'plain'\npath = '/plain'\nupstream = 'payments'\n\
                [[routes]]\nname = 'plain-too'\npath = '/too'\nupstream = 'payments'\n\
                [[routes]]\nname = 'own'\npath = '/own'\nupstream = 'payments'\nproblems = 'own'\nanonymous = 'one'\n";
    let body = "body = '''\n{\n  \"slug\": {slug},\n  \"record\": {record}\n}'''\nstatus = { outcome-unknown = 500 }";
    let text = format!("[problems.own]\n{body}\n{SMALL}problems = 'stripe'\nkey.required = true\n{more}");
    let shown = problems::of_routes(&parsed(&text));
    for part in [
        "\nRoute \"charges\": stripe\n  key-missing           400 application/json, executed no, retry new-key\n      {\"error\":{\"type\":\"invalid_request_error\",\"code\":\"key_missing\",",
        "  outcome-unknown       409 application/json, executed unknown, retry never (504 at first)\n",
        "\nRoutes \"plain\", \"plain-too\": rfc9457\n  key-invalid           400 application/problem+json, executed no, retry new-key\n      {\"type\":\"urn:oncegate:problem:key-invalid\",",
        "\nRoute \"own\": own\n  key-invalid           400 application/json, executed no, retry new-key\n      {\n        \"slug\": \"key-invalid\",\n        \"record\": null\n      }\n  payload-mismatch ",
        "  outcome-unknown       500 application/json, executed unknown, retry never\n",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    let own = shown.split_once("\nRoute \"own\": ").expect("its problems").1;
    assert!(!own.contains("caller-unknown") && !own.contains("key-missing"), "they cannot happen:\n{own}");
}

#[test]
fn the_shapes_of_the_document_are_valid() {
    let page = include_str!("../../docs/problems.md");
    let blocks: Vec<&str> =
        page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        match block.contains("[[routes]]") {
            true => parsed(&format!("{block}\n[upstreams.payments]\nurl = 'http://127.0.0.1:9000'\n")),
            false => parsed(&format!("{block}\n{SMALL}")),
        };
    }
}
