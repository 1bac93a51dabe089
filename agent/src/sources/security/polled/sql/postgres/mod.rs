//! PostgreSQL's protocol 3.0, as far as reading needs it.
//!
//! A driver holds whatever a server says, up to a gigabyte a value; here a message is bounded, and a
//! row's values are cut while they are read. The query is sent by the extended protocol, which takes
//! one statement, in a transaction that may only read. Tested against the real server.

mod scram;

use super::super::connect::{Stream, TrustCache, quoted};
use super::wire::{COLUMNS_MAX, NAME_MAX_BYTES, Page, SqlError, Wire, text};
use scram::Scram;

/// Longest message that is no row, bytes.
const MESSAGE_MAX_BYTES: usize = 64 * 1024;

/// Messages before a session is ready.
const MESSAGES_MAX: usize = 256;

/// Asks for TLS: a length of 8, and a number that is no version.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

const PROTOCOL_3_0: i32 = 196_608;

/// Object id of the type `boolean`, whose text is `t` or `f`.
const BOOLEAN: u32 = 16;

/// Who asks for what. Holds a secret, so that it cannot be printed.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) database: &'a str,
    pub(super) password: Option<&'a str>,
    /// Whether the connection is secret: then a password may be sent.
    pub(super) is_secret: bool,
}

/// A session.
pub(super) struct Session {
    wire: Wire,
    is_superuser: bool,
}

/// A message: its kind and its contents.
struct Message {
    kind: u8,
    body: Vec<u8>,
}

/// Begins TLS on a new connection.
pub(super) async fn secure(
    stream: Stream,
    name: &str,
    trust: &mut TrustCache,
) -> Result<Stream, SqlError> {
    let mut wire = Wire::new(stream);
    wire.send(&TLS_REQUEST).await?;
    match wire.byte().await? {
        b'S' => {}
        b'N' => {
            return Err(SqlError::Other(
                "the server has no TLS; switch it on there (ssl = on), or set tls = false"
                    .to_owned(),
            ));
        }
        _ => return Err(SqlError::protocol("no answer to the request for TLS")),
    }
    let stream = wire.into_stream()?;
    let stream = trust.handshake(name, &[b"postgresql"], stream).await;
    Ok(Box::new(stream.map_err(SqlError::Other)?))
}

impl Session {
    /// Logs in.
    pub(super) async fn begin(stream: Stream, login: Login<'_>) -> Result<Self, SqlError> {
        let mut session = Self {
            wire: Wire::new(stream),
            is_superuser: false,
        };
        let mut body = PROTOCOL_3_0.to_be_bytes().to_vec();
        for (name, value) in [
            ("user", login.user),
            ("database", login.database),
            ("client_encoding", "UTF8"),
            ("application_name", "crmscope-agent"),
        ] {
            put_text(&mut body, name);
            put_text(&mut body, value);
        }
        body.push(0);
        let length = i32::try_from(body.len() + 4).unwrap_or(i32::MAX);
        let startup = [&length.to_be_bytes(), &body[..]].concat();
        session.wire.send(&startup).await?;
        session.authenticate(login).await?;
        for _ in 0..MESSAGES_MAX {
            let message = session.message().await?;
            match message.kind {
                b'Z' => return Ok(session),
                b'S' => session.note(&message.body),
                _ => {}
            }
        }
        Err(SqlError::protocol("it is never ready"))
    }

