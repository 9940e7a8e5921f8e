//! The file as a reload finds it: missing, no file at all, too large, or with parts that are not there yet.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tokio::time::{Duration, timeout};

use crate::harness::tls::Authority;
use crate::harness::{Gateway, Settings, Upstream, post};
use crate::place::{Store, goes_on_until, metric, refused, reload};

const SUCCESSFUL: &str = "oncegate_last_reload_successful";
const UNUSABLE: &str = "oncegate_reloads_total{outcome=\"unusable\"}";
const AGAIN: &str = "the file is the configuration in force again";

async fn start(settings: Settings) -> (std::sync::Arc<Upstream>, Gateway) {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, settings).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "{}").await.status, 201);
    (upstream, gateway)
}

/// Puts something else in the place of a file.
fn put(what: &str, file: &Path) {
    if fs::symlink_metadata(file).is_ok() {
        fs::remove_file(file).expect("it is removed");
    }
    match what {
        "nothing" => {}
        // Without a writer, opening it in the usual way waits for ever.
        "a pipe" => assert!(Command::new("mkfifo").arg(file).status().expect("mkfifo runs").success()),
        "a directory" => fs::create_dir(file).expect("a directory"),
        "a device without an end" => symlink("/dev/zero", file).expect("a link"),
        "a link to nothing" => symlink("nothing", file).expect("a link"),
        "a large file" => {
            fs::File::create(file).and_then(|large| large.set_len(600 << 20)).expect("it can be long");
        }
        other => panic!("{other}"),
    }
}

fn put_back(text: &str, file: &Path) {
    match file.is_dir() {
        true => fs::remove_dir(file).expect("it is removed"),
        false => drop(fs::remove_file(file)),
    }
    fs::write(file, text).expect("it can be written");
}

/// Waits until the log has this line so many times.
async fn logs_times(gateway: &Gateway, text: &str, times: usize) {
    let logged = async {
        while gateway.log().matches(text).count() < times {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), logged).await.unwrap_or_else(|_| panic!("not {times} times: {text}"));
}

