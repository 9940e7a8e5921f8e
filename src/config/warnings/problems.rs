//! Warnings about a shape of problems.

use crate::problem::{Shape, Slug};

/// Returns the warnings about a shape that the file defines.
pub fn warnings(shape: &Shape, is_used: bool) -> Vec<String> {
    let unused = (!is_used).then(|| "no route names this shape, so nothing is told in it".to_owned());
    let statuses: Vec<(Slug, u16)> =
        Slug::ALL.into_iter().filter_map(|slug| Some((slug, shape.own_status(slug)?.as_u16()))).collect();
    unused.into_iter().chain(success(&statuses)).chain(refusal(&statuses)).collect()
}

/// Warns of statuses of success. They are allowed only for problems that say "executed".
fn success(statuses: &[(Slug, u16)]) -> Option<String> {
    let listed = shown(statuses, |_, status| status < 300);
    let text = format!(
        "a client that reads only the status takes {listed} for a success. The operation was executed once, but its \
         answer may have been a refusal, such as a declined card, and the client gets nothing of it. Leave it only \
         if these clients ask for no result, as senders of webhooks do"
    );
    (!listed.is_empty()).then_some(text)
}

/// Warns of statuses with which an API refuses a request, for problems that do not say "not executed".
fn refusal(statuses: &[(Slug, u16)]) -> Option<String> {
    let may_have_run =
        |slug: Slug| !matches!(slug, Slug::CallerUnknown | Slug::NoRoute) && slug.may_have_run();
    let refuses = |status: u16| matches!(status, 400..=499) && !matches!(status, 408 | 409 | 410 | 425 | 429);
    let listed = shown(statuses, |slug, status| refuses(status) && may_have_run(slug));
    let text = format!(
        "a client may take {listed} for a refusal, and pay again under a new key, although the operation may have been \
         executed. Where its API has no other word, 409 or a status of 5xx says less"
    );
    (!listed.is_empty()).then_some(text)
}

fn shown(statuses: &[(Slug, u16)], is_one: impl Fn(Slug, u16) -> bool) -> String {
    let listed = statuses.iter().filter(|(slug, status)| is_one(*slug, *status));
    let listed: Vec<String> = listed.map(|(slug, status)| format!("{} = {status}", slug.name())).collect();
    listed.join(", ")
}
