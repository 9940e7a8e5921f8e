//! The annotated document: what it says, what it keeps, and that it is valid.

use std::os::unix::fs::PermissionsExt;

use yaml_serde::Value;

use crate::{ELSEWHERE, PAYMENTS, ROUTES, World, json_of, members, read, validate};

/// Returns a value of a document, by the names on the way to it.
fn at<'v>(value: &'v Value, way: &[&str]) -> &'v Value {
    way.iter().fold(value, |value, name| {
        let named = |(key, _): &(&Value, &Value)| match key {
            Value::Number(number) => number.to_string() == *name,
            key => key.as_str() == Some(name),
        };
        members(value).iter().find(named).map_or(&Value::Null, |(_, value)| value)
    })
}

/// Follows a reference within the document.
fn resolved<'v>(root: &'v Value, value: &'v Value) -> &'v Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let way: Vec<&str> = reference.strip_prefix("#/").expect("of this document").split('/').collect();
            at(root, &way)
        }
        None => value,
    }
}

fn names(value: &Value) -> Vec<String> {
    let name = |key: &Value| {
        key.as_str().map_or_else(|| format!("{}", key.as_u64().expect("a status")), str::to_owned)
    };
    members(value).keys().map(name).collect()
}

fn post<'v>(root: &'v Value, path: &str) -> &'v Value {
    at(root, &["paths", path, "post"])
}

/// Asserts that everything of `original` stands in `result`.
fn kept(original: &Value, result: &Value, root: &Value, way: &str) {
    if let Some(both) = result.get("anyOf").filter(|_| original.get("anyOf").is_none()) {
        return assert_eq!(&both[0], original, "{way}: the author's own is one of two");
    }
    match (original, result) {
        (Value::Mapping(original), Value::Mapping(_)) => {
            let order = |value: &Value| -> Vec<String> {
                names(value)
                    .into_iter()
                    .filter(|name| !at(&Value::Mapping(original.clone()), &[name]).is_null())
                    .collect()
            };
            if original.contains_key("$ref") && result.get("$ref").is_none() {
                // The reference became a copy of the author's component.
                return kept(resolved(root, &Value::Mapping(original.clone())), result, root, way);
            }
            assert_eq!(order(result), names(&Value::Mapping(original.clone())), "{way}: in their order");
            for (key, value) in original {
                let name = &names(&Value::Mapping([(key.clone(), Value::Null)].into_iter().collect()))[0];
                kept(value, at(result, &[name]), root, &format!("{way}/{name}"));
            }
        }
        (Value::Sequence(original), Value::Sequence(result)) => {
            assert_eq!(original[..], result[..original.len()], "{way}");
        }
        (original, result) => assert_eq!(original, result, "{way}"),
    }
}

#[test]
fn each_covered_operation_says_what_its_route_asks_and_answers() {
    let world = World::new(ROUTES);
    world.write("payments.yaml", PAYMENTS);
    let (text, _) = world.annotate("payments.yaml");
    let root = read(&text);
    let charge = post(&root, "/charges");
    let key = resolved(&root, &charge["parameters"][0]);
    assert_eq!((key["name"].as_str(), key["in"].as_str()), (Some("Idempotency-Key"), Some("header")));
    assert_eq!(key["required"].as_bool(), Some(true));
    let policy = "{ key: { header: Idempotency-Key }, required: true, lifetime: { seconds: 5400, iso8601: PT1H30M }, \
                  problems: rfc9457, x-oncegate: true }";
    assert_eq!(charge["x-idempotency"], read(policy));

    let responses = &charge["responses"];
    let statuses = ["201", "409", "422", "429", "5XX", "400", "410", "413", "500", "502", "503", "504"];
    assert_eq!(names(responses), statuses);
    let headers = |status: &str| {
        let mut headers = names(at(resolved(&root, at(responses, &[status])), &["headers"]));
        headers.sort();
        headers.join(" ")
    };
    assert_eq!(headers("201"), "Idempotency-Expires Idempotency-Record Idempotent-Replayed X-Request-Id");
    assert_eq!(headers("429"), "Idempotency-Outcome Idempotency-Record");
    assert_eq!(headers("410"), "Idempotency-Executed Idempotency-Record Retry-After");
    assert_eq!(
        headers("409"),
        "Idempotency-Executed Idempotency-Expires Idempotency-Record Idempotent-Replayed Retry-After"
    );
    assert_eq!(headers("503"), "Idempotency-Executed Idempotency-Outcome Idempotency-Record Retry-After");
    let problem = "{ $ref: '#/components/schemas/OncegateProblem' }";
    for status in ["400", "410", "413", "422", "500", "502", "503", "504"] {
        let response = resolved(&root, at(responses, &[status]));
        assert_eq!(response["content"]["application/problem+json"]["schema"], read(problem), "{status}");
    }
    // The author's own document of this type is one of two.
    let both = format!("[{{ $ref: '#/components/schemas/Error' }}, {problem}]");
    let schema = at(responses, &["409", "content", "application/problem+json", "schema", "anyOf"]);
    assert_eq!(*schema, read(&both));
    // A status of its own hides the class, so it says what the class says.
    assert_eq!(at(responses, &["502", "description"]).as_str(), Some("The API failed."));
    let told =
        |status: &str| resolved(&root, at(responses, &[status]))["description"].as_str().map(str::to_owned);
    assert_eq!(told("400").as_deref(), Some("A problem: `key-missing`, `key-invalid`, `caller-unknown`."));
    assert_eq!(told("410").as_deref(), Some("A problem: `key-expired`, `response-not-retained`."));

    let refund = post(&root, "/refunds");
    let key = resolved(&root, &refund["parameters"][0]);
    assert_eq!((key["name"].as_str(), key["required"].as_bool()), (Some("X-Request-Id"), Some(false)));
    assert_eq!(refund["x-idempotency"]["lifetime"]["seconds"].as_u64(), Some(86_400));
    let capture = post(&root, "/charges/{charge}/capture");
    assert_eq!(capture["parameters"].as_sequence().map(Vec::len), Some(2), "the author's key stays alone");
    let told = resolved(&root, at(capture, &["responses", "400"]));
    assert_eq!(told["description"].as_str(), Some("Whatever comes."));
}

