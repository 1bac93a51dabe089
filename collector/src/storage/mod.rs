//! ClickHouse as the collector sees it: exact inserts, and the few questions a writer asks.
//!
//! Owns the connection, the settings of every insert, and the statements of the writer. Promises:
//! an insert that succeeded is committed; one that is repeated with its token counts once. Leaves
//! retries to the caller, and schema and page queries to [`crate::schema`].

mod config;
mod read;
pub mod retry;
mod tls;

use std::time::{Duration, Instant};

use clickhouse::query::Query;
use clickhouse::{Client, Compression};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;

pub(crate) use self::config::is_loopback;
pub use self::config::{CompressionName, Config, ConfigError, TlsConfig, password};
pub use self::read::{HighWater, JOURNAL_PARTITION_BLOCKS, JournalRow, JournalTable, Since};
use crate::error::{Code, Error};
use crate::schema::{Cluster, DATABASE, cluster};
use crate::writer::block::Insert;

/// A block stays one block: these are above any insert the writer makes, and stated because their
/// defaults differ between versions. A repetition that is cut otherwise would count twice.
const INSERT_SETTINGS: [(&str, &str); 9] = [
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("deduplicate_blocks_in_dependent_materialized_views", "1"),
    // A profile that ignored them would leave roll-ups short of what is acknowledged.
    ("materialized_views_ignore_errors", "0"),
    ("max_insert_block_size", "1048449"),
    ("min_insert_block_size_rows", "1048449"),
    ("min_insert_block_size_bytes", "268402944"),
    ("max_insert_threads", "1"),
    ("parallel_view_processing", "0"),
];

/// Pieces in which a body is handed to the connection.
const SEND_BYTES: usize = 1 << 20;

/// A connection pool to ClickHouse.
#[derive(Clone, Debug)]
pub struct Storage {
    client: Client,
    insert_timeout: Duration,
    query_timeout: Duration,
    replicas: Option<Replicas>,
    metrics: Metrics,
}

/// What is different where tables have replicas.
#[derive(Clone, Debug)]
struct Replicas {
    cluster: Cluster,
    insert_quorum: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Table {
    table: &'static str,
}

#[derive(Clone, Debug)]
struct Metrics {
    rows: Family<Table, Counter>,
    bytes: Family<Table, Counter>,
    failures: Family<Table, Counter>,
    seconds: Family<Table, Histogram, fn() -> Histogram>,
}

impl Metrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            rows: Family::default(),
            bytes: Family::default(),
            failures: Family::default(),
            seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.002, 2.0, 15))
            }),
        };
        registry.register(
            "storage_insert_rows",
            "Rows of inserts that were committed",
            metrics.rows.clone(),
        );
        registry.register(
            "storage_insert_bytes",
            "Bytes of inserts that were committed, uncompressed",
            metrics.bytes.clone(),
        );
        registry.register(
            "storage_insert_failures",
            "Inserts that failed or whose outcome is unknown; each is repeated",
            metrics.failures.clone(),
        );
        registry.register(
            "storage_insert_seconds",
            "Time of inserts that were committed",
            metrics.seconds.clone(),
        );
        metrics
    }
}

impl Storage {
    /// A pool by the config; connects only when used.
    ///
    /// # Errors
    /// When the password file or one of TLS cannot be read.
    pub fn new(config: &Config, registry: &mut Registry) -> Result<Self, ConfigError> {
        let client = match config.url.starts_with("https://") {
            true => tls::client(&config.tls)?,
            false => Client::default(),
        };
        let mut client = client
            .with_url(&config.url)
            .with_user(&config.user)
            .with_product_info("crmscope-collector", env!("CARGO_PKG_VERSION"))
            .with_compression(match config.compression {
                CompressionName::None => Compression::None,
                CompressionName::Lz4 => Compression::Lz4,
            });
        if let Some(password) = config.password()? {
            client = client.with_password(password);
        }
        Ok(Self {
            client,
            insert_timeout: Duration::from_millis(config.insert_timeout_ms),
            query_timeout: Duration::from_millis(config.query_timeout_ms),
            replicas: config.cluster()?.map(|cluster| Replicas {
                cluster,
                insert_quorum: config.insert_quorum.clone(),
            }),
            metrics: Metrics::register(registry),
        })
    }

    /// The same, as another user.
    #[must_use]
    pub fn as_user(&self, user: &str, password: Option<String>) -> Self {
        let mut client = self.client.clone().with_user(user);
        client = client.with_password(password.unwrap_or_default());
        Self {
            client,
            ..self.clone()
        }
    }

