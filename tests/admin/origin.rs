//! Requests that a page of another origin may send.

use http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use http::{Method, Request};
use oncegate::admin::Access;

use crate::world::{Answer, World, token};

const BODY: &str = r#"{"executed":true,"note":"n"}"#;

async fn ask(world: &World, method: Method, path: &str, lines: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(world.url(path));
    for (name, value) in lines {
        request = request.header(*name, *value);
    }
    world.send(request.header(CONTENT_TYPE, "application/json").header(AUTHORIZATION, "Bearer t"), BODY).await
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    for access in [Access::Loopback, token("t")] {
        let world = World::guarded_by(access).await;
        let (unknown, done) = (
            world.unknown("k-1").await.id,
            world.completed("k-2", 201.try_into().expect("a status"), "paid").await.id,
        );
        let (resolve, delete) = (format!("/v1/records/{unknown}/resolve"), format!("/v1/records/{done}"));
        let other_port = format!("http://127.0.0.1:{}", world.address.port().wrapping_add(1));
        for lines in [
            &[("origin", "http://elsewhere.example")][..],
            &[("origin", "null")],
            &[("origin", &other_port)],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ] {
            for (method, path) in [
                (Method::POST, &resolve),
                (Method::DELETE, &delete),
                (Method::POST, &"/v1/lookup".to_owned()),
            ] {
                let detail = ask(&world, method, path, lines).await.problem(403, "about:blank");
                assert!(detail.contains("origin"), "{detail}");
            }
        }
        // The page reads no response and gets no permission to read one.
        let read = ask(&world, Method::GET, &delete, &[("origin", "http://elsewhere.example")]).await;
        assert!(read.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
        assert_eq!(read.json()["state"], "completed");
        let own = format!("http://{}", world.address);
        let lines = [(ORIGIN.as_str(), own.as_str()), ("sec-fetch-site", "same-origin")];
        assert_eq!(ask(&world, Method::POST, &resolve, &lines).await.json()["state"], "settled");
        assert_eq!(ask(&world, Method::DELETE, &delete, &lines).await.json()["state"], "expired");
    }
}