#[test]
fn the_author_is_told_what_is_not_covered() {
    let world = World::new(ROUTES);
    world.write("payments.yaml", PAYMENTS);
    let (_, told) = world.annotate("payments.yaml");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(
        lines,
        [
            "oncegate: DELETE /refunds: no route covers it",
            "oncegate: POST /{kind}/search: route \"customers\" covers some of its paths only",
            "oncegate: route \"payouts\" (POST, PATCH /v1/payouts) covers no operation of the document",
            "oncegate: annotated 3 operations",
            "oncegate: payments.yaml has comments, which the result lacks",
        ]
    );
    // The same key, required by the route, and optional in the document.
    let world = World::new(&ROUTES.replace("anonymous = \"one\"", "key = { required = true }"));
    let elsewhere = PAYMENTS.replace("'#/components/responses/Invalid'", "'common.yaml#/Invalid'");
    let item = "paths:\n  /payouts:\n    $ref: 'common.yaml#/payouts'\n";
    world.write("payments.yaml", &elsewhere.replace("paths:\n", item));
    let (_, told) = world.annotate("payments.yaml");
    for line in [
        "/payouts stands at common.yaml#/payouts, and its operations stay as they are",
        "POST /charges: its response 422 stands in another document, and stays as it is",
        "POST /charges/{charge}/capture: its parameter Idempotency-Key is optional here, and required on the route",
    ] {
        assert!(told.contains(line), "{told}");
    }
}

/// Both formats and both versions, before and after.
#[test]
fn the_result_is_valid_and_keeps_what_the_author_wrote() {
    let world = World::new(ROUTES);
    let mut documents = Vec::new();
    for version in ["3.0.3", "3.1.0"] {
        let yaml = PAYMENTS.replace("openapi: 3.0.3", &format!("openapi: {version}"));
        for (name, text) in [("yaml", yaml.clone()), ("json", json_of(&yaml))] {
            let source = world.write(&format!("{version}.{name}"), &text);
            let (result, _) = world.annotate(&format!("{version}.{name}"));
            assert_eq!(result.starts_with('{'), name == "json", "in the format of the document");
            kept(&read(&text), &read(&result), &read(&text), "");
            documents.extend([source, world.write(&format!("{version}-annotated.{name}"), &result)]);
        }
    }
    validate(&documents.iter().map(|path| path.as_path()).collect::<Vec<_>>());
}

