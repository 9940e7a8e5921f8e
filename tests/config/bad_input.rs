//! Mistakes in a file: first one at a time, with its line, its key and the allowed values; then many at a
//! time.

use super::{SMALL, parse, refused};

/// Returns a file with the line under test as its second line, and with the rest that its section needs.
fn file(section: &str, line: &str) -> String {
    let key = line.split_once('=').map_or("", |(key, _)| key.trim());
    let unless_given = |lines: &[(&str, &str)]| -> String {
        let missing = lines.iter().filter(|(name, _)| *name != key);
        missing.map(|(name, value)| format!("{name} = {value}\n")).collect()
    };
    let route = [("name", "'charges'"), ("path", "'/v1/charges'"), ("upstream", "'payments'")];
    let upstream = [("url", "'http://127.0.0.1:9000'")];
    let valid_upstream = "[upstreams.payments]\nurl = 'http://127.0.0.1:9000'\n";
    match section {
        "route" => format!("[[routes]]\n{line}\n{}\n{valid_upstream}", unless_given(&route)),
        "upstream" => format!(
            "[upstreams.payments]\n{line}\n{}\n[fallback]\nupstream = 'payments'\n",
            unless_given(&upstream)
        ),
        section => format!("[{section}]\n{line}\n{SMALL}"),
    }
}

