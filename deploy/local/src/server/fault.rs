//! Errors as ClickHouse sends them: a code, a text, an HTTP status.

use hyper::StatusCode;

use crate::engine::EngineError;

/// ClickHouse's own error codes, those this server raises or treats apart.
pub(super) mod code {
    pub(in crate::server) const UNSUPPORTED_METHOD: u32 = 1;
    pub(in crate::server) const BAD_ARGUMENTS: u32 = 36;
    pub(in crate::server) const TOO_LARGE_SIZE_COMPRESSED: u32 = 39;
    pub(in crate::server) const CHECKSUM_DOESNT_MATCH: u32 = 40;
    pub(in crate::server) const NOT_IMPLEMENTED: u32 = 48;
    pub(in crate::server) const SYNTAX_ERROR: u32 = 62;
    pub(in crate::server) const UNKNOWN_COMPRESSION_METHOD: u32 = 89;
    pub(in crate::server) const UNKNOWN_SETTING: u32 = 115;
    pub(in crate::server) const READONLY: u32 = 164;
    pub(in crate::server) const REQUIRED_PASSWORD: u32 = 194;
    pub(in crate::server) const TOO_MANY_SIMULTANEOUS_QUERIES: u32 = 202;
    pub(in crate::server) const NETWORK_ERROR: u32 = 210;
    pub(in crate::server) const QUERY_IS_TOO_LARGE: u32 = 229;
    pub(in crate::server) const ABORTED: u32 = 236;
    pub(in crate::server) const MEMORY_LIMIT_EXCEEDED: u32 = 241;
    pub(in crate::server) const CANNOT_DECOMPRESS: u32 = 271;
    pub(in crate::server) const INTO_OUTFILE_NOT_ALLOWED: u32 = 358;
    pub(in crate::server) const TOO_MANY_ROWS_OR_BYTES: u32 = 396;
    pub(in crate::server) const AUTHENTICATION_FAILED: u32 = 516;
    pub(in crate::server) const UNKNOWN_EXCEPTION: u32 = 1002;
}

const NAMES: [(u32, &str); 18] = [
    (code::UNSUPPORTED_METHOD, "UNSUPPORTED_METHOD"),
    (code::BAD_ARGUMENTS, "BAD_ARGUMENTS"),
    (code::TOO_LARGE_SIZE_COMPRESSED, "TOO_LARGE_SIZE_COMPRESSED"),
    (code::CHECKSUM_DOESNT_MATCH, "CHECKSUM_DOESNT_MATCH"),
    (code::NOT_IMPLEMENTED, "NOT_IMPLEMENTED"),
    (code::SYNTAX_ERROR, "SYNTAX_ERROR"),
    (
        code::UNKNOWN_COMPRESSION_METHOD,
        "UNKNOWN_COMPRESSION_METHOD",
    ),
    (code::UNKNOWN_SETTING, "UNKNOWN_SETTING"),
    (code::READONLY, "READONLY"),
    (code::REQUIRED_PASSWORD, "REQUIRED_PASSWORD"),
    (
        code::TOO_MANY_SIMULTANEOUS_QUERIES,
        "TOO_MANY_SIMULTANEOUS_QUERIES",
    ),
    (code::NETWORK_ERROR, "NETWORK_ERROR"),
    (code::QUERY_IS_TOO_LARGE, "QUERY_IS_TOO_LARGE"),
    (code::ABORTED, "ABORTED"),
    (code::CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS"),
    (code::INTO_OUTFILE_NOT_ALLOWED, "INTO_OUTFILE_NOT_ALLOWED"),
    (code::TOO_MANY_ROWS_OR_BYTES, "TOO_MANY_ROWS_OR_BYTES"),
    (code::AUTHENTICATION_FAILED, "AUTHENTICATION_FAILED"),
];

/// An error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct Fault {
    pub(super) code: u32,
    text: String,
}

impl Fault {
    /// One of this server's own.
    pub(super) fn new(code: u32, message: impl AsRef<str>) -> Fault {
        let name = NAMES
            .iter()
            .find(|(known, _)| *known == code)
            .map_or("UNKNOWN_EXCEPTION", |(_, name)| name);
        Fault {
            code,
            text: format!(
                "Code: {code}. DB::Exception: {}. ({name})",
                message.as_ref()
            ),
        }
    }

    /// The engine's text, which starts with `Code: N. `, save for libchdb's own few messages.
    fn of_engine(text: &str) -> Fault {
        let code = text
            .strip_prefix("Code: ")
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(number, _)| number.parse().ok());
        match code {
            Some(code) => Fault {
                code,
                text: text.to_owned(),
            },
            None => Fault::new(code::UNKNOWN_EXCEPTION, text),
        }
    }

    /// The same with advice after it.
    pub(super) fn with_hint(self, hint: &str) -> Fault {
        Fault {
            code: self.code,
            text: format!("{} ({hint})", self.text),
        }
    }

    /// The body ClickHouse would send.
    pub(super) fn body(&self, version: &str) -> String {
        if self.text.contains(" (version ") {
            format!("{}\n", self.text)
        } else {
            format!("{} (version {version} (embedded build))\n", self.text)
        }
    }

    /// The same mapping as ClickHouse's, and 503 for a full server.
    pub(super) fn status(&self) -> StatusCode {
        match self.code {
            194 => StatusCode::UNAUTHORIZED,
            192 | 193 | 497 | 512 | 516 => StatusCode::FORBIDDEN,
            6
            | 8
            | 15
            | 25..=27
            | 36..=38
            | 41
            | 44
            | 53
            | 62
            | 72
            | 117
            | 123
            | 167
            | 168
            | 223
            | 321
            | 376
            | 427
            | 441
            | 675
            | 676 => StatusCode::BAD_REQUEST,
            46 | 47 | 50 | 56 | 60 | 63 | 73 | 78 | 81 | 115 | 152 | 336 | 511 => {
                StatusCode::NOT_FOUND
            }
            159 => StatusCode::REQUEST_TIMEOUT,
            229 => StatusCode::PAYLOAD_TOO_LARGE,
            48 => StatusCode::NOT_IMPLEMENTED,
            381 => StatusCode::LENGTH_REQUIRED,
            779 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            76 | 202 | 209 | 439 => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Fault {
        Fault::of_engine(&error.to_string())
    }
}

/// Readers of the request body carry a fault inside their I/O error; any other is the network's.
impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Fault {
        match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Fault>())
        {
            Some(fault) => fault.clone(),
            None => Fault::new(
                code::NETWORK_ERROR,
                format!("cannot read the request body: {error}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_engines_code_and_text() {
        let fault =
            Fault::of_engine("Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE)");
        assert_eq!((fault.code, fault.status()), (60, StatusCode::NOT_FOUND));
        assert_eq!(
            fault.body("26.7"),
            "Code: 60. DB::Exception: Table a.b does not exist. (UNKNOWN_TABLE) (version 26.7 (embedded build))\n"
        );
        assert_eq!(Fault::of_engine("no code").code, 1002);
        assert_eq!(
            Fault::new(202, "x").status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
