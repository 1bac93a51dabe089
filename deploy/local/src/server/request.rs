//! What a request asks: query, typed parameters, settings, formats. Pure.

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::fault::{Fault, code};

/// A decoded `name=value` list; values are bytes, since ClickHouse's are.
pub(super) type Pairs = Vec<(String, Vec<u8>)>;

/// Everything about a request but its body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// Empty when the body is the query.
    pub(super) query: Vec<u8>,
    pub(super) params: Pairs,
    pub(super) settings: Pairs,
    pub(super) database: Option<String>,
    pub(super) default_format: Option<String>,
    pub(super) query_id: String,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    /// Frame the response (`compress=1`).
    pub(super) compress: bool,
    /// The body is framed (`decompress=1`).
    pub(super) decompress: bool,
    pub(super) gzip_body: bool,
    pub(super) wait_end_of_query: bool,
    pub(super) readonly: Option<Vec<u8>>,
    pub(super) cors: bool,
    /// Of a multipart body.
    pub(super) boundary: Option<String>,
}

impl Request {
    /// Reads the URL's query string and the headers.
    pub(super) fn parse(
        url_query: &str,
        headers: &HeaderMap,
        is_get: bool,
    ) -> Result<Request, Fault> {
        let header = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let mut request = Request {
            default_format: header("x-clickhouse-format"),
            database: header("x-clickhouse-database"),
            ..Request::default()
        };
        request.gzip_body = match header(CONTENT_ENCODING.as_str()).as_deref() {
            None | Some("" | "identity") => false,
            Some("gzip") => true,
            Some(other) => {
                return Err(Fault::new(
                    code::NOT_IMPLEMENTED,
                    format!(
                        "Content-Encoding {other} is not supported: send gzip, or decompress=1, or neither"
                    ),
                ));
            }
        };
        request.boundary = header(CONTENT_TYPE.as_str())
            .filter(|value| value.starts_with("multipart/form-data"))
            .and_then(|value| {
                Some(
                    value
                        .split_once("boundary=")?
                        .1
                        .trim_matches('"')
                        .to_owned(),
                )
            });
        for (name, value) in pairs(url_query) {
            request.take(name, value)?;
        }
        if is_get && request.readonly.is_none() {
            // ClickHouse's rule, and here also what keeps a link on a page from writing.
            request.readonly = Some(b"2".to_vec());
        }
        if request.query_id.is_empty() {
            request.query_id = format!("{:032x}", fastrand::u128(..));
        }
        Ok(request)
    }

    /// One `name=value`, from the URL or a form.
    pub(super) fn take(&mut self, name: String, value: Vec<u8>) -> Result<(), Fault> {
        let text = || String::from_utf8_lossy(&value).into_owned();
        let flag = || matches!(value.as_slice(), b"1" | b"true");
        match name.as_str() {
            "query" => {
                if !self.query.is_empty() {
                    self.query.push(b'\n');
                }
                self.query.extend_from_slice(&value);
            }
            "database" => self.database = Some(text()),
            "default_format" => self.default_format = Some(text()),
            "query_id" => self.query_id = text(),
            "user" => self.user = Some(text()),
            "password" => self.password = Some(text()),
            "compress" => self.compress = flag(),
            "decompress" => self.decompress = flag(),
            "wait_end_of_query" => self.wait_end_of_query = flag(),
            "add_http_cors_header" => self.cors = flag(),
            "readonly" => self.readonly = Some(value),
            // Of the protocol, and without meaning for one node that keeps no sessions.
            "buffer_size"
            | "client_protocol_version"
            | "close_session"
            | "quota_key"
            | "session_check"
            | "session_timeout"
            | "stacktrace" => {}
            "session_id" | "role" => {
                return Err(Fault::new(
                    code::NOT_IMPLEMENTED,
                    format!("{name} is not supported by this server"),
                ));
            }
            _ => match name.strip_prefix("param_") {
                Some(param) => self.params.push((param.to_owned(), value)),
                None if is_setting_name(&name) => self.settings.push((name, value)),
                None => {
                    return Err(Fault::new(
                        code::UNKNOWN_SETTING,
                        format!("Unknown setting '{name}'"),
                    ));
                }
            },
        }
        Ok(())
    }

