//! The same request in other bytes, and another request, for each form of a body.

use crate::harness::same_requests::FORMS;
use crate::harness::{Gateway, Settings, Upstream, request};

#[tokio::test]
async fn a_duplicate_in_other_bytes_is_answered_with_the_first_answer() {
    let upstream = Upstream::start().await;
    for (number, form) in FORMS.iter().enumerate() {
        let gateway = Gateway::start(&upstream, form.settings()).await;
        assert_eq!(form.send(&gateway, &form.first).await.status, 201, "{}", form.name);
        form.is_kept_by(&gateway).await;
        assert_eq!(upstream.executions(), number + 1, "{}", form.name);
        let sent = upstream.seen().pop().expect("a request");
        assert_eq!((sent.header("content-type"), &*sent.body), (form.first.0, form.first.1.as_bytes()));
    }
}

/// A gateway with another configuration compares a retry by the rules of the first attempt.
#[tokio::test]
async fn a_record_keeps_the_form_that_it_was_made_under() {
    let upstream = Upstream::start().await;
    for form in &FORMS {
        let mut before = Gateway::start(&upstream, form.settings()).await;
        assert_eq!(form.send(&before, &form.first).await.status, 201, "{}", form.name);
        before.kill().await;
        let after = before.restart(&upstream, Settings::default()).await;
        form.is_kept_by(&after).await;
    }
    assert_eq!(upstream.executions(), FORMS.len());
}

/// A duplicate can come while the first request still runs.
#[tokio::test]
async fn a_concurrent_duplicate_in_other_bytes_waits_for_the_first_answer() {
    let upstream = Upstream::start().await;
    for form in &FORMS {
        let gateway = Gateway::start(&upstream, form.settings()).await;
        let before = upstream.executions();
        let same = &form.same[0];
        let answers = tokio::join!(
            form.send(&gateway, &form.first),
            form.send(&gateway, same),
            form.send(&gateway, same)
        );
        let answers = [answers.0, answers.1, answers.2];
        assert!(answers.iter().all(|answer| answer.status == 201), "{} {answers:?}", form.name);
        assert_eq!(answers.iter().filter(|answer| answer.is_replay()).count(), 2, "{}", form.name);
        assert_eq!(upstream.executions(), before + 1, "{}", form.name);
    }
}

/// A coding makes other bytes of a body, so it counts, and the content is not looked at.
#[tokio::test]
async fn the_content_coding_counts() {
    let upstream = Upstream::start().await;
    for form in FORMS.iter().filter(|form| form.name != "none") {
        let gateway = Gateway::start(&upstream, form.settings()).await;
        let send = async |coding: Option<&str>, body: &str| {
            let mut headers = vec![("idempotency-key", "k-1"), ("content-type", form.first.0)];
            headers.extend(coding.map(|coding| ("content-encoding", coding)));
            request(gateway.address, "POST", "/v1/charges", &headers, body).await
        };
        assert_eq!(send(Some("gzip"), "\u{1f}bytes").await.status, 201);
        assert!(send(Some("gzip"), "\u{1f}bytes").await.is_replay(), "{}", form.name);
        for (coding, body) in
            [(Some("br"), "\u{1f}bytes"), (None, "\u{1f}bytes"), (Some("gzip"), "\u{1f}other")]
        {
            let answer = send(coding, body).await;
            assert_eq!(answer.status, 422, "{} {coding:?} {answer:?}", form.name);
        }
    }
}