/// Section, line, the key that the error names, and a part of the text that says what is allowed.
const MISTAKES: &[(&str, &str, &str, &str)] = &[
    ("server", "listen = 'localhost:8080'", "server.listen", "\"127.0.0.1:8080\""),
    ("server", "listen = ':8080'", "server.listen", "an IP address and a port"),
    ("server", "listen = 8080", "server.listen", "allowed: a string; write \"127.0.0.1:8080\""),
    ("server", "listen = '8080'", "server.listen", "\"127.0.0.1:8080\", or \"0.0.0.0:8080\""),
    ("server", "drain_timeout = 30", "server.drain_timeout", "write it with a unit, like \"30s\""),
    ("server", "drain_timeout = 0", "server.drain_timeout", "write \"0s\""),
    ("server", "drain_timeout = 1.5", "server.drain_timeout", "whole units"),
    ("server", "max_connections = '10000'", "server.max_connections", "write 10000, without quotes"),
    ("server", "http2 = 'true'", "server.http2", "a boolean; write true, without quotes"),
    ("server", "http2 = 'off'", "server.http2", "write false, without quotes"),
    ("server", "http2 = 1", "server.http2", "a boolean; write true"),
    ("server", "tls = true", "server.tls", "is a boolean; allowed: a table"),
    ("server", "drain_timeout = '2h'", "server.drain_timeout", "0s to 1h"),
    ("server", "drain_timeout = 'soon'", "server.drain_timeout", "\"24h\""),
    ("server", "max_connections = 0", "server.max_connections", "1 to 1000000"),
    ("server", "max_connections = -3", "server.max_connections", "1 to 1000000"),
    ("server", "max_in_flight = 'many'", "server.max_in_flight", "a whole number"),
    ("server", "max_in_flight = 9223372036854775808", "server.max_in_flight", "a whole number"),
    ("server", "header_read_timeout = '0s'", "server.header_read_timeout", "10ms to 1h"),
    ("server", "keep_alive_timeout = '0s'", "server.keep_alive_timeout", "10ms to 1h"),
    ("server", "shutdown_delay = '2h'", "server.shutdown_delay", "0s to 1h"),
    ("server", "body_read_timeout = '1'", "server.body_read_timeout", "\"500ms\""),
    ("server", "request_body_limit = '2GiB'", "server.request_body_limit", "1B to 1GiB"),
    ("server", "request_body_limit = 0", "server.request_body_limit", "1B to 1GiB"),
    ("server", "request_body_limit = -1", "server.request_body_limit", "\"64KiB\""),
    ("server", "request_body_limit = '1.5MiB'", "server.request_body_limit", "\"64KiB\""),
    ("server", "request_body_limit = '99999999999GiB'", "server.request_body_limit", "more bytes"),
    ("server", "request_body_limit = true", "server.request_body_limit", "a whole number of bytes"),
    ("server", "trusted_proxies = ['10.0.0.0/33']", "server.trusted_proxies[0]", "\"10.0.0.0/8\""),
    ("server", "trusted_proxies = '10.0.0.0/8'", "server.trusted_proxies", "an array"),
    ("server", "http2 = 'yes'", "server.http2", "a boolean"),
    ("server", "problem_docs = 'docs'", "server.problem_docs", "\"https://docs.example.com/idempotency\""),
    ("server", "problem_docs = 'https://docs/x#y'", "server.problem_docs", "without `#`"),
    ("server", "cors = {}", "server.cors.origins", "[\"https://shop.example\"]"),
    (
        "server",
        "cors = { origins = ['https://shop.example/'] }",
        "server.cors.origins[0]",
        "write \"https://shop.example\"",
    ),
    (
        "server",
        "cors = { origins = ['https://a.example', 'HTTPS://Shop.example:443/x'] }",
        "server.cors.origins[1]",
        "write \"https://shop.example\"",
    ),
    (
        "server",
        "cors = { origins = ['http://a.example:80'] }",
        "server.cors.origins[0]",
        "write \"http://a.example\"",
    ),
    ("server", "cors = { origins = ['shop.example'] }", "server.cors.origins[0]", "\"https://shop.example\""),
    ("server", "cors = { origins = ['null'] }", "server.cors.origins[0]", "sandboxed"),
    ("server", "cors = { origins = ['*'], credentials = true }", "server.cors.origins", "name each origin"),
    ("server", "cors = { origins = ['*', 'https://a.example'] }", "server.cors.origins[0]", "write it alone"),
    ("server", "cors = { origins = ['https://*.example'] }", "server.cors.origins[0]", "no wildcards"),
    (
        "server",
        "cors = { origins = ['https://a.example', 'https://a.example'] }",
        "server.cors.origins[1]",
        "named twice",
    ),
    ("server", "cors = { origins = ['https://a.example'], max_age = '2d' }", "server.cors.max_age", "24h"),
    (
        "server",
        "cors = { origins = ['https://a.example'], origin = 'x' }",
        "server.cors.origin",
        "unknown key",
    ),
    ("server", "tls = { cert = '/no/such.pem', key = 'Cargo.toml' }", "server.tls.cert", "cannot be read"),
    ("server", "tls = { cert = 'Cargo.toml' }", "server.tls.key", "is missing"),
    ("server", "tls = { cert = 'Cargo.toml', key = 'Cargo.toml' }", "server.tls", "no PEM certificate"),
    ("admin", "tls = { cert = '/no/such.pem', key = 'Cargo.toml' }", "admin.tls.cert", "cannot be read"),
    ("admin", "listen = '127.0.0.1:8080'", "admin.listen", "must not be the address of server.listen"),
    ("admin", "listen = 9464", "admin.listen", "\"127.0.0.1:9464\""),
    ("admin", "token_env = 'NOT_SET'", "admin.token_env", "is not set; write the name of one that holds"),
    (
        "admin",
        "token_env = 'GATE_TOKEN'",
        "admin.token_env",
        "the environment variable GATE_TOKEN that it names",
    ),
    ("admin", "notify = 'https://h/x'", "admin.notify", "a table like { url = "),
    (
        "admin",
        "notify = { url = 'https://h/x' }",
        "admin.notify.secret_env",
        "is missing: the environment variable",
    ),
    ("admin", "token = 'secret'", "admin.token", "`token_env`"),
    ("store", "url = 'redis:/127.0.0.1'", "store.url", "write redis://HOST"),
    ("store", "url = 'redis://:secret@h:x'", "store.url", "has a port that is none"),
    ("store", "prefix = 'a{b}'\nurl = 'redis://h'", "store.prefix", "braces"),
    ("store", "wait_replicas = 17\nurl = 'redis://h'", "store.wait_replicas", "0 to 16"),
    ("store", "ca = '/ca.pem'\nurl = 'redis://h'", "store.ca", "only for rediss://"),
    ("store", "ca = '/no/such/ca.pem'\nurl = 'rediss://h'", "store.ca", "cannot be read"),
    (
        "store",
        "sentinel_password = 'hunter2'\nurl = 'redis://h'",
        "store.sentinel_password",
        "redis+sentinel://",
    ),
    (
        "store",
        "sentinel_username = ''\nurl = 'redis+sentinel://h/m'",
        "store.sentinel_username",
        "leave it out",
    ),
    ("store", "sentinel_username = 'me'", "store.sentinel_username", "only for Redis"),
    ("store", "prefix = 'x'", "store.prefix", "only for Redis"),
    ("store", "accept_lost = true\nurl = 'memory:'", "store.accept_lost", "only for Redis"),
    ("store", "url = 'mysql://127.0.0.1/x'", "store.url", "or \"memory:\""),
    ("store", "url = 'postgres://me:secret@h:x/db'", "store.url", "write postgres://USER"),
    ("store", "url = 'postgres://h/db?connect_timeout=1'", "store.url", "known are sslmode"),
    ("store", "schema = 'Pay'\nurl = 'postgres://h/db'", "store.schema", "lower-case"),
    ("store", "schema = 'pg_pay'\nurl = 'postgres://h/db'", "store.schema", "nor pg_"),
    ("store", "schema = 'pay'\nurl = 'redis://h'", "store.schema", "only for Postgres"),
    ("store", "ca = '/no/such/ca.pem'\nurl = 'postgres://h/db'", "store.ca", "cannot be read"),
    ("store", "ca = '/x.pem'\nurl = 'postgres://h/db?sslrootcert=/y.pem'", "store.ca", "given twice"),
    ("store", "wait_replicas = 1\nurl = 'postgres://h/db'", "store.wait_replicas", "only for Redis"),
    ("store", "url = 'embedded:'", "store.url", "\"embedded:DIR\""),
    ("store", "url = 'memory:x'", "store.url", "\"memory:\""),
    ("store", "timeout = 2", "store.timeout", "\"2s\""),
    (
        "store",
        "sentinel_password = 12345\nurl = 'redis://h'",
        "store.sentinel_password",
        "write it in quotes",
    ),
    ("store", "timeout = '2m'", "store.timeout", "10ms to 1m"),
    ("store", "wait_replicas = 1", "store.wait_replicas", "only for Redis"),
    ("store", "start_timeout = '2h'", "store.start_timeout", "0s to 1h"),
    (
        "store",
        "accept_identity_change = ['/v1']",
        "store.accept_identity_change[0]",
        "POST /v1/charges#1f3a9c",
    ),
    ("store", "retired = ['POST /v1#1234567']", "store.retired[0]", "what a refused start printed"),
    ("log", "format = 'xml'", "log.format", "`text` or `json`"),
    ("log", "level = 'loud'", "log.level", "`error`, `warn`, `info`, `debug`, `trace`"),
    ("fallback", "keyed = 'deny'\nupstream = 'payments'", "fallback.keyed", "`pass` or `refuse`"),
    ("fallback", "upstream = 'refunds'", "fallback.upstream", "defined: \"payments\""),
    ("lookup", "enabled = 'yes'", "lookup.enabled", "a boolean; write true"),
    ("lookup", "path = '/lookup'", "lookup.path", "allowed: `enabled`"),
    ("upstream", "url = 'ftp://127.0.0.1'", "upstreams.payments.url", "http:// or https://"),
    ("upstream", "url = '127.0.0.1:9000'", "upstreams.payments.url", "http:// or https://"),
    ("upstream", "url = '/v1'", "upstreams.payments.url", "http:// or https://"),
    ("upstream", "url = 'http://127.0.0.1:9000/v1'", "upstreams.payments.url", "keeps its own path"),
    ("upstream", "url = 'http://127.0.0.1:9000?x=1'", "upstreams.payments.url", "keeps its own path"),
    ("upstream", "url = 'http://127.0.0.1:9000#x'", "upstreams.payments.url", "keeps its own path"),
    ("upstream", "url = 'http://127.0.0.1:99999'", "upstreams.payments.url", "host or port is not valid"),
    ("upstream", "url = 'http://127.0.0.1:'", "upstreams.payments.url", "host or port is not valid"),
    ("upstream", "url = 'http://user:hunter2@h'", "upstreams.payments.url", "names a user"),
    ("upstream", "ca = 'Cargo.toml'", "upstreams.payments.ca", "only for https://"),
    ("upstream", "connect_timeout = '0s'", "upstreams.payments.connect_timeout", "10ms to 1h"),
    ("upstream", "idle_timeout = '0s'", "upstreams.payments.idle_timeout", "100ms to 1h"),
    ("upstream", "response_head_limit = 100", "upstreams.payments.response_head_limit", "1KiB to 16MiB"),
    ("upstream", "response_head_limit = '1GiB'", "upstreams.payments.response_head_limit", "1KiB to 16MiB"),
    ("upstream", "response_timeout = '2h'", "upstreams.payments.response_timeout", "10ms to 1h"),
    ("upstream", "url = 'http://127.0.0.1:8080'", "upstreams.payments.url", "server.listen = 127.0.0.1:8080"),
    ("upstream", "url = 'http://localhost:9464'", "upstreams.payments.url", "admin.listen = 127.0.0.1:9464"),
    ("upstream", "rewrite_location = 'no'", "upstreams.payments.rewrite_location", "write false"),
    ("upstream", "preserve_host = 'yes'", "upstreams.payments.preserve_host", "a boolean"),
    ("route", "name = ''", "routes[0].name", "1 to 128 printable ASCII characters"),
    ("route", "path = 'v1'", "routes[0].path", "does not start with `/`"),
    ("route", "path = '/v1/{{x}}'", "routes[0].path", "write \"/v1/{x}\""),
    ("route", "path = '/v1/*'", "routes[0].path", "write \"/v1/{*rest}\""),
    ("route", "path = '/v1/:id/charges'", "routes[0].path", "write \"/v1/{id}/charges\""),
    ("route", "path = '~ ^/v1/charges'", "routes[0].path", "write \"/v1/charges\""),
    ("route", "path = '/v1/../charges'", "routes[0].path", "a dot segment"),
    ("route", "path = '/v1/a%2Fb'", "routes[0].path", "an escaped slash"),
    ("route", "path = 'é'", "routes[0].path", "\"/v1/{resource}\""),
    ("route", "match = 'prefix'", "routes[0].match", "`equivalent` or `exact`"),
    ("route", "methods = 'POST'", "routes[0].methods", "an array; write it in brackets"),
    ("route", "path = '/{*rest}/x'", "routes[0].path", "must be the last segment"),
    ("route", "methods = []", "routes[0].methods", "[\"POST\", \"PATCH\"]"),
    ("route", "methods = ['GET']", "routes[0].methods[0]", "\"POST\" or \"PATCH\""),
    ("route", "methods = ['POST', 'TRACE']", "routes[0].methods[1]", "safe to repeat"),
    ("route", "methods = ['CONNECT']", "routes[0].methods[0]", "not proxied"),
    ("route", "methods = ['post']", "routes[0].methods[0]", "lower-case"),
    ("route", "methods = ['*']", "routes[0].methods[0]", "name each"),
    ("route", "methods = ['ANY']", "routes[0].methods[0]", "name each"),
    ("route", "methods = ['POST|PATCH']", "routes[0].methods[0]", "\"POST\" or \"PATCH\""),
    ("route", "scope = ['authorization', 'x-*']", "routes[0].scope[1]", "there are no wildcards"),
    ("route", "replay_drop = ['x-*']", "routes[0].replay_drop[0]", "there are no wildcards"),
    ("route", "methods = ['P ST']", "routes[0].methods[0]", "is not a method"),
    ("route", "methods = ['PUT', 'PUT']", "routes[0].methods[1]", "named twice"),
    ("route", "upstream = 'nowhere'", "routes[0].upstream", "defined: \"payments\""),
    ("route", "mode = 'observe'", "routes[0].mode", "`on_unknown`"),
    ("route", "namespace = 'two words'", "routes[0].namespace", "without spaces"),
    ("route", "key = { jason = '/id' }", "routes[0].key.jason", "`header`, `json`, `first`, `required`"),
    ("route", "key = { json = 'id' }", "routes[0].key.json", "without the / in front"),
    ("route", "key = { json = '' }", "routes[0].key.json", "is the whole body"),
    ("route", "key = { json = '/a~2' }", "routes[0].key.json", "`~0`"),
    ("route", "key = { json = '/items/*/id' }", "routes[0].key.json", "names no one value"),
    ("route", "key = { json = '/a//b' }", "routes[0].key.json", "a step without a name"),
    ("route", "key = { json = \"/a\\nb\" }", "routes[0].key.json", "breaks or turns a line"),
    ("route", "key = { json = 7 }", "routes[0].key.json", "a JSON pointer like"),
    ("route", "key = { json = true }", "routes[0].key.json", "an array of JSON pointers"),
    ("route", "key = { json = [] }", "routes[0].key.json", "1 to 8"),
    (
        "route",
        "key = { json = ['/a', '/b', '/c', '/d', '/e', '/f', '/g', '/h', '/i'] }",
        "routes[0].key.json",
        "1 to 8",
    ),
    ("route", "key = { json = ['/a', 'b'] }", "routes[0].key.json[1]", "without the / in front"),
    ("route", "key = { json = ['/a', '/a'] }", "routes[0].key.json[1]", "is named twice"),
    ("route", "key = { json = ['/a/b', '/a~1b', '/a][b'] }", "routes[0].key.json[2]", "is named twice"),
    ("route", "key = { header = 'X-Key', json = '/id' }", "routes[0].key.json", "write { first = ["),
    (
        "route",
        "key = { json = '/id', first = [{ header = 'X-Key' }] }",
        "routes[0].key.first",
        "stands beside `json`",
    ),
    (
        "route",
        "fingerprint.body = 'multipart'\nkey = { json = '/id' }",
        "routes[0].fingerprint.body",
        "with the header in front",
    ),
    (
        "route",
        "fingerprint.body = 'multipart'\nkey = { first = [{ json = '/id' }, { header = 'X-Key' }] }",
        "routes[0].fingerprint.body",
        "read from JSON and forms alone",
    ),
    ("route", "key = { first = [] }", "routes[0].key.first", "1 to 8"),
    ("route", "key = { first = ['X-Key'] }", "routes[0].key.first[0]", "a table like { json"),
    ("route", "key = { first = { json = '/id' } }", "routes[0].key.first", "an array"),
    ("route", "key = { first = [{ }] }", "routes[0].key.first[0]", "{ header = \"X-Event-Id\" } or { json"),
    (
        "route",
        "key = { first = [{ header = 'X-Key', json = '/id' }] }",
        "routes[0].key.first[0]",
        "is no place",
    ),
    ("route", "key = { first = [{ json = 'id' }] }", "routes[0].key.first[0].json", "without the / in front"),
    (
        "route",
        "key = { first = [{ header = 'Host' }] }",
        "routes[0].key.first[0].header",
        "a header of its own",
    ),
    (
        "route",
        "key = { first = [{ header = 'X-Key' }, { header = 'x-key' }] }",
        "routes[0].key.first[1]",
        "is named twice",
    ),
    (
        "route",
        "key = { first = [{ header = 'X-Key', required = true }] }",
        "routes[0].key.first[0].required",
        "`header` or `json`",
    ),
    ("route", "key = { forward = 'raw' }", "routes[0].key.forward", "`bare`, `as-sent`, `quoted`, `none`"),
    (
        "route",
        "key = { forward = true }",
        "routes[0].key.forward",
        "`bare` or `as-sent` or `quoted` or `none`",
    ),
    ("route", "key = { forward_as = 'Authorization' }", "routes[0].key.forward_as", "proves who asks"),
    ("route", "key = { forward_as = 'Content-Type' }", "routes[0].key.forward_as", "describes the body"),
    (
        "route",
        "key = { forward_as = 'X-Key', forward = 'none' }",
        "routes[0].key.forward_as",
        "forward = \"none\" sends none",
    ),
    (
        "route",
        "key = { json = '/id', forward = 'none' }\non_unknown = 'retry'",
        "routes[0].key.forward",
        "allowed: \"bare\" or \"quoted\"",
    ),
    (
        "route",
        "key = { forward = 'as-sent' }\non_unknown = 'retry'",
        "routes[0].key.forward",
        "allowed: \"bare\" or \"quoted\"",
    ),
    ("route", "key = { born = 'uuidv7' }", "routes[0].key.born", "unknown key"),
    (
        "route",
        "scope = ['x-tenant']\nkey = { json = '/id', forward_as = 'X-Tenant' }",
        "routes[0].scope[0]",
        "is the header of the key",
    ),
    (
        "route",
        "scope = ['idempotency_key']\nkey = { json = '/id' }",
        "routes[0].scope[0]",
        "is not passed on to the upstream",
    ),
    (
        "route",
        "fingerprint.headers = ['idempotency-key']\nkey = { json = '/id' }",
        "routes[0].fingerprint.headers[0]",
        "is the header of the key",
    ),
    (
        "route",
        "label = ['json:/id']\nkey = { json = '/id' }",
        "routes[0].label[0]",
        "a member that makes the key",
    ),
    (
        "route",
        "label = ['json:/a][b']\nkey = { first = [{ header = 'X-Key' }, { json = ['/o', '/a/b'] }] }",
        "routes[0].label[0]",
        "a member that makes the key",
    ),
    (
        "route",
        "label = ['header:x-key']\nkey = { first = [{ json = '/id' }, { header = 'X-Key' }] }",
        "routes[0].label[0]",
        "is the header of the key",
    ),
    ("route", "key = { header = 'a b' }", "routes[0].key.header", "letters, digits"),
    ("route", "key = { header = 'Host' }", "routes[0].key.header", "a header of its own"),
    ("route", "key = { header = 'X-Forwarded-For' }", "routes[0].key.header", "where a request comes from"),
    ("route", "key = { header = 'via' }", "routes[0].key.header", "a header of its own"),
    ("route", "key = { header = 'keep-alive' }", "routes[0].key.header", "belongs to one connection"),
    ("route", "key = { header = 'X_Forwarded_For' }", "routes[0].key.header", "a header of its own"),
    ("route", "key = { header = 'Idempotency-Outcome' }", "routes[0].key.header", "by the gateway itself"),
    ("route", "key = { header = 'traceparent' }", "routes[0].key.header", "a header of its own"),
    ("route", "key = { header = 'x-api-key' }", "routes[0].key.header", "proves who asks"),
    ("route", "key = 'Idempotency-Key'", "routes[0].key", "a table like { header"),
    ("route", "scope = ['x y']", "routes[0].scope[0]", "letters, digits"),
    ("route", "scope = ['x-a', 'X-A']", "routes[0].scope[1]", "named twice"),
    ("route", "scope = ['Idempotency-Key']", "routes[0].scope[0]", "other headers"),
    ("route", "scope = ['x-a', 'Proxy-Authorization']", "routes[0].scope[1]", "not passed on"),
    ("route", "scope = ['traceparent']", "routes[0].scope[0]", "differs from one attempt to the next"),
    ("route", "scope = ['tracestate']", "routes[0].scope[0]", "differs from one attempt to the next"),
    (
        "route",
        "fingerprint = { headers = ['Tracestate'] }",
        "routes[0].fingerprint.headers[0]",
        "differs from one attempt to the next",
    ),
    ("route", "scope = []", "routes[0].scope", "anonymous = \"one\""),
    ("route", "scope = [{ path = true }]", "routes[0].scope", "name a header that does"),
    ("route", "scope = [{ path = false }]", "routes[0].scope[0]", "{ path = true }"),
    ("route", "scope = [{ query = true }]", "routes[0].scope[0]", "a header's name, { path = true }"),
    ("route", "scope = [1]", "routes[0].scope[0]", "the name of a header"),
    ("route", "scope = 'authorization'", "routes[0].scope", "an array; write it in brackets"),
    ("route", "scope = ['x-a', { path = true }, { path = true }]", "routes[0].scope[2]", "named twice"),
    (
        "route",
        "scope = [{ client_certificate = 'issuer-subject' }]",
        "routes[0].scope[0]",
        "needs [server] tls with client_ca",
    ),
    (
        "route",
        "scope = ['x-a', { client_certificate = 'serial' }]",
        "routes[0].scope[1]",
        "{ client_certificate = \"issuer-subject\" }",
    ),
    ("route", "anonymous = true", "routes[0].anonymous", "is a boolean; allowed: `refuse` or `one`"),
    ("route", "anonymous = 'all'", "routes[0].anonymous", "`refuse` or `one`"),
    ("route", "scope = ['x_forwarded_for']", "routes[0].scope[0]", "not passed on"),
    ("route", "fingerprint = { headers = ['expect'] }", "routes[0].fingerprint.headers[0]", "not passed on"),
    ("route", "fingerprint = { body = 'xml' }", "routes[0].fingerprint.body", "`multipart`"),
    ("route", "fingerprint = { ignore = ['/a'] }", "routes[0].fingerprint.ignore", "body = \"json\""),
    (
        "route",
        "fingerprint = { body = 'json', ignore = ['a'] }",
        "routes[0].fingerprint.ignore[0]",
        "\"/sent_at\"",
    ),
    (
        "route",
        "fingerprint = { body = 'json', ignore = ['/items/**/ts'] }",
        "routes[0].fingerprint.ignore[0]",
        "The wildcard is `*`",
    ),
    (
        "route",
        "fingerprint = { body = 'json', ignore = ['/a', '/items/-'] }",
        "routes[0].fingerprint.ignore[1]",
        "The wildcard is `*`",
    ),
    (
        "route",
        "fingerprint = { body = 'form', only = ['/items[]'] }",
        "routes[0].fingerprint.only[0]",
        "The wildcard is `*`",
    ),
    (
        "route",
        "fingerprint = { body = 'json', ignore = ['/a', '/*'] }",
        "routes[0].fingerprint.ignore[1]",
        "body = \"none\"",
    ),
    (
        "route",
        "fingerprint = { body = 'form', only = ['a'] }",
        "routes[0].fingerprint.only[0]",
        "\"/sent_at\"",
    ),
    (
        "route",
        "fingerprint = { body = 'json', ignore = ['/a'], only = ['/b'] }",
        "routes[0].fingerprint.only",
        "Write one of the two",
    ),
    ("route", "fingerprint = { only = ['/a'] }", "routes[0].fingerprint.only", "body = \"json\" or \"form\""),
    (
        "route",
        "fingerprint = { body = 'none', ignore = ['/a'] }",
        "routes[0].fingerprint.ignore",
        "body = \"json\" or \"form\"",
    ),
    (
        "route",
        "fingerprint = { body = 'multipart', only = ['/a'] }",
        "routes[0].fingerprint.only",
        "body = \"json\" or \"form\"",
    ),
    ("route", "fingerprint = { body = 'form', only = '/a' }", "routes[0].fingerprint.only", "an array"),
    ("route", "fingerprint = { body = true }", "routes[0].fingerprint.body", "is a boolean"),
    (
        "route",
        "fingerprint = { body = 'json', ignore = ['/a~2'] }",
        "routes[0].fingerprint.ignore[0]",
        "`~0`",
    ),
    (
        "route",
        "fingerprint = { headers = ['idempotency-key'] }",
        "routes[0].fingerprint.headers[0]",
        "other headers",
    ),
    ("route", "label = 'header:x-a'", "routes[0].label", "an array"),
    (
        "route",
        "label = ['x-request-id']",
        "routes[0].label[0]",
        "\"header:x-request-id\" for a request header",
    ),
    ("route", "label = ['body:/a']", "routes[0].label[0]", "\"json:/metadata/order_id\""),
    ("route", "label = ['header:']", "routes[0].label[0]", "letters, digits"),
    ("route", "label = ['header:a b']", "routes[0].label[0]", "letters, digits"),
    ("route", "label = ['header:x-*']", "routes[0].label[0]", "there are no wildcards"),
    ("route", "label = ['json:']", "routes[0].label[0]", "is the whole body"),
    ("route", "label = ['json:a']", "routes[0].label[0]", "without the / in front"),
    ("route", "label = ['json:/a~2']", "routes[0].label[0]", "has a ~ that is neither"),
    ("route", "label = ['json:/a/*']", "routes[0].label[0]", "names no one value"),
    ("route", "label = ['json:/a', 'json:/a']", "routes[0].label[1]", "named twice"),
    ("route", "label = ['header:x-a', 'header:X-A']", "routes[0].label[1]", "named twice"),
    (
        "route",
        "label = ['json:/a', 'json:/b', 'json:/c', 'json:/d', 'json:/e']",
        "routes[0].label",
        "names 5 labels; allowed: at most 4",
    ),
    ("route", "label = ['header:idempotency-key']", "routes[0].label[0]", "is the header of the key"),
    ("route", "label = ['header:Idempotency_Key']", "routes[0].label[0]", "is not passed on"),
    (
        "route",
        "label = ['header:x-key']\nkey.header = 'X-Key'",
        "routes[0].label[0]",
        "is the header of the key",
    ),
    (
        "route",
        "label = ['header:Idempotency-Key']\nkey.header = 'X-Key'",
        "routes[0].label[0]",
        "is the header of the key",
    ),
    ("route", "label = ['header:Stripe-Account']", "routes[0].label[0]", "is a part of the scope"),
    ("route", "label = ['header:x-a']\nscope = ['x-a']", "routes[0].label[0]", "is a part of the scope"),
    ("route", "label = ['header:cookie']", "routes[0].label[0]", "proves who the caller is"),
    ("route", "label = ['header:set-cookie']", "routes[0].label[0]", "proves who the caller is"),
    (
        "route",
        "label = ['header:authorization']\nscope = ['x-a']",
        "routes[0].label[0]",
        "proves who the caller is",
    ),
    ("route", "label = ['header:proxy-authorization']", "routes[0].label[0]", "proves who the caller is"),
    ("route", "label = ['header:Expect']", "routes[0].label[0]", "is not passed on"),
    ("route", "ttl = '0s'", "routes[0].ttl", "100ms to 3650d"),
    ("route", "ttl = '11y'", "routes[0].ttl", "100ms to 3650d"),
    ("route", "ttl = 24", "routes[0].ttl", "write it with a unit, like \"24h\""),
    ("route", "tombstone_ttl = 30", "routes[0].tombstone_ttl", "\"30d\""),
    ("route", "tombstone_ttl = '11y'", "routes[0].tombstone_ttl", "0s to 3650d"),
    ("route", "replay_drop = ['a b']", "routes[0].replay_drop[0]", "letters, digits"),
    ("route", "replay_drop = ['x-a', 'X-A']", "routes[0].replay_drop[1]", "named twice"),
    ("route", "unknown_answers = 'hide'", "routes[0].unknown_answers", "`pass` or `problem`"),
    ("route", "replay_headers = ['date']", "routes[0].replay_headers[0]", "\"set-cookie\""),
    ("route", "in_flight = 'queue'", "routes[0].in_flight", "`wait` or `reject`"),
    ("route", "wait_timeout = '0s'", "routes[0].wait_timeout", "10ms to 1h"),
    ("route", "lease = '50ms'", "routes[0].lease", "100ms to 1h"),
    ("route", "lease = '2h'", "routes[0].lease", "100ms to 1h"),
    ("route", "on_unknown = 'ask'", "routes[0].on_unknown", "allowed: `hold`"),
    (
        "route",
        "on_unknown = { probe = { url = 'http://h' } }",
        "routes[0].on_unknown",
        "`hold` or `retry` or `probe` or `marker`",
    ),
    (
        "route",
        "on_store_error = 'bypass'",
        "routes[0].on_store_error",
        "i_accept_duplicates = true beside it",
    ),
    ("route", "on_store_error = 'ignore'", "routes[0].on_store_error", "`reject` or `bypass`"),
    ("route", "i_accept_duplicates = true", "routes[0].i_accept_duplicates", "only for on_store_error"),
    ("route", "max_response_body = '2GiB'", "routes[0].max_response_body", "0B to 1GiB"),
    ("route", "outcomes = { release = [199] }", "routes[0].outcomes.release[0]", "200 to 599"),
    ("route", "outcomes = { unknown = [600] }", "routes[0].outcomes.unknown[0]", "200 to 599"),
    ("route", "outcomes = { unknown = ['x'] }", "routes[0].outcomes.unknown[0]", "\"2xx\", \"4xx\", \"5xx\""),
    (
        "route",
        "outcomes = { unknown = ['3xx'] }",
        "routes[0].outcomes.unknown[0]",
        "200 to 599, as a number, or \"2xx\"",
    ),
    ("route", "outcomes = { release = ['5XX'] }", "routes[0].outcomes.release[0]", "; write \"5xx\""),
    (
        "route",
        "outcomes = { release = ['503'] }",
        "routes[0].outcomes.release[0]",
        "; write 503, without quotes",
    ),
    (
        "route",
        "outcomes = { release = [401, 5.0] }",
        "routes[0].outcomes.release[1]",
        "or \"2xx\", \"4xx\" or \"5xx\"",
    ),
    ("route", "outcomes = { release = [true] }", "routes[0].outcomes.release[0]", "a whole number like 503"),
    ("route", "outcomes = { release = '5xx' }", "routes[0].outcomes.release", "an array"),
    ("route", "outcomes = { release = [503] }", "routes[0].outcomes", "one meaning for a status"),
    (
        "route",
        "outcomes = { release = ['5xx'], unknown = ['5xx'] }",
        "routes[0].outcomes",
        "5xx stands in both lists; allowed: one meaning for a class",
    ),
    ("route", "outcomes = { released = [503] }", "routes[0].outcomes.released", "`release` or `unknown`"),
    ("route", "release_when = { header = 'x-a', value = 'b' }", "routes[0].release_when", "an array"),
    ("route", "release_when = ['x-a']", "routes[0].release_when[0]", "a table like { header = "),
    ("route", "release_when = [{ value = 'b' }]", "routes[0].release_when[0].header", "is missing: a header"),
    (
        "route",
        "release_when = [{ header = 'x-a' }]",
        "routes[0].release_when[0].value",
        "is missing: the value",
    ),
    (
        "route",
        "release_when = [{ header = 'x a', value = 'b' }]",
        "routes[0].release_when[0].header",
        "not a header",
    ),
    (
        "route",
        "release_when = [{ header = 'x-a', value = '' }]",
        "routes[0].release_when[0].value",
        "printable ASCII",
    ),
    (
        "route",
        "release_when = [{ header = 'x-a', value = ' b' }]",
        "routes[0].release_when[0].value",
        "without spaces",
    ),
    (
        "route",
        "release_when = [{ header = 'x-a', value = 'é' }]",
        "routes[0].release_when[0].value",
        "printable ASCII",
    ),
    (
        "route",
        "release_when = [{ header = 'x-a', value = true }]",
        "routes[0].release_when[0].value",
        "a string",
    ),
    (
        "route",
        "release_when = [{ header = 'x-a', value = 'b', status = 500 }]",
        "routes[0].release_when[0].status",
        "`header` or `value`",
    ),
    (
        "route",
        "release_when = [{ header = 'connection', value = 'close' }]",
        "routes[0].release_when[0].header",
        "belongs to one connection; allowed: a header of the upstream's own",
    ),
    (
        "route",
        "release_when = [{ header = 'Idempotency_Outcome', value = 'released' }]",
        "routes[0].release_when[0].header",
        "is said by the gateway itself",
    ),
    (
        "route",
        "release_when = [{ header = 'retry-after', value = '1' }]",
        "routes[0].release_when[0].header",
        "is a time",
    ),
    (
        "route",
        "release_when = [{ header = 'x-a', value = 'b' }, { header = 'X-A', value = 'b' }]",
        "routes[0].release_when[1]",
        "stands there twice",
    ),
    ("route", "retry_horizon = {}", "routes[0].retry_horizon", "declares nothing"),
    ("route", "ttl = '${NOT_SET}'", "routes[0].ttl", "NOT_SET is not set"),
    ("route", "ttl = '${'", "routes[0].ttl", "`$${`"),
];

