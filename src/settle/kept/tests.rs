use super::*;
use crate::config::{Config, Environment};
use crate::protocol::Scope;

fn id(key: &str) -> RecordId {
    RecordId::of("kept", &Scope::anonymous(), &Key::parse(key.as_bytes()).expect("a key"))
}

/// Returns a route with these settings in its table.
fn route(settings: &str) -> Arc<Route> {
    let text = format!(
        "[store]\nurl = \"memory:\"\nseal = [{{ id = \"k\", env = \"SEAL\" }}]\n\
         [upstreams.u]\nurl = \"http://127.0.0.1:9\"\n\
         [[routes]]\nname = \"pay\"\npath = \"/pay\"\nupstream = \"u\"\n{settings}"
    );
    let key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    let config =
        Config::parse(&text, "a test", &Environment::from([("SEAL", key)])).expect("a configuration");
    Arc::clone(&config.routes[0])
}

fn keeper() -> Keeper {
    Keeper::new(Sealer::new([("k".to_owned(), [7; 32])]).map(Arc::new))
}

fn keep(keeper: &Keeper, settings: &str, path: &str, body: &[u8]) -> Option<Arc<[u8]>> {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer canary"));
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let request = RequestParts { method: &Method::POST, path, query, headers: &headers, body };
    keeper.keep(id("key-1"), &route(settings), &Key::parse(b"key-1").expect("a key"), request)
}

const RETRY: &str = "on_unknown = \"retry\"";
const PROBE: &str = "on_unknown = \"probe\"\n\
    probe = { url = \"http://127.0.0.1:9/{key}/{body:/order}\", executed = [200], not_executed = [404] }";

#[test]
fn each_policy_keeps_what_it_needs_and_no_more() {
    let (sealing, plain) = (keeper(), Keeper::default());
    assert_eq!(keep(&sealing, "on_unknown = \"hold\"", "/pay", b"{}"), None);
    let digest = keep(&sealing, RETRY, "/pay", b"{\"card\":\"canary\"}").expect("a digest");
    assert!(digest.len() < 48, "{} bytes", digest.len());
    let body = b"{\"order\":\"o-1\",\"card\":\"canary\"}";
    for keeper in [&sealing, &plain] {
        let kept = keep(keeper, PROBE, "/pay", body).expect("values");
        assert!(!kept.windows(6).any(|part| part == b"canary"));
        let values = keeper.read(id("key-1"), Some(&kept)).values;
        assert_eq!((&*values.0["key"], &*values.0["body:/order"]), ("key-1", "o-1"));
    }
    let sealed = keep(&sealing, PROBE, "/pay", body).expect("values");
    assert!(!sealed.windows(3).any(|part| part == b"o-1" || part == b"key"));
    let Kept { digest, values, request, source } = plain.read(id("key-1"), Some(&sealed));
    assert_eq!((digest, values, request), (None, Values::default(), None), "no key opens it here");
    assert_eq!(source, route(PROBE).evidence);
}

/// A record carries the place where its evidence is. A record of the release before fits every place.
#[test]
fn evidence_is_looked_for_where_the_execution_began() {
    let marker = |place: &str| format!("on_unknown = \"marker\"\nmarker = {{ {place} }}");
    let table = "url = \"postgres://a@h/pay?sslmode=disable\", table = \"m\"";
    let probe = |from: &str, to: &str| PROBE.replace(from, to);
    let mut routes = vec![RETRY.to_owned(), PROBE.to_owned(), probe("{key}", "x/{key}"), probe(":9/", ":8/")];
    routes.push(probe("/{body:/order}", ""));
    // Only the driver of Postgres reads markers.
    if cfg!(feature = "postgres") {
        let tables = [("", ""), ("@h", "@i"), ("/pay", "/play"), ("\"m\"", "\"n\"")];
        routes.extend(tables.map(|(from, to)| marker(&table.replacen(from, to, 1))));
    }
    let kept: Vec<_> =
        routes.iter().map(|settings| keep(&keeper(), settings, "/pay", b"{}").expect("kept")).collect();
    for (one, kept) in kept.iter().enumerate() {
        for (other, settings) in routes.iter().enumerate() {
            let found = Keeper::has_source(Some(kept), route(settings).evidence);
            assert_eq!(found, one == other, "{settings} about {}", routes[one]);
        }
        assert!(!Keeper::has_source(Some(kept), route("on_unknown = \"hold\"").evidence));
        let mut before = wire::Kept::decode(&**kept).expect("a message");
        before.source = None;
        assert!(Keeper::has_source(Some(&before.encode_to_vec()), route(&routes[0]).evidence));
    }
    // Other credentials, answers and times do not make another place.
    for (settings, same) in [
        (PROBE.to_owned(), PROBE.replace("[404]", "[404, 410]")),
        (RETRY.to_owned(), format!("{RETRY}\nkeep_request = true\nttl = \"2h\"")),
    ] {
        assert_eq!(route(&settings).evidence, route(&same).evidence, "{settings}");
    }
    if cfg!(feature = "postgres") {
        let same = marker(&table.replace("a@", "b:hush@"));
        assert_eq!(route(&marker(table)).evidence, route(&same).evidence);
    }
}