    async fn authenticate(&mut self, login: Login<'_>) -> Result<(), SqlError> {
        let password = || {
            login.password.ok_or_else(|| {
                SqlError::Other("the server asks for a password; set password_file".to_owned())
            })
        };
        // Once SCRAM began, the server has to prove that it knows the password too.
        let mut scram: Option<Scram> = None;
        let mut proven = false;
        for _ in 0..MESSAGES_MAX {
            let message = self.message().await?;
            if message.kind != b'R' {
                continue;
            }
            let Some((code, rest)) = message.body.split_first_chunk::<4>() else {
                return Err(SqlError::protocol("a short request for a password"));
            };
            match (i32::from_be_bytes(*code), &mut scram) {
                (0, None) => return Ok(()),
                (0, Some(_)) if proven => return Ok(()),
                (3, None) if login.is_secret => {
                    let mut answer = Vec::new();
                    put_text(&mut answer, password()?);
                    self.send(b'p', &answer).await?;
                }
                (10, None) => {
                    let offered = rest.split(|&byte| byte == 0);
                    if !offered
                        .into_iter()
                        .any(|name| name == scram::MECHANISM.as_bytes())
                    {
                        return Err(SqlError::Other(
                            "the server offers no SCRAM-SHA-256".to_owned(),
                        ));
                    }
                    let begun = Scram::begin(password()?)?;
                    let first = begun.first();
                    let mut answer = Vec::new();
                    put_text(&mut answer, scram::MECHANISM);
                    let length = i32::try_from(first.len()).unwrap_or(i32::MAX);
                    answer.extend_from_slice(&length.to_be_bytes());
                    answer.extend_from_slice(first.as_bytes());
                    self.send(b'p', &answer).await?;
                    scram = Some(begun);
                }
                (11, Some(scram)) => {
                    let answer = scram.answer(&text(rest))?;
                    self.send(b'p', answer.as_bytes()).await?;
                }
                (12, Some(scram)) => {
                    scram.verify(&text(rest))?;
                    proven = true;
                }
                (3, _) => {
                    return Err(SqlError::Other(
                        "the server asks for the password in the clear, and the connection has no TLS"
                            .to_owned(),
                    ));
                }
                (5, _) => {
                    return Err(SqlError::Other(
                        "the server asks for an MD5 of the password, which is weak; set password_encryption = scram-sha-256 there, and the password anew"
                            .to_owned(),
                    ));
                }
                (code, _) => {
                    return Err(SqlError::Other(format!(
                        "the server asks for a kind of login that is not supported ({code}); use scram-sha-256 in pg_hba.conf"
                    )));
                }
            }
        }
        Err(SqlError::protocol("the login does not end"))
    }

    /// A setting that the server tells.
    fn note(&mut self, body: &[u8]) {
        if body == b"is_superuser\0on\0" {
            self.is_superuser = true;
        }
    }

    /// Begins the transaction that may only read, with the server's own deadline.
    pub(super) async fn read_only(&mut self, deadline_ms: u64) -> Result<(), SqlError> {
        self.simple(&format!(
            "BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout = {deadline_ms}; \
             SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; \
             SET LOCAL extra_float_digits = 1"
        ))
        .await
    }

    /// A table that the role may write to, if there is one.
    pub(super) async fn writes_to(&mut self) -> Result<Option<String>, SqlError> {
        if self.is_superuser {
            return Ok(Some("everything, as a superuser".to_owned()));
        }
        let page = self
            .query(
                "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind IN ('r', 'p', 'v', 'f') \
                 AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
                 AND pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') LIMIT 1",
                1,
            )
            .await?;
        let first = page.rows.into_iter().next();
        let name = first.and_then(|row| row.into_iter().next().flatten());
        Ok(name.map(|name| quoted(&name).to_string()))
    }

    /// Statements without rows.
    async fn simple(&mut self, statements: &str) -> Result<(), SqlError> {
        let mut body = Vec::new();
        put_text(&mut body, statements);
        self.send(b'Q', &body).await?;
        for _ in 0..MESSAGES_MAX {
            if self.message().await?.kind == b'Z' {
                return Ok(());
            }
        }
        Err(SqlError::protocol("a statement does not end"))
    }

