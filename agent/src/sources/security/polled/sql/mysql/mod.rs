//! The protocol of MySQL and MariaDB, as far as reading needs it.
//!
//! As for PostgreSQL, no driver: a row's values are cut while they are read, and files that a server
//! asks for (`LOCAL INFILE`) are never sent. One statement at a time, in a session and a
//! transaction that may only read. Tested against the real MariaDB; MySQL's own login
//! (`caching_sha2_password`) by its documentation.

mod login;
mod packet;

use super::super::connect::{Stream, TrustCache, quoted};
use super::wire::{COLUMNS_MAX, NAME_MAX_BYTES, Page, SqlError, text};
use login::Greeting;
use packet::{Fields, Packets};

/// Flags of what this end can do.
mod capability {
    pub(super) const LONG_PASSWORD: u32 = 1;
    pub(super) const LONG_FLAG: u32 = 4;
    pub(super) const CONNECT_WITH_DB: u32 = 8;
    pub(super) const PROTOCOL_41: u32 = 0x200;
    pub(super) const TLS: u32 = 0x800;
    pub(super) const TRANSACTIONS: u32 = 0x2000;
    pub(super) const SECURE_CONNECTION: u32 = 0x8000;
    pub(super) const PLUGIN_AUTH: u32 = 0x8_0000;
    /// Without several statements, and without local files.
    pub(super) const OURS: u32 = LONG_PASSWORD
        | LONG_FLAG
        | CONNECT_WITH_DB
        | PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | PLUGIN_AUTH;
}

/// Longest packet that is no row, bytes.
const PACKET_MAX_BYTES: usize = 64 * 1024;

/// Packets of a login.
const EXCHANGES_MAX: usize = 8;

/// utf8mb4_general_ci.
const CHARSET: u8 = 45;

const QUERY: u8 = 3;

/// Privileges that change nothing. What else is granted lets a role write, or do worse.
const READING: [&str; 10] = [
    "USAGE",
    "SELECT",
    "SHOW VIEW",
    "SHOW DATABASES",
    "PROCESS",
    "REFERENCES",
    "LOCK TABLES",
    "REPLICATION CLIENT",
    "BINLOG MONITOR",
    "SLAVE MONITOR",
];

/// Databases that an installation lets everybody write to, to try things out.
const PLAYGROUNDS: [&str; 2] = ["`test`.* TO PUBLIC", "`test\\_%`.* TO PUBLIC"];

/// Who asks for what. Holds a secret, so that it cannot be printed.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) database: &'a str,
    pub(super) password: &'a str,
}

/// How the connection is made secret.
pub(super) enum Secrecy<'a> {
    /// By TLS with a server of this name.
    Tls(&'a str, &'a mut TrustCache),
    /// It does not leave this host's kernel.
    Socket,
    /// Not at all.
    None,
}

/// A session.
pub(super) struct Session {
    packets: Packets,
    is_mariadb: bool,
}

impl Session {
    /// Logs in.
    pub(super) async fn begin(
        stream: Stream,
        secrecy: Secrecy<'_>,
        login: Login<'_>,
    ) -> Result<Self, SqlError> {
        let mut packets = Packets::new(stream);
        let body = packets.packet(PACKET_MAX_BYTES).await?;
        let greeting = Greeting::read(&body)?;
        let mut capabilities = capability::OURS;
        let is_secret = !matches!(secrecy, Secrecy::None);
        if let Secrecy::Tls(name, trust) = secrecy {
            if greeting.capabilities & capability::TLS == 0 {
                return Err(SqlError::Other(
                    "the server has no TLS; switch it on there (ssl_cert, ssl_key), or set tls = false"
                        .to_owned(),
                ));
            }
            capabilities |= capability::TLS;
            packets.send(&login::head(capabilities)).await?;
            packets = packets.secured(name, trust).await?;
        }
        packets
            .send(&login::response(capabilities, &greeting, login))
            .await?;
        let mut session = Self {
            packets,
            is_mariadb: greeting.is_mariadb,
        };
        session.authenticate(&greeting, login, is_secret).await?;
        Ok(session)
    }