#[test]
fn every_mistake_names_its_line_its_key_and_the_allowed_values() {
    for (section, line, key, allowed) in MISTAKES {
        let errors = refused(&file(section, line));
        let is_it = |error: &&str| error.contains(&format!(" {key}")) && error.contains(allowed);
        let error = errors
            .lines()
            .find(is_it)
            .unwrap_or_else(|| panic!("{line}: no error names {key} and says {allowed}, but:\n{errors}"));
        assert!(error.starts_with("test.toml:2:"), "{line}: {error}");
        assert_eq!(errors.lines().count(), 1, "{line}:\n{errors}");
        assert!(!errors.contains("hunter2"), "an error must not repeat a password: {errors}");
    }
}

#[test]
fn a_missing_key_is_reported_at_the_header_of_its_table() {
    let errors = refused(&format!("{SMALL}[upstreams.x]\n[upstreams.'a b']\nurl = 'http://b'\n"));
    let (x, a_b) = errors.split_once('\n').expect("two mistakes");
    assert!(x.starts_with("test.toml:9:12: upstreams.x.url: is missing"), "{errors}");
    assert!(a_b.starts_with("test.toml:10:12: upstreams.\"a b\": \"a b\" is not a name"), "{errors}");
}

#[test]
fn the_base_of_the_table_is_valid() {
    for section in ["server", "admin", "store", "log", "route", "upstream"] {
        assert!(parse(&file(section, "")).is_ok(), "{section}");
    }
}