    /// The fields of a multipart form, as the `clickhouse` crate sends parameters.
    pub(super) fn take_form(&mut self, body: &[u8]) -> Result<(), Fault> {
        let boundary = self.boundary.take().unwrap_or_default();
        for (name, value) in form(body, &boundary)? {
            self.take(name, value)?;
        }
        Ok(())
    }
}

/// Names go into a SET statement as they are.
fn is_setting_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
}

/// Splits and decodes `a=b&c=d`.
pub(super) fn pairs(url_query: &str) -> Pairs {
    let decode = |text: &str| {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        loop {
            match rest {
                [] => return out,
                [b'+', tail @ ..] => {
                    out.push(b' ');
                    rest = tail;
                }
                [b'%', high, low, tail @ ..]
                    if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
                {
                    let digit = |byte: u8| match byte {
                        b'0'..=b'9' => byte - b'0',
                        _ => (byte | 0x20) - b'a' + 10,
                    };
                    out.push(digit(*high) << 4 | digit(*low));
                    rest = tail;
                }
                [byte, tail @ ..] => {
                    out.push(*byte);
                    rest = tail;
                }
            }
        }
    };
    url_query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                String::from_utf8_lossy(&decode(name)).into_owned(),
                decode(value),
            )
        })
        .collect()
}

fn form(body: &[u8], boundary: &str) -> Result<Pairs, Fault> {
    let bad = |what: &str| Fault::new(code::BAD_ARGUMENTS, format!("the multipart form {what}"));
    let mark = format!("\r\n--{boundary}");
    let find = |haystack: &[u8], needle: &[u8]| {
        haystack
            .windows(needle.len())
            .position(|window| window == needle)
    };
    let mut rest = body
        .strip_prefix(&mark.as_bytes()[2..])
        .ok_or_else(|| bad("does not start with its boundary"))?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let head = find(rest, b"\r\n\r\n").ok_or_else(|| bad("has a field without a header"))?;
        let header = String::from_utf8_lossy(&rest[..head]).into_owned();
        let name = header
            .split_once(" name=\"")
            .and_then(|(_, tail)| tail.split_once('"'))
            .ok_or_else(|| bad("has a field without a name"))?
            .0;
        if header.contains("filename=") {
            return Err(Fault::new(
                code::NOT_IMPLEMENTED,
                "external tables in a form are not supported",
            ));
        }
        rest = &rest[head + 4..];
        let end =
            find(rest, mark.as_bytes()).ok_or_else(|| bad("does not end with its boundary"))?;
        fields.push((name.to_owned(), rest[..end].to_vec()));
        rest = &rest[end + mark.len()..];
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_what_the_url_says() {
        let url = "query=SELECT+%7Ba%3AString%7D&param_a=x%00%ff&max_threads=1&database=crm&readonly=1&buffer_size=7&wait_end_of_query=1";
        let request = Request::parse(url, &HeaderMap::new(), true).unwrap();
        assert_eq!(request.query, b"SELECT {a:String}");
        assert_eq!(request.params, [("a".to_owned(), b"x\0\xff".to_vec())]);
        assert_eq!(
            request.settings,
            [("max_threads".to_owned(), b"1".to_vec())]
        );
        assert_eq!(request.database.as_deref(), Some("crm"));
        assert_eq!(request.readonly.as_deref(), Some(b"1".as_slice()));
        assert!(request.wait_end_of_query && request.query_id.len() == 32);
        let get = Request::parse("", &HeaderMap::new(), true).unwrap();
        assert_eq!(get.readonly.as_deref(), Some(b"2".as_slice()));
    }

    #[test]
    fn refuses_names_that_could_be_sql() {
        for url in ["a%3D1%2Cb=2", "1a=2", "session_id=x"] {
            assert!(
                Request::parse(url, &HeaderMap::new(), false).is_err(),
                "{url}"
            );
        }
    }

    #[test]
    fn reads_a_form() {
        let body = b"--B\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT\r\n1\r\n--B\r\nContent-Disposition: form-data; name=\"param_a\"\r\n\r\n\r\n--B--\r\n";
        assert_eq!(
            form(body, "B").unwrap(),
            [
                ("query".to_owned(), b"SELECT\r\n1".to_vec()),
                ("param_a".to_owned(), Vec::new())
            ]
        );
        for damaged in [&body[..20], &body[..body.len() - 8], b"x"] {
            assert!(form(damaged, "B").is_err());
        }
    }
}