#[test]
fn the_same_bytes_are_the_same_request() {
    let keeper = keeper();
    let kept = keep(&keeper, RETRY, "/pay?a=1", b"{\"a\":1}");
    let headers = HeaderMap::new();
    for (path, query, body, same) in [
        ("/pay", Some("a=1"), "{\"a\":1}", true),
        ("/pay", Some("a=1"), "{\"a\": 1}", false),
        ("/pay", Some("a=2"), "{\"a\":1}", false),
        ("/pay", None, "{\"a\":1}", false),
        ("/pay/", Some("a=1"), "{\"a\":1}", false),
    ] {
        let body = body.as_bytes();
        let request = RequestParts { method: &Method::POST, path, query, headers: &headers, body };
        assert_eq!(keeper.is_same(id("key-1"), kept.as_deref(), request), same, "{path} {query:?}");
    }
    let request =
        RequestParts { method: &Method::POST, path: "/", query: None, headers: &headers, body: b"" };
    assert!(!keeper.is_same(id("key-1"), None, request), "nothing was kept");
}

#[test]
fn a_whole_request_comes_back_under_its_own_record_and_is_sealed() {
    let keeper = keeper();
    let settings = format!("{RETRY}\nkeep_request = true");
    let kept = keep(&keeper, &settings, "/pay?a=1", b"{\"card\":\"canary\"}").expect("a request");
    assert!(!kept.windows(6).any(|part| part == b"canary"));
    let request = keeper.read(id("key-1"), Some(&kept)).request.expect("the request");
    assert_eq!((request.method, request.uri.to_string()), (Method::POST, "/pay?a=1".into()));
    assert_eq!(request.headers["authorization"], "Bearer canary");
    assert_eq!(request.body, "{\"card\":\"canary\"}");
    assert_eq!(keeper.read(id("key-2"), Some(&kept)).request, None);
    // The source of the evidence comes last, with its tag and its length.
    for cut in 0..kept.len() - 10 {
        assert_eq!(keeper.read(id("key-1"), Some(&kept[..cut])).request, None);
    }
    let large = vec![b'x'; LARGEST_REQUEST];
    let kept = keep(&keeper, &settings, "/pay", &large).expect("a digest");
    assert_eq!(keeper.read(id("key-1"), Some(&kept)).request, None, "too large");
}

/// The messages of the release before, which kept no key.
mod before {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Closed {
        #[prost(btree_map = "string, string", tag = "1")]
        pub(super) values: std::collections::BTreeMap<String, String>,
        #[prost(message, optional, tag = "2")]
        pub(super) request: Option<super::wire::Request>,
    }
}

#[test]
fn a_request_is_kept_with_its_key_and_is_read_by_and_from_the_release_before() {
    let (keeper, settings) = (keeper(), format!("{RETRY}\nkeep_request = true"));
    let (sealer, bound_to) = (keeper.sealer.as_ref().expect("a sealer"), id("key-1").to_string());
    let kept = keep(&keeper, &settings, "/pay", b"{}").expect("a request");
    assert!(!kept.windows(5).any(|part| part == b"key-1"), "sealed");
    let request = keeper.read(id("key-1"), Some(&kept)).request.expect("the request");
    assert_eq!(request.key.as_deref(), Some("key-1"));

    let mut wire = wire::Kept::decode(&*kept).expect("a message");
    let opened = sealer.open(PURPOSE, bound_to.as_bytes(), wire.sealed.as_ref().expect("sealed"));
    let read_before = before::Closed::decode(&*opened.expect("opened")).expect("a message");
    assert_eq!(read_before.request.as_ref().map(|request| &*request.body), Some(&b"{}"[..]));
    wire.sealed = Some(sealer.seal(PURPOSE, bound_to.as_bytes(), &read_before.encode_to_vec()));
    let of_before = keeper.read(id("key-1"), Some(&wire.encode_to_vec())).request.expect("the request");
    assert_eq!(of_before, KeptRequest { key: None, ..request });

    for no_request in [RETRY, PROBE] {
        let kept = keep(&keeper, no_request, "/pay", b"{}").expect("parts");
        let wire = wire::Kept::decode(&*kept).expect("a message");
        let closed = wire.sealed.map(|sealed| {
            let opened = sealer.open(PURPOSE, bound_to.as_bytes(), &sealed).expect("opened");
            wire::Closed::decode(&*opened).expect("a message")
        });
        assert!(closed.is_none_or(|closed| closed.key.is_none()), "no more than is needed");
    }
}