#[test]
fn mistakes_come_together_in_the_order_of_the_file() {
    let errors = refused(
        "[server]\ndrain_timeout = 'x'\nmax_connections = 'y'\nrequest_body_limit = '9TB'\n\
         unheard_of = 1\nalso_unheard_of = 2\n\
         [store]\nurl = 'mysql:'\n\
         [upstreams.a]\nurl = 'nowhere'\nconnect_timeout = '0s'\n\
         [[routes]]\nname = 'one'\npath = '/{a}'\nupstream = 'b'\nttl = '0s'\nmethods = ['GET', 'HEAD']\n\
         [[routes]]\nname = 'one'\npath = '/{b}'\nupstream = 'a'\nscope = ['é']\nttll = '1s'\n\
         outcomes = { release = [1, 2], unknown = [] }\n\
         [[routes]]\n",
    );
    let places: Vec<(usize, &str)> = errors
        .lines()
        .map(|error| {
            let mut parts = error.splitn(4, ':');
            let line = parts.nth(1).and_then(|line| line.parse().ok()).expect("a line number");
            let key = parts.nth(1).expect("a key").trim().split([':', ' ']).next().expect("a key");
            (line, key)
        })
        .collect();
    let expected = [
        (2, "server.drain_timeout"),
        (3, "server.max_connections"),
        (4, "server.request_body_limit"),
        (5, "server.unheard_of"),
        (6, "server.also_unheard_of"),
        (8, "store.url"),
        (10, "upstreams.a.url"),
        (11, "upstreams.a.connect_timeout"),
        (15, "routes[0].upstream"),
        (16, "routes[0].ttl"),
        (17, "routes[0].methods[0]"),
        (17, "routes[0].methods[1]"),
        (19, "routes[1].name"),
        (22, "routes[1].scope[0]"),
        (23, "routes[1].ttll"),
        (24, "routes[1].outcomes.release[0]"),
        (24, "routes[1].outcomes.release[1]"),
        (25, "routes[2].name"),
        (25, "routes[2].path"),
        (25, "routes[2].upstream"),
    ];
    assert_eq!(places, expected, "{errors}");
}

