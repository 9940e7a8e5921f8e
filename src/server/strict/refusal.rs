//! The refusal of a request that could be read in two ways, with its reason.

use http::StatusCode;

/// The reason why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status of the response.
    pub status: StatusCode,
    /// A sentence for the client that says what is wrong.
    pub why: &'static str,
}

pub(super) const fn refusal(status: StatusCode, why: &'static str) -> Refusal {
    Refusal { status, why }
}

pub(super) const fn bad(why: &'static str) -> Refusal {
    refusal(StatusCode::BAD_REQUEST, why)
}

/// Refusal of a head that does not end within [`MAX_HEAD`](super::head::MAX_HEAD).
pub(super) const TOO_LARGE: Refusal =
    refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The head is larger than 64 KiB.");
/// Refusal of a target longer than [`MAX_TARGET`](super::head::MAX_TARGET), or of a first line that is longer
/// still.
pub(super) const TOO_LONG: Refusal =
    refusal(StatusCode::URI_TOO_LONG, "The target, or the line it stands in, is longer than 8 KiB.");
/// Refusal of more header lines than [`MAX_HEADERS`](super::head::MAX_HEADERS).
pub(super) const TOO_MANY: Refusal =
    refusal(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "There are more than 100 header lines.");
/// Refusal of a request without a host.
pub(super) const NO_HOST: Refusal = bad("There is no Host header.");
/// Refusal of a host that is no name or address with an optional port.
pub(super) const WRONG_HOST: Refusal = bad("Host is not a name or address with an optional port.");
/// Refusal of a host that differs from the authority of the target.
pub(super) const OTHER_HOST: Refusal = bad("Host is not the authority of the target.");
/// Refusal of a target in none of the forms of a target.
pub(super) const WRONG_TARGET: Refusal = bad("The target is not a path or an http URL.");
/// Refusal of a TLS handshake on a plain listener.
pub(super) const TLS: Refusal = bad("This is TLS, and the listener speaks plain HTTP.");
/// Refusal of a line feed that does not end a line.
pub(super) const BARE: Refusal = bad("A line ends otherwise than with CR LF.");
