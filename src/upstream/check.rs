//! The check whether an upstream accepts connections, TLS included. It sends no request.

use std::error::Error;

use tokio::time::timeout;
use tower::ServiceExt;

use crate::config::Upstream;

use super::connector::{Connect, connector};

/// Connects to an upstream as for a request, and closes the connection.
///
/// # Errors
/// Returns the reason why there is no connection.
pub async fn check(upstream: &Upstream) -> Result<(), String> {
    let connector = connector(upstream).map_err(|error| error.to_string())?;
    let connect = Connect::clone(&connector.current());
    match timeout(upstream.connect_timeout, connect.oneshot(upstream.url.clone())).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(with_causes(&*error)),
        Err(_) => Err(format!("no connection within {:?}", upstream.connect_timeout)),
    }
}

/// Returns the text of an error and of its causes.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !texts.iter().any(|earlier| earlier.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}