/// Reads a file with a second route beside `/v1/charges` and `/v1/{id}`, both for POST and PATCH.
fn beside(path: &str, methods: &str) -> Result<(), String> {
    let route = |name: &str, path: &str, methods: &str| {
        format!("[[routes]]\nname = '{name}'\nupstream = 'payments'\npath = '{path}'\nmethods = {methods}\n")
    };
    let both = "['POST', 'PATCH']";
    let text = "[upstreams.payments]\nurl = 'http://127.0.0.1:9000'\n".to_owned()
        + &route("exact", "/v1/charges", both)
        + &route("any", "/v1/{id}", both)
        + &route("other", path, methods);
    parse(&text).map(drop).map_err(|errors| errors.to_string())
}

#[test]
fn two_routes_for_one_path_and_method_are_refused() {
    for (path, earlier) in
        [("/v1/charges", "routes[0]"), ("/v1/{id}", "routes[1]"), ("/v1/{key}", "routes[1]")]
    {
        let errors = beside(path, "['PUT', 'PATCH']").expect_err(path);
        assert!(errors.starts_with("test.toml:16:1: routes[2].path (route \"other\"): PATCH"), "{errors}");
        assert!(errors.contains(earlier), "{errors}");
        assert_eq!(beside(path, "['PUT', 'DELETE']"), Ok(()), "{path}");
    }
    // A path that fits both routes must not be assigned by chance either.
    let errors = beside("/v1/{*rest}", "['POST']").expect_err("a parameter and a rest at one place");
    assert!(errors.contains("routes[1], path \"/v1/{id}\""), "{errors}");
    for path in ["/v1/refunds", "/v1/{id}/x", "/{*rest}", "/{v}/charges"] {
        assert_eq!(beside(path, "['POST']"), Ok(()), "{path}");
    }
}