#[test]
fn a_second_run_changes_nothing_and_other_routes_leave_nothing_behind() {
    let world = World::new(ROUTES);
    for (name, text) in [("a.yaml", PAYMENTS.to_owned()), ("b.json", json_of(PAYMENTS))] {
        world.write(name, &text);
        let (once, _) = world.annotate(name);
        let again = world.write(&format!("again-{name}"), &once);
        let (twice, _) = world.annotate(&format!("again-{name}"));
        assert_eq!(once, twice, "{name}");

        // Other settings replace the earlier ones, as if there had been none.
        let changed =
            ROUTES.replace("90m", "2h").replace("key = { required = true }", "key = { header = \"x-key\" }");
        let changed = World::new(&changed);
        changed.write(name, &text);
        std::fs::copy(&again, changed.path(&format!("again-{name}"))).expect("a copy");
        assert_eq!(changed.annotate(&format!("again-{name}")).0, changed.annotate(name).0, "{name}");

        let other = World::new(ELSEWHERE);
        std::fs::copy(&again, other.path(name)).expect("a copy");
        assert_eq!(read(&other.annotate(name).0), read(&text), "{name}");
    }
}

/// Many generators write an empty list where there is nothing to say. Its place is kept from run to run.
#[test]
fn empty_members_of_the_author_keep_their_places() {
    let text = "{ openapi: 3.0.0, components: { headers: {}, parameters: {}, schemas: {} }, paths: { /charges: { post: { \
                parameters: [], summary: x, responses: { '204': { headers: {}, description: y, content: {} }, \
                default: { content: {}, description: z } }, tags: [] }, get: { parameters: [], responses: {} } } }, \
                info: { title: t, version: v }, servers: [{ url: /v1 }] }";
    let world = World::new(ROUTES);
    world.write("a.yaml", text);
    let (once, _) = world.annotate("a.yaml");
    kept(&read(text), &read(&once), &read(text), "");
    world.write("a.yaml", &once);
    assert_eq!(world.annotate("a.yaml").0, once);
    let other = World::new(ELSEWHERE);
    other.write("a.yaml", &once);
    let (bare, _) = other.annotate("a.yaml");
    assert!(!bare.contains("ncegate") && !bare.contains("null") && !bare.contains("dempot"), "{bare}");
}

/// The author may have components with the names that this command takes, and an extension of the same name.
#[test]
fn names_of_the_author_are_left_to_the_author() {
    let own = "  schemas:\n    OncegateProblem: { type: string }\n";
    let text =
        PAYMENTS.replace("  schemas:\n", own).replace("x-author: stays", "x-idempotency: { since: 2019 }");
    let world = World::new(ROUTES);
    world.write("a.yaml", &text);
    let (once, told) = world.annotate("a.yaml");
    let root = read(&once);
    assert_eq!(at(&root, &["components", "schemas", "OncegateProblem"]), &read("{ type: string }"));
    assert!(at(&root, &["components", "schemas", "OncegateProblem2"]).is_mapping());
    assert_eq!(post(&root, "/charges")["x-idempotency"], read("{ since: 2019 }"));
    assert!(told.contains("POST /charges: it has an x-idempotency of its own"), "{told}");
    world.write("a.yaml", &once);
    assert_eq!(world.annotate("a.yaml").0, once);
}

/// Without a configuration, each POST and PATCH is covered, as by `serve --upstream`.
#[test]
fn without_a_configuration_every_post_and_patch_is_covered() {
    let world = World::new("");
    world.write("openapi", &json_of(PAYMENTS));
    let run = world.run(&["--annotate", "openapi"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    let root = read(&run.out);
    for (path, method, covered) in [
        ("/charges", "post", true),
        ("/charges", "get", false),
        ("/refunds", "post", true),
        ("/refunds", "delete", false),
        ("/{kind}/search", "post", true),
    ] {
        let operation = at(&root, &["paths", path, method]);
        assert_eq!(operation.get("x-idempotency").is_some(), covered, "{method} {path}");
    }
    assert!(run.err.contains("annotated 4 operations"), "{}", run.err);
}

#[test]
fn the_result_can_take_the_place_of_the_document() {
    let world = World::new(ROUTES);
    let file = world.write("payments.yaml", PAYMENTS);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).expect("permissions");
    let (expected, _) = world.annotate("payments.yaml");
    let arguments = ["--annotate", "payments.yaml", "--config", "oncegate.toml", "--out"];
    let run = world.run(&[&arguments[..], &["payments.yaml"]].concat());
    assert_eq!((run.code, run.out.as_str()), (Some(0), ""), "{}", run.err);
    assert_eq!(std::fs::read_to_string(&file).expect("text"), expected);
    let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let run = world.run(&[&arguments[..], &["no/such/directory.yaml"]].concat());
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("no/such/directory.yaml cannot be written"), "{}", run.err);
}