    /// The same, for reading only: the engine refuses everything else.
    #[must_use]
    pub fn reading(&self) -> Self {
        // Queries set some settings of their own, which is allowed with 2.
        Self {
            client: self.client.clone().with_setting("readonly", "2"),
            ..self.clone()
        }
    }

    /// The client, for migrations and page queries.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The cluster whose replicas hold the tables, where there is one.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.replicas.as_ref().map(|replicas| &replicas.cluster)
    }

    /// Waits until the replica that answers has every row of these tables that was ever committed, by
    /// whomever and on whichever replica. Without a cluster that is so.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or a row is on a replica that is away.
    pub(crate) async fn caught_up(&self, tables: &[&'static str]) -> Result<(), Error> {
        if self.replicas.is_none() {
            return Ok(());
        }
        for table in tables {
            let sql = cluster::catch_up(table);
            let done = self.client.query_raw(&sql).execute();
            self.within("waiting for what other replicas have", done)
                .await?;
        }
        Ok(())
    }

    /// How long a question may take.
    #[must_use]
    pub const fn query_timeout(&self) -> Duration {
        self.query_timeout
    }

    /// Sends one insert and waits for its commit.
    ///
    /// # Errors
    /// When it failed, or when its outcome is unknown; the same insert may always be sent again.
    pub async fn insert(&self, insert: &Insert) -> Result<(), Error> {
        let table = Table {
            table: insert.table,
        };
        let started = Instant::now();
        let outcome = self.send(insert).await;
        match outcome {
            Ok(()) => {
                let rows = insert.rows as u64;
                self.metrics.rows.get_or_create(&table).inc_by(rows);
                let bytes = insert.body.len() as u64;
                self.metrics.bytes.get_or_create(&table).inc_by(bytes);
                let seconds = started.elapsed().as_secs_f64();
                self.metrics.seconds.get_or_create(&table).observe(seconds);
                Ok(())
            }
            Err(error) => {
                self.metrics.failures.get_or_create(&table).inc();
                Err(Error::new(
                    Code::Unavailable,
                    format!("insert {} of {} rows: {error}", insert.token, insert.rows),
                ))
            }
        }
    }

    async fn send(&self, insert: &Insert) -> clickhouse::error::Result<()> {
        let mut request = self
            .client
            .insert_formatted_with(&insert.statement)
            .with_timeouts(Some(self.insert_timeout), Some(self.insert_timeout))
            .with_setting("insert_deduplication_token", &insert.token);
        for (name, value) in INSERT_SETTINGS {
            request = request.with_setting(name, value);
        }
        if let Some(replicas) = &self.replicas {
            // Acknowledged is what so many have; several writers may wait for that at once. Less time than
            // the request has, so that ClickHouse can say what is missing.
            let timeout_ms = self.insert_timeout.as_millis() * 9 / 10;
            request = request
                .with_setting("insert_quorum", &replicas.insert_quorum)
                .with_setting("insert_quorum_parallel", "1")
                .with_setting("insert_quorum_timeout", timeout_ms.to_string());
        }
        let mut body = insert.body.clone();
        while !body.is_empty() {
            let piece = body.split_to(SEND_BYTES.min(body.len()));
            request.send(piece).await?;
        }
        request.end().await
    }

    /// The answer to one of the schema's queries. JSON, so that a column may be of any number type.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or with rows of another shape.
    pub async fn rows<T: DeserializeOwned>(
        &self,
        what: &'static str,
        sql: &str,
        bind: impl FnOnce(Query) -> Query,
    ) -> Result<Vec<T>, Error> {
        let question = async {
            let query = bind(self.client.clone().with_database(DATABASE).query_raw(sql))
                .with_setting("output_format_json_quote_64bit_integers", "0")
                .with_setting("output_format_json_quote_denormals", "0");
            query.fetch_bytes("JSONEachRow")?.collect().await
        };
        let bytes = self.within(what, question).await?;
        serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|error| Error::new(Code::Internal, format!("ClickHouse: {what}: {error}")))
    }

    async fn within<T>(
        &self,
        what: &'static str,
        question: impl Future<Output = clickhouse::error::Result<T>>,
    ) -> Result<T, Error> {
        let error = match tokio::time::timeout(self.query_timeout, question).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", self.query_timeout.as_millis()),
        };
        Err(Error::new(
            Code::Unavailable,
            format!("ClickHouse: {what}: {error}"),
        ))
    }
}