#[test]
fn spellings_of_one_path_are_one_path() {
    for path in ["/v1/charges/", "/V1/Charges"] {
        let errors = beside(path, "['POST']").expect_err(path);
        assert!(errors.contains("POST on this path is already covered by routes[0]"), "{errors}");
    }
    let exact = |path: &str, matching: &str| {
        let route = |name: &str, path: &str, matching: &str| {
            format!("[[routes]]\nname = '{name}'\nupstream = 'p'\npath = '{path}'\nmatch = '{matching}'\n")
        };
        let upstream = "[upstreams.p]\nurl = 'http://127.0.0.1:9000'\n".to_owned();
        parse(&(upstream + &route("one", "/v1/charges", "exact") + &route("other", path, matching)))
    };
    assert!(exact("/V1/charges", "exact").is_ok(), "compared exactly, these are two");
    let errors = exact("/V1/charges", "equivalent").expect_err("two ways to compare").to_string();
    assert!(errors.contains("a route that compares paths otherwise"), "{errors}");
}

#[test]
fn a_file_that_does_nothing_is_refused() {
    let nothing = refused("");
    assert!(nothing.contains("test.toml: upstreams: is missing"), "{nothing}");
    assert!(
        nothing.contains("test.toml: routes: is missing: a file needs a route or a [fallback]"),
        "{nothing}"
    );
    assert_eq!(nothing.lines().count(), 2);
    assert!(parse("[upstreams.a]\nurl = 'http://a'\n[fallback]\nupstream = 'a'").is_ok());
}

