//! HTTP headers: the one list of the names that the gateway knows, and the rules for requests and responses
//! that pass through. Configuration, gateway, admin API and commands read this list; none has a list of its
//! own.

mod hop;
mod meaning;
mod names;
mod request;
mod response;
mod supplied;
mod trace_context;

pub use hop::{strip_hop_by_hop, tokens};
pub use meaning::{meaning, steers_clients};
pub use names::{
    ADDED, FORWARDING, GATEWAY_ONLY, HOP_BY_HOP, IDEMPOTENCY_EXECUTED, IDEMPOTENCY_EXECUTION,
    IDEMPOTENCY_EXPIRES, IDEMPOTENCY_KEY, IDEMPOTENCY_MARKER, IDEMPOTENCY_OUTCOME,
    IDEMPOTENCY_POSSIBLE_DUPLICATE, IDEMPOTENCY_PROTECTED, IDEMPOTENCY_RECORD, IDEMPOTENCY_STORED,
    IDEMPOTENT_REPLAYED, METHOD_OVERRIDES, NEVER_BELIEVED, NOT_REPLAYED, NOT_REPLAYED_FAMILIES,
    STRIPE_SHOULD_RETRY, TRACEPARENT, TRACESTATE, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO,
    X_SHOULD_RETRY, is_gateway_only, is_mimic, is_not_replayed,
};
pub use request::{add_own, clean_request, forward_key, forwarded_address, name_execution};
pub use response::{HeaderWord, kept, prepare_response, reports_conflict};
pub use supplied::{HeaderList, SuppliedResponse};
pub use trace_context::TraceParent;

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    /// Returns a map of these lines, in their order.
    pub(super) fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().expect("header name");
            (name, HeaderValue::from_str(value).expect("header value"))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(header) {
            headers.append(name, value);
        }
        headers
    }
}