/// Whatever stands in the place of the file is refused without waiting, and the file in force that comes back
/// shows in the metric.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_none_is_refused_and_the_one_in_force_may_come_back() {
    let (_upstream, mut gateway) = start(Settings::default()).await;
    let (file, before) = (gateway.file(), gateway.memory());
    let text = fs::read_to_string(&file).expect("it can be read");
    let kinds = ["nothing", "a pipe", "a directory", "a device without an end", "a link to nothing"];
    for (round, what) in kinds.into_iter().enumerate() {
        put(what, &file);
        let problem = refused(&reload(&gateway).await, 422, "unusable");
        let detail = problem["detail"].as_str().expect("a detail");
        assert!(detail.starts_with(&format!("{}: cannot be read: ", file.display())), "{what}: {detail}");
        assert_eq!(metric(&gateway, SUCCESSFUL).await, Some(0.0), "{what}");
        put_back(&text, &file);
        logs_times(&gateway, AGAIN, round + 1).await;
        assert_eq!(metric(&gateway, SUCCESSFUL).await, Some(1.0), "{what}");
    }
    put("a large file", &file);
    let problem = refused(&reload(&gateway).await, 422, "invalid");
    assert!(problem["detail"].as_str().is_some_and(|why| why.contains("is larger than")), "{problem}");
    assert!(gateway.memory() < before + (64 << 20), "{} after {before}", gateway.memory());
    put("a pipe", &file);
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_goes_missing_is_counted_once_without_being_asked() {
    let (_upstream, gateway) = start(Settings::default()).await;
    let text = fs::read_to_string(gateway.file()).expect("it can be read");
    fs::remove_file(gateway.file()).expect("it is removed");
    let line = gateway.logs("cannot be read").await;
    assert!(line.contains("\"level\":\"ERROR\"") && line.contains("the file changed"), "{line}");
    assert_eq!(metric(&gateway, SUCCESSFUL).await, Some(0.0));
    // A device is another reason. Looks went by in between, and found the file missing again.
    put("a device without an end", &gateway.file());
    gateway.logs("it is no regular file").await;
    assert_eq!(metric(&gateway, UNUSABLE).await, Some(2.0));
    put_back(&text, &gateway.file());
    gateway.logs(AGAIN).await;
    assert_eq!(metric(&gateway, SUCCESSFUL).await, Some(1.0));
    assert_eq!(metric(&gateway, UNUSABLE).await, Some(2.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_in_force_comes_back_after_a_store_that_did_not_answer() {
    let Store::Redis(mut server) = Store::redis() else { panic!("a Redis") };
    let lines = format!("url = \"redis://127.0.0.1:{}\"\ntimeout = \"500ms\"", server.port);
    let (_upstream, gateway) = start(Settings::default().store(&lines)).await;
    let text = fs::read_to_string(gateway.file()).expect("it can be read");
    server.kill();
    gateway.rewrite(|text| text.replace("name = \"pay\"", "name = \"pay\"\nttl = \"2h\""));
    gateway.logs("the configuration was not reloaded").await;
    refused(&reload(&gateway).await, 503, "store-unavailable");
    assert_eq!(metric(&gateway, SUCCESSFUL).await, Some(0.0));
    gateway.rewrite(|_| text);
    gateway.logs(AGAIN).await;
    assert_eq!(metric(&gateway, SUCCESSFUL).await, Some(1.0));
    // One refusal was found, and one was asked for. The tries in between are neither counted nor logged.
    let count = "oncegate_reloads_total{outcome=\"store-unavailable\"}";
    assert_eq!(metric(&gateway, count).await, Some(2.0));
}

/// A cluster may write the file of the configuration before the files that it names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_is_judged_again_when_a_file_that_it_names_has_come() {
    let (_upstream, gateway) = start(Settings::default()).await;
    let (authority, other) = (Authority::new(), Authority::new());
    let (own, foreign) = (authority.certify("own"), other.certify("foreign"));
    let at = |name: &str| gateway.file().with_file_name(name);
    let bring = |from: &Path, to: &str| _ = fs::copy(from, at(to)).expect("it is copied");
    let section = format!(
        "[upstreams.other]\nurl = \"https://127.0.0.1:1\"\nca = \"{}\"\n\
         identity = {{ cert = \"{}\", key = \"{}\" }}\n[[routes]]",
        at("ca.pem").display(),
        at("cert.pem").display(),
        at("key.pem").display()
    );
    put("a pipe", &at("cert.pem"));
    gateway.rewrite(|text| text.replacen("[[routes]]", &section, 1));
    let problem = refused(&reload(&gateway).await, 422, "unusable");
    let errors = problem["errors"].as_array().expect("errors").clone();
    for (error, key) in errors.iter().zip(["other.ca", "other.identity.cert", "other.identity.key"]) {
        assert_eq!(error["key"], format!("upstreams.{key}"), "{problem}");
        assert!(error["line"].as_u64().is_some_and(|line| line > 5), "{error}");
    }
    assert_eq!(errors.len(), 3, "{problem}");
    assert_eq!(metric(&gateway, SUCCESSFUL).await, Some(0.0));
    // The key is another one's at first, as while a secret is exchanged.
    bring(&authority.ca, "ca.pem");
    fs::remove_file(at("cert.pem")).expect("it is removed");
    bring(&own.cert, "cert.pem");
    bring(&foreign.key, "key.pem");
    let line = gateway.logs("the key is not the certificate's").await;
    assert!(line.contains("\"outcome\":\"unusable\""), "{line}");
    bring(&own.key, "key.pem");
    let line = gateway.logs("the configuration was reloaded").await;
    assert!(line.contains("the file changed") && line.contains("upstreams.other (new)"), "{line}");
    assert_eq!(metric(&gateway, SUCCESSFUL).await, Some(1.0));
}

/// Where the text has mistakes, too, no other file makes it right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_with_mistakes_is_invalid_although_a_file_is_missing_too() {
    let (_upstream, gateway) = start(Settings::default()).await;
    let section = "[upstreams.other]\nurl = \"https://127.0.0.1:1\"\nca = \"none.pem\"\n[[routes]]";
    gateway.rewrite(|text| format!("{}ttl = \"soon\"\n", text.replacen("[[routes]]", section, 1)));
    let problem = refused(&reload(&gateway).await, 422, "invalid");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(2), "{problem}");
}

/// The text of the look is taken, also if the file holds another one a moment later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_text_of_the_look_is_taken_and_not_a_later_one() {
    for cause in ["the file changed", "SIGHUP", "an operator asked"] {
        let (_upstream, gateway) = start(Settings::default().stop_at("stop-reload")).await;
        gateway.rewrite(|text| text.replace("name = \"pay\"", "name = \"pay\"\nttl = \"2h\""));
        let asked = async {
            match cause {
                "SIGHUP" => gateway.hang_up().await,
                "an operator asked" => drop(reload(&gateway).await),
                _ => {}
            }
        };
        let meanwhile = async {
            gateway.logs("failpoint reload").await;
            gateway.rewrite(|text| text.replace("ttl = \"2h\"", "tombstone_ttl = \"40d\""));
            goes_on_until(&gateway, "the configuration was reloaded").await;
        };
        tokio::join!(asked, meanwhile);
        // Another cause may have come first on a busy machine.
        let line = gateway.logs("the configuration was reloaded").await;
        assert!(line.contains("\"changed\":\"routes.pay.ttl\""), "{cause}: {line}");
        let line = gateway.logs("routes.pay.tombstone_ttl").await;
        assert!(line.contains("\"changed\":\"routes.pay.tombstone_ttl, routes.pay.ttl\""), "{cause}: {line}");
    }
}

/// A pipe gives its text once, to the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_from_a_pipe_is_not_looked_for_again() {
    let shell = "mkfifo \"$3.pipe\"; cat \"$3\" > \"$3.pipe\" & set -- serve --config \"$3.pipe\"";
    let (_upstream, gateway) = start(Settings::default().shell(shell)).await;
    gateway.logs("is no regular file, so changes of it are not looked for").await;
    refused(&reload(&gateway).await, 422, "unusable");
}