#[test]
fn a_table_in_another_notation_is_refused_with_the_right_one() {
    for (text, error) in [
        (
            "store = 'memory:'\n",
            "test.toml:1:1: store: is a string; allowed: a table; write [store], and below it url",
        ),
        (
            "fallback = 'payments'\n",
            "fallback: is a string; allowed: a table; write [fallback], and below it upstream",
        ),
        (
            "[[server]]\nlisten = '127.0.0.1:1'\n",
            "server: is an array; allowed: a table; write [server] once",
        ),
        (
            "upstreams.b = 'http://me:hunter2@b'\n",
            "upstreams.b: is a string; allowed: a table; write [upstreams.b]",
        ),
    ] {
        let errors = refused(&format!("{text}{SMALL}"));
        assert!(errors.contains(error) && !errors.contains("hunter2"), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    // Without this check, the items would become the values of the table, in their order.
    let errors = refused(&SMALL.replace("upstream = ", "key = ['Idempotency-Key', true]\nupstream = "));
    assert!(errors.contains("routes[0].key (route \"charges\"): is an array; allowed: a table"), "{errors}");
    let errors = refused(&SMALL.replace("[[routes]]", "[routes]"));
    assert!(errors.contains("routes: is a table; allowed: an array; write [[routes]]"), "{errors}");
}

#[test]
fn a_key_that_was_refused_is_not_called_missing_too() {
    let errors = refused(&SMALL.replace("name = \"charges\"", "name = 7"));
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.starts_with("test.toml:6:1: routes[0].name: "), "{errors}");
    let errors = refused("routes = 1\n[upstreams.a]\nurl = 'http://a'");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_syntax_error_names_its_line() {
    let errors = refused("[server]\nlisten = \n");
    assert!(errors.starts_with("test.toml:2:"), "{errors}");
    let errors = refused("[server]\nhttp2 = false\nhttp2 = false\n");
    assert!(errors.starts_with("test.toml:3:1: duplicate key"), "{errors}");
}

#[test]
fn ever_more_mistakes_come_to_an_end() {
    let text: String = (0..5_000).map(|n| format!("key{n} = 1\n")).collect();
    assert_eq!(refused(&text).lines().count(), 50);
    let huge = " ".repeat((1 << 20) + 1);
    assert_eq!(refused(&huge), "test.toml: is larger than 1048576 bytes");
}

#[test]
fn certificates_must_be_there() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let pem = directory.path().join("ca.pem");
    let text = SMALL.replace(
        "url = \"http://127.0.0.1:9000\"",
        &format!("url = 'https://127.0.0.1:9000'\nca = '{}'", pem.display()),
    );
    assert!(refused(&text).contains("cannot be read"));
    std::fs::write(&pem, "no certificate").expect("a writable directory");
    assert!(refused(&text).contains("there is no PEM certificate"));
    std::fs::write(&pem, "-----BEGIN CERTIFICATE-----\n").expect("a writable directory");
    assert!(refused(&text).contains("no PEM file of certificates"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&pem, made.cert.pem()).expect("a writable directory");
    assert!(parse(&text).is_ok());
}

#[test]
fn a_key_belongs_to_its_certificate() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (one, other) = (made(), made());
    std::fs::write(path("cert"), one.cert.pem()).expect("a writable directory");
    let tls = format!("cert = '{}', key = '{}'", path("cert").display(), path("key").display());
    let text = format!("[server]\ntls = {{ {tls} }}\n{SMALL}");
    for (key, refusal) in [
        (other.signing_key.serialize_pem(), Some("the key is not the certificate's")),
        (one.cert.pem(), Some("no usable private key")),
        (one.signing_key.serialize_pem(), None),
    ] {
        std::fs::write(path("key"), key).expect("a writable directory");
        match refusal {
            Some(why) => assert!(refused(&text).contains(why), "{}", refused(&text)),
            None => assert!(parse(&text).is_ok()),
        }
    }
}

/// Each wildcard costs time for every member of a body.
#[test]
fn the_number_of_wildcards_is_limited() {
    let with = |count: usize| {
        let pointers: Vec<String> = (0..count).map(|number| format!("'/{number}/*'")).collect();
        let line = format!("fingerprint = {{ body = 'json', only = ['/a', '/b', {}] }}", pointers.join(", "));
        file("route", &line)
    };
    assert!(parse(&with(32)).is_ok());
    let text = refused(&with(33));
    assert!(text.contains(":2:") && text.contains("routes[0].fingerprint.only"), "{text}");
    assert!(text.contains("more than 32 pointers with the step `*`"), "{text}");
}