    async fn authenticate(
        &mut self,
        greeting: &Greeting,
        login: Login<'_>,
        is_secret: bool,
    ) -> Result<(), SqlError> {
        let mut plugin = greeting.plugin.clone();
        for _ in 0..EXCHANGES_MAX {
            let body = self.answer().await?;
            match body.split_first() {
                Some((0, _)) => return Ok(()),
                // Another way of logging in.
                Some((0xfe, rest)) => {
                    let end = rest.iter().position(|&byte| byte == 0);
                    let (name, scramble) = rest.split_at(end.unwrap_or(rest.len()));
                    plugin = text(name);
                    let scramble = scramble.get(1..).unwrap_or_default();
                    let proof = login::proof(&plugin, login.password, scramble)?;
                    self.packets.send(&proof).await?;
                }
                // Known and right; the end follows.
                Some((1, [3])) => {}
                // Not known: the password itself is asked for.
                Some((1, [4])) if plugin == login::CACHING_SHA2 && is_secret => {
                    let password = [login.password.as_bytes(), &[0]].concat();
                    self.packets.send(&password).await?;
                }
                Some((1, [4])) => {
                    return Err(SqlError::Other(
                        "the server asks for the password itself, and the connection has no TLS; set tls = true"
                            .to_owned(),
                    ));
                }
                _ => return Err(SqlError::protocol("no answer to a login")),
            }
        }
        Err(SqlError::protocol("the login does not end"))
    }

    /// Makes the session one that only reads, with the server's own deadline.
    pub(super) async fn read_only(&mut self, deadline_ms: u64) -> Result<(), SqlError> {
        let deadline = if self.is_mariadb {
            format!(
                "SET SESSION max_statement_time = {}.{:03}",
                deadline_ms / 1000,
                deadline_ms % 1000
            )
        } else {
            format!("SET SESSION max_execution_time = {deadline_ms}")
        };
        for statement in [
            "SET SESSION TRANSACTION READ ONLY",
            "SET NAMES utf8mb4",
            "SET SESSION time_zone = '+00:00'",
            &deadline,
            "START TRANSACTION READ ONLY",
        ] {
            self.simple(statement).await?;
        }
        Ok(())
    }

    /// A grant that lets the role write, if there is one.
    pub(super) async fn writes_to(&mut self) -> Result<Option<String>, SqlError> {
        let page = self.query("SHOW GRANTS").await?;
        let grants = page.rows.into_iter().flatten().flatten();
        let writing = grants.into_iter().find(|grant| !only_reads(grant));
        // Behind ON stands what it is about; what is behind that may be a hash of the password.
        Ok(writing.map(|grant| {
            let about = grant.split(" TO ").next().unwrap_or_default();
            quoted(about).to_string()
        }))
    }

    /// A statement without rows.
    async fn simple(&mut self, statement: &str) -> Result<(), SqlError> {
        self.ask(statement).await?;
        match self.answer().await?.first() {
            Some(0) => Ok(()),
            _ => Err(SqlError::protocol("rows of a statement that has none")),
        }
    }

    async fn ask(&mut self, sql: &str) -> Result<(), SqlError> {
        self.packets.begin();
        let asked = [&[QUERY], sql.as_bytes()].concat();
        self.packets.send(&asked).await
    }