    /// Rows of one statement, so many at most. After an error the session is of no more use.
    pub(super) async fn query(&mut self, sql: &str, limit: u32) -> Result<Page, SqlError> {
        let mut sent = Vec::new();
        // Parse: the unnamed statement, no types of parameters.
        message(&mut sent, b'P', |body| {
            body.push(0);
            put_text(body, sql);
            body.extend_from_slice(&[0, 0]);
        });
        // Bind: the unnamed portal, no parameters, all results as text.
        message(&mut sent, b'B', |body| body.extend_from_slice(&[0; 8]));
        // Describe the portal.
        message(&mut sent, b'D', |body| body.extend_from_slice(b"P\0"));
        // Execute it.
        message(&mut sent, b'E', |body| {
            body.push(0);
            body.extend_from_slice(&i32::try_from(limit).unwrap_or(i32::MAX).to_be_bytes());
        });
        message(&mut sent, b'S', |_| {});
        self.wire.send(&sent).await?;
        let mut page = Page::default();
        let mut booleans = Vec::new();
        loop {
            let (kind, length) = self.header().await?;
            match kind {
                b'D' => {
                    let row = self.row(length, &booleans).await?;
                    if !page.push(row) {
                        return Ok(page);
                    }
                }
                _ => {
                    let message = self.body(kind, length).await?;
                    match message.kind {
                        b'T' => {
                            let (columns, flags) = described(&message.body)?;
                            booleans = flags;
                            page = Page::new(columns);
                        }
                        b'n' => {
                            return Err(SqlError::Other("the query gives no rows".to_owned()));
                        }
                        b'Z' => return Ok(page),
                        b'G' | b'H' | b'W' => {
                            return Err(SqlError::Other(
                                "the query is a COPY; use SELECT".to_owned(),
                            ));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    async fn row(
        &mut self,
        length: usize,
        booleans: &[bool],
    ) -> Result<Vec<Option<String>>, SqlError> {
        let wrong = || SqlError::protocol("a row that does not fit its length");
        let mut left = length.checked_sub(2).ok_or_else(wrong)?;
        let columns = usize::from(u16::from_be_bytes(self.wire.array().await?));
        if columns != booleans.len() {
            return Err(SqlError::protocol("a row with other columns"));
        }
        let mut row = Vec::with_capacity(columns);
        for &boolean in booleans {
            left = left.checked_sub(4).ok_or_else(wrong)?;
            let length = i32::from_be_bytes(self.wire.array().await?);
            let Ok(length) = usize::try_from(length) else {
                row.push(None);
                continue;
            };
            left = left.checked_sub(length).ok_or_else(wrong)?;
            let value = self.wire.value(length).await?;
            row.push(Some(match (boolean, &value[..]) {
                (true, b"t") => "true".to_owned(),
                (true, b"f") => "false".to_owned(),
                _ => text(&value),
            }));
        }
        if left > 0 {
            return Err(wrong());
        }
        Ok(row)
    }

    async fn send(&mut self, kind: u8, body: &[u8]) -> Result<(), SqlError> {
        let mut sent = Vec::new();
        message(&mut sent, kind, |out| out.extend_from_slice(body));
        self.wire.send(&sent).await
    }

    /// Kind of the next message, and the length of its contents.
    async fn header(&mut self) -> Result<(u8, usize), SqlError> {
        let kind = self.wire.byte().await?;
        let length = i32::from_be_bytes(self.wire.array().await?);
        let length = usize::try_from(length).ok();
        let length = length.and_then(|length| length.checked_sub(4));
        Ok((
            kind,
            length.ok_or_else(|| SqlError::protocol("a negative length"))?,
        ))
    }

    /// The next message; an error of the server is one here.
    async fn message(&mut self) -> Result<Message, SqlError> {
        let (kind, length) = self.header().await?;
        self.body(kind, length).await
    }

    async fn body(&mut self, kind: u8, length: usize) -> Result<Message, SqlError> {
        if length > MESSAGE_MAX_BYTES {
            return Err(SqlError::protocol("a message beyond 64 KiB"));
        }
        let body = self.wire.bytes(length).await?;
        if kind == b'E' {
            return Err(SqlError::Server(refusal(&body)));
        }
        Ok(Message { kind, body })
    }
}

/// Appends a message.
fn message(out: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    fill(&mut body);
    let length = i32::try_from(body.len() + 4).unwrap_or(i32::MAX);
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&body);
}

/// A text with the zero that ends it; zeros within, which would end it early, are left out.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().filter(|&byte| byte != 0));
    out.push(0);
}

/// Names of the columns, and which of them are truth values.
fn described(body: &[u8]) -> Result<(Vec<String>, Vec<bool>), SqlError> {
    let wrong = || SqlError::protocol("columns that are not described");
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(wrong)?;
    let count = usize::from(u16::from_be_bytes(*count));
    if count > COLUMNS_MAX {
        return Err(SqlError::Other(format!(
            "the query gives {count} columns; name those that are needed, {COLUMNS_MAX} at most"
        )));
    }
    let (mut names, mut booleans) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let end = rest.iter().position(|&byte| byte == 0).ok_or_else(wrong)?;
        let (name, behind) = rest.split_at(end);
        // Behind the zero: table, column, type, its size, its modifier, its format.
        let (about, behind) = behind.split_at_checked(1 + 18).ok_or_else(wrong)?;
        let kind = about.get(7..11).and_then(|kind| kind.first_chunk());
        let kind = kind.ok_or_else(wrong)?;
        names.push(text(&name[..name.len().min(NAME_MAX_BYTES)]));
        booleans.push(u32::from_be_bytes(*kind) == BOOLEAN);
        rest = behind;
    }
    Ok((names, booleans))
}

/// Code and text of an error.
fn refusal(body: &[u8]) -> String {
    let field = |kind: u8| {
        let mut fields = body.split(|&byte| byte == 0);
        let found = fields.find(|field| field.first() == Some(&kind));
        found.map(|field| text(&field[1..])).unwrap_or_default()
    };
    format!("{} ({})", field(b'M'), field(b'C'))
}

/// What the fuzzer calls.
#[cfg(any(feature = "fuzzing", test))]
pub(super) fn read_bodies(data: &[u8]) {
    if let Ok((names, booleans)) = described(data) {
        assert!(names.len() == booleans.len() && names.len() <= COLUMNS_MAX);
    }
    let _ = refusal(data);
    scram::read(&text(data));
}
