//! A session of either kind of database.

use std::path::Path;

use super::super::connect::{Stream, TrustCache, tcp, unix};
use super::super::secret;
use super::config::{Database, Kind};
use super::wire::{Page, SqlError};
use super::{mysql, postgres};

/// The way into a database.
pub(super) struct Door {
    trust: TrustCache,
}

/// A session in a transaction that may only read.
pub(super) enum Session {
    Postgres(postgres::Session),
    MySql(mysql::Session),
}

impl Door {
    pub(super) fn new(config: &Database) -> Self {
        Self {
            trust: TrustCache::new(config.server_ca_file.clone()),
        }
    }

    /// Connects, logs in and makes the session one that only reads.
    pub(super) async fn enter(&mut self, config: &Database) -> Result<Session, String> {
        let password = config.password_file.as_deref();
        let password = password.map(|path| secret::of_file("password_file", path));
        let password = password.transpose()?;
        let password = password.as_deref();
        let stream = connect(config).await?;
        let tls = config.tls && !config.is_socket();
        self.log_in(stream, config, tls, password)
            .await
            .map_err(|error| error.to_string())
    }

    async fn log_in(
        &mut self,
        stream: Stream,
        config: &Database,
        tls: bool,
        password: Option<&str>,
    ) -> Result<Session, SqlError> {
        match config.kind {
            Kind::PostgreSql => {
                let stream = if tls {
                    postgres::secure(stream, &config.host, &mut self.trust).await?
                } else {
                    stream
                };
                let login = postgres::Login {
                    user: &config.user,
                    database: &config.database,
                    password,
                    is_secret: tls || config.is_socket(),
                };
                let mut session = postgres::Session::begin(stream, login).await?;
                session.read_only(config.deadline_ms).await?;
                Ok(Session::Postgres(session))
            }
            Kind::MySql => {
                let secrecy = if tls {
                    mysql::Secrecy::Tls(&config.host, &mut self.trust)
                } else if config.is_socket() {
                    mysql::Secrecy::Socket
                } else {
                    mysql::Secrecy::None
                };
                let login = mysql::Login {
                    user: &config.user,
                    database: &config.database,
                    password: password.unwrap_or_default(),
                };
                let mut session = mysql::Session::begin(stream, secrecy, login).await?;
                session.read_only(config.deadline_ms).await?;
                Ok(Session::MySql(session))
            }
        }
    }
}

async fn connect(config: &Database) -> Result<Stream, String> {
    if !config.is_socket() {
        return Ok(Box::new(tcp(&config.host, config.port()).await?));
    }
    let path = match config.kind {
        Kind::PostgreSql => Path::new(&config.host).join(format!(".s.PGSQL.{}", config.port())),
        Kind::MySql => Path::new(&config.host).to_owned(),
    };
    Ok(Box::new(unix(&path).await?))
}

impl Session {
    /// Rows of one statement; `limit` is what the statement itself asks for.
    pub(super) async fn query(&mut self, sql: &str, limit: u32) -> Result<Page, SqlError> {
        match self {
            Self::Postgres(session) => session.query(sql, limit).await,
            Self::MySql(session) => session.query(sql).await,
        }
    }

    /// What the role may write, if anything.
    pub(super) async fn writes_to(&mut self) -> Result<Option<String>, SqlError> {
        match self {
            Self::Postgres(session) => session.writes_to().await,
            Self::MySql(session) => session.writes_to().await,
        }
    }

    /// What stands around names.
    pub(super) const fn quote(&self) -> char {
        match self {
            Self::Postgres(_) => '"',
            Self::MySql(_) => '`',
        }
    }
}

/// What the fuzzer calls.
#[cfg(any(feature = "fuzzing", test))]
pub(super) mod fuzzing {
    use super::*;

    /// Any bytes as what a server says to a login and a query, on a connection that ends with them.
    pub(in super::super) fn answer(data: &[u8]) {
        let config = Database {
            kind: match data.first() {
                Some(byte) if byte % 2 == 0 => Kind::MySql,
                _ => Kind::PostgreSql,
            },
            host: "/fuzz".to_owned(),
            user: "fuzz".to_owned(),
            ..Database::template()
        };
        let data = std::io::Cursor::new(data.get(1..).unwrap_or_default().to_vec());
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("a runtime without I/O");
        runtime.block_on(async {
            let stream: Stream = Box::new(tokio::io::join(data, tokio::io::sink()));
            let mut door = Door::new(&config);
            if let Ok(mut session) = door.log_in(stream, &config, false, Some("secret")).await
                && let Ok(page) = session.query("SELECT 1", 10).await
            {
                assert!(page.columns.len() <= super::super::wire::COLUMNS_MAX);
                for row in &page.rows {
                    assert_eq!(row.len(), page.columns.len());
                }
            }
        });
    }
}
