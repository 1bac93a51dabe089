//! Which fields of a JSON line say what: `fields` and `latency_unit` of a log.

use serde::{Deserialize, Serialize};

/// Longest path of a field, bytes.
const PATH_MAX_BYTES: usize = 128;

/// Most names in a path.
const PATH_MAX_NAMES: usize = 8;

/// Paths of the fields that count, their names joined by dots: `request.method`. What is left out
/// is looked for under usual names; an empty path turns the look-up off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// When the request ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// A whole request line, `GET /path HTTP/1.1`; used where method or target is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path, with or without a query; or a whole URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Response status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Response bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// How long the request took, in `latency_unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<String>,
    /// How long the application behind the server took, in `latency_unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Address of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Virtual host, backend or site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
}

/// A field and the names it is looked for under when none is given, the likelier ones first.
/// nginx's variables are among them, and the Elastic Common Schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    pub(super) key: &'static str,
    pub(super) names: &'static [&'static str],
}

/// In the order of [`Fields`].
pub(super) const USUAL: [Usual; 10] = [
    Usual {
        key: "time",
        names: &[
            "time",
            "ts",
            "timestamp",
            "@timestamp",
            "time_iso8601",
            "time_local",
            "msec",
        ],
    },
    Usual {
        key: "request",
        names: &["request", "request_line"],
    },
    Usual {
        key: "method",
        names: &["method", "request_method", "http.request.method"],
    },
    Usual {
        key: "target",
        names: &[
            "request_uri",
            "uri",
            "url",
            "path",
            "target",
            "url.original",
            "url.path",
        ],
    },
    Usual {
        key: "status",
        names: &["status", "status_code", "http.response.status_code"],
    },
    Usual {
        key: "bytes",
        names: &[
            "body_bytes_sent",
            "bytes_sent",
            "bytes",
            "size",
            "http.response.body.bytes",
        ],
    },
    Usual {
        key: "latency",
        names: &["request_time", "latency", "duration"],
    },
    Usual {
        key: "upstream",
        names: &["upstream_response_time"],
    },
    Usual {
        key: "client",
        names: &["remote_addr", "client_ip", "remote_ip", "client.ip"],
    },
    Usual {
        key: "site",
        names: &["host", "server_name", "vhost", "url.domain"],
    },
];

impl Fields {
    /// Every field, in the order of [`USUAL`].
    pub(super) fn paths(&self) -> [Option<&str>; 10] {
        [
            &self.time,
            &self.request,
            &self.method,
            &self.target,
            &self.status,
            &self.bytes,
            &self.latency,
            &self.upstream,
            &self.client,
            &self.site,
        ]
        .map(Option::as_deref)
    }

    /// Every key, for the list of known ones.
    #[must_use]
    pub fn template() -> Self {
        let some = || Some(String::new());
        Self {
            time: some(),
            request: some(),
            method: some(),
            target: some(),
            status: some(),
            bytes: some(),
            latency: some(),
            upstream: some(),
            client: some(),
            site: some(),
        }
    }

    /// Whether the paths can be looked for.
    ///
    /// # Errors
    /// The key that cannot, and what would do.
    pub(super) fn validate(&self) -> Result<(), String> {
        for (usual, path) in USUAL.iter().zip(self.paths()) {
            let Some(path) = path else { continue };
            let names = path.split('.').count();
            let empty = path.is_empty() || path.split('.').any(str::is_empty);
            let required = matches!(usual.key, "time" | "status");
            if (empty && (required || !path.is_empty()))
                || path.len() > PATH_MAX_BYTES
                || names > PATH_MAX_NAMES
            {
                return Err(format!(
                    "fields.{} is {path:?}; use 1 to {PATH_MAX_NAMES} names joined by dots, {PATH_MAX_BYTES} bytes at most",
                    usual.key
                ));
            }
        }
        Ok(())
    }
}

/// What latencies are counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LatencyUnit {
    /// Seconds.
    #[default]
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

impl LatencyUnit {
    /// The power of ten that makes microseconds of it.
    pub(super) fn power(self) -> i32 {
        match self {
            Self::S => 6,
            Self::Ms => 3,
            Self::Us => 0,
            Self::Ns => -3,
        }
    }
}