    /// Rows of one statement. After an error the session is of no more use.
    pub(super) async fn query(&mut self, sql: &str) -> Result<Page, SqlError> {
        self.ask(sql).await?;
        let head = self.answer().await?;
        let count = match head.first() {
            Some(0) => return Err(SqlError::Other("the query gives no rows".to_owned())),
            Some(0xfb) => return Err(SqlError::Other("the server asks for a file".to_owned())),
            _ => Fields::of(&head).number()?,
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > COLUMNS_MAX {
            return Err(SqlError::Other(format!(
                "the query gives {count} columns; name those that are needed, {COLUMNS_MAX} at most"
            )));
        }
        let mut columns = Vec::with_capacity(count);
        for _ in 0..count {
            columns.push(column(&self.answer().await?)?);
        }
        self.packets.packet(PACKET_MAX_BYTES).await?;
        let mut page = Page::new(columns);
        while let Some(row) = self.packets.row(count).await? {
            if !page.push(row) {
                break;
            }
        }
        Ok(page)
    }

    /// The next packet; an error of the server is one here.
    async fn answer(&mut self) -> Result<Vec<u8>, SqlError> {
        let body = self.packets.packet(PACKET_MAX_BYTES).await?;
        match body.split_first() {
            Some((0xff, rest)) => Err(SqlError::Server(packet::refusal(rest))),
            _ => Ok(body),
        }
    }
}

/// Whether a grant, as `SHOW GRANTS` tells it, lets nobody write. Roles are granted without ON, and
/// tell their own grants.
fn only_reads(grant: &str) -> bool {
    let Some(rest) = grant.strip_prefix("GRANT ") else {
        // SET DEFAULT ROLE.
        return true;
    };
    let Some((privileges, about)) = rest.split_once(" ON ") else {
        return true;
    };
    if PLAYGROUNDS.iter().any(|place| about.starts_with(place)) {
        return true;
    }
    // Columns stand in brackets, with commas between.
    let mut depth = 0_u32;
    let outside = |character: &char| {
        match character {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    let privileges: String = privileges.chars().filter(outside).collect();
    let mut privileges = privileges.split(',').map(str::trim);
    privileges.all(|privilege| READING.contains(&privilege)) && !rest.ends_with("WITH GRANT OPTION")
}

/// Name of a column out of its description: the fifth text.
fn column(body: &[u8]) -> Result<String, SqlError> {
    let mut fields = Fields::of(body);
    for _ in 0..4 {
        fields.bytes()?;
    }
    let name = fields.bytes()?;
    Ok(text(&name[..name.len().min(NAME_MAX_BYTES)]))
}

/// What the fuzzer calls.
#[cfg(any(feature = "fuzzing", test))]
pub(super) fn read_bodies(data: &[u8]) {
    if let Ok(name) = column(data) {
        assert!(name.len() <= 3 * NAME_MAX_BYTES);
    }
    if let Ok(greeting) = Greeting::read(data) {
        let _ = login::proof(&greeting.plugin, "secret", &greeting.scramble);
    }
    let _ = packet::refusal(data);
    let _ = only_reads(&text(data));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_that_let_a_role_write_are_known() {
        for (grant, reads) in [
            (
                "GRANT USAGE ON *.* TO `w`@`%` IDENTIFIED BY PASSWORD '*1'",
                true,
            ),
            ("GRANT SELECT ON `crm`.`auth_log_record` TO `w`@`%`", true),
            ("GRANT SELECT, SHOW VIEW ON `crm`.* TO `w`@`%`", true),
            ("GRANT SELECT (`id`, `user`) ON `crm`.`t` TO `w`@`%`", true),
            ("GRANT `reader`@`%` TO `w`@`%`", true),
            ("GRANT SELECT, INSERT ON `test`.* TO PUBLIC", true),
            ("GRANT SELECT, INSERT ON `test\\_%`.* TO PUBLIC", true),
            ("GRANT SELECT, INSERT ON `test`.* TO `w`@`%`", false),
            ("SET DEFAULT ROLE `reader` FOR `w`@`%`", true),
            ("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost`", false),
            ("GRANT SELECT, INSERT ON `crm`.* TO `w`@`%`", false),
            (
                "GRANT SELECT (`id`), UPDATE (`user`) ON `crm`.`t` TO `w`@`%`",
                false,
            ),
            ("GRANT FILE ON *.* TO `w`@`%`", false),
            (
                "GRANT SELECT ON `crm`.* TO `w`@`%` WITH GRANT OPTION",
                false,
            ),
        ] {
            assert_eq!(only_reads(grant), reads, "{grant}");
        }
    }
}
