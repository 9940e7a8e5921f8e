//! What cannot be annotated: told in a sentence that names the file, with exit code 2.

use crate::{PAYMENTS, ROUTES, World};

#[test]
fn what_is_no_document_is_refused_with_a_sentence() {
    let world = World::new(ROUTES);
    for (name, text, why) in [
        (
            "a.yaml",
            "swagger: '2.0'\npaths: {}\n",
            "is a document of Swagger 2.0; convert it to OpenAPI 3.0 or 3.1",
        ),
        ("a.json", "{ \"swagger\": \"2.0\" }", "is a document of Swagger 2.0"),
        ("a.yaml", "openapi: 3.2.0\npaths: {}\n", "is a document of OpenAPI \"3.2.0\"; allowed: 3.0 and 3.1"),
        ("a.yaml", "openapi: 3.01.0\n", "allowed: 3.0 and 3.1"),
        ("a.yaml", "openapi: [3]\n", "it has no `openapi` with a version"),
        ("a.yaml", "title: x\n", "it has no `openapi` with a version"),
        ("a.yaml", "- openapi\n", "the whole is no object"),
        ("a.yaml", "", "the whole is no object"),
        ("a.yaml", "openapi: 3.0.0\npaths: [\n", "is not YAML: "),
        ("a.yaml", "openapi: 3.0.0\n\tpaths: {}\n", "is not YAML: "),
        ("a.yaml", "openapi: 3.0.0\nopenapi: 3.1.0\n", "is not YAML: "),
        ("a.yaml", "openapi: 3.0.0\n---\nopenapi: 3.0.0\n", "is not YAML: "),
        ("a.json", "{ \"openapi\": \"3.0.0\", }", "is not JSON: "),
        ("a.json", "{ \"openapi\": \"3.0.0\", \"openapi\": \"3.0.0\" }", "is not JSON: "),
        ("a", "{ \"openapi\": ", "is not JSON: "),
        ("a.yaml", "openapi: 3.0.0\npaths: []\n", "its `paths` is no object"),
        ("a.yaml", "openapi: 3.0.0\ncomponents: x\n", "its `components` is no object"),
        (
            "a.yaml",
            "openapi: 3.0.0\npaths: { /v1/charges: { post: { responses: [] } } }\n",
            "POST /v1/charges has `responses` that are no object",
        ),
        (
            "a.yaml",
            "openapi: 3.0.0\npaths: { /v1/charges: { post: { parameters: {} } } }\n",
            "POST /v1/charges has `parameters` that are no array",
        ),
    ] {
        world.write(name, text);
        let run = world.run(&["--annotate", name, "--config", "oncegate.toml", "--out", "result"]);
        assert_eq!((run.code, run.out.as_str()), (Some(2), ""), "{text}");
        assert!(run.err.starts_with(&format!("oncegate: {name}: ")), "{text}: {}", run.err);
        assert!(run.err.contains(why), "{text}: {}", run.err);
        assert!(!world.path("result").exists());
    }
    let run = world.run(&["--annotate", "none.yaml", "--config", "oncegate.toml"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("none.yaml: No such file"), "{}", run.err);
}

#[test]
fn a_wrong_configuration_is_told_with_its_line() {
    let world = World::new(&ROUTES.replace("ttl = \"90m\"", "ttl = 90"));
    world.write("payments.yaml", PAYMENTS);
    let run = world.run(&["--annotate", "payments.yaml", "--config", "oncegate.toml"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("routes[0].ttl"), "{}", run.err);
    assert_eq!(world.run(&["--config", "oncegate.toml"]).code, Some(2), "a document is needed");
}

#[test]
fn the_help_says_what_the_command_does() {
    let run = World::new("").run(&["--help"]);
    assert_eq!(run.code, Some(0));
    for text in
        ["--annotate <FILE>", "OpenAPI 3.0 or 3.1", "x-idempotency", "Exits with 0", "--out public.yaml"]
    {
        assert!(run.out.contains(text), "{text}: {}", run.out);
    }
}
