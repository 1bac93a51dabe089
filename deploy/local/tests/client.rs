//! The `clickhouse` crate as a client: what the collector relies on.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use clickhouse::{Client, Compression, Row};
use serde::{Deserialize, Serialize};
use support::Server;

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Sample {
    host: String,
    ts: u32,
    value: f64,
    tags: Vec<(String, String)>,
    #[serde(with = "serde_bytes_as_string")]
    raw: Vec<u8>,
}

/// A `String` column holds bytes; the crate's own way is `serde_bytes`, this is the same in small.
mod serde_bytes_as_string {
    pub(crate) fn serialize<S: serde::Serializer>(
        data: &[u8],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(data)
    }

    pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("bytes")
            }
            fn visit_byte_buf<E>(self, data: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(data)
            }
            fn visit_bytes<E>(self, data: &[u8]) -> Result<Vec<u8>, E> {
                Ok(data.to_vec())
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

const TABLE: &str = "CREATE TABLE sample (host String, ts UInt32, value Float64, tags Map(String, String), raw String) ENGINE = MergeTree ORDER BY (host, ts)";

fn samples(count: u32) -> Vec<Sample> {
    (0..count)
        .map(|number| Sample {
            host: format!("host-{}", number % 7),
            ts: number,
            value: f64::from(number) / 3.0,
            tags: vec![("rack".to_owned(), "a'b\\\n\n".to_owned())],
            raw: vec![0, b'\n', b'\n', 0xff, u8::try_from(number % 256).unwrap()],
        })
        .collect()
}

async fn round_trip(client: &Client, rows: &[Sample]) {
    client
        .query("TRUNCATE TABLE sample")
        .execute()
        .await
        .unwrap();
    let mut insert = client.insert::<Sample>("sample").await.unwrap();
    for row in rows {
        insert.write(row).await.unwrap();
    }
    insert.end().await.unwrap();
    let read: Vec<Sample> = client
        .query("SELECT ?fields FROM sample ORDER BY ts")
        .fetch_all()
        .await
        .unwrap();
    assert_eq!(read, rows);
}

#[tokio::test]
async fn rows_come_back_as_they_went() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    server
        .client()
        .query("CREATE DATABASE crm")
        .execute()
        .await
        .unwrap();
    let client = server.client().with_database("crm");
    client.query(TABLE).execute().await.unwrap();
    let rows = samples(10_000);
    for compression in [Compression::None, Compression::Lz4] {
        for validation in [true, false] {
            let client = client
                .clone()
                .with_compression(compression)
                .with_validation(validation);
            round_trip(&client, &rows).await;
        }
    }

    // Server-side parameters travel as a form.
    let count: u64 = client
        .query("SELECT count() FROM sample WHERE host = {host:String} AND ts < {ts:UInt32}")
        .param("host", "host-1")
        .param("ts", 100)
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(count, 15);
    let text: String = client
        .query("SELECT {text:String}")
        .param("text", "it's\ta \\ \"test\"\r\n--;")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(text, "it's\ta \\ \"test\"\r\n--;");

    let mut formatted = client
        .insert_formatted_with("INSERT INTO sample (host, ts) FORMAT CSV")
        .buffered();
    formatted.write_buffered(b"\"late\",4000000000\n");
    formatted.end().await.unwrap();
    let host: String = client
        .query("SELECT host FROM sample WHERE ts = 4000000000")
        .fetch_one()
        .await
        .unwrap();
    assert_eq!(host, "late");

    let error = client
        .query("SELECT * FROM nope")
        .execute()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Code: 60. DB::Exception") && error.contains("UNKNOWN_TABLE"),
        "{error}"
    );
}

#[tokio::test]
async fn a_schema_that_differs_is_noticed() {
    #[derive(Row, Serialize)]
    #[allow(dead_code, reason = "only its shape is looked at")]
    struct Wrong {
        host: String,
        ts: String,
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let client = server.client();
    client.query(TABLE).execute().await.unwrap();
    let error = client
        .insert::<Wrong>("sample")
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("value: Float64"), "{error}");
    assert_eq!(server.sql("SELECT count() FROM sample"), "0\n");
}

#[tokio::test]
async fn an_error_on_the_way_reaches_the_client() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for compression in [Compression::None, Compression::Lz4] {
        let client = server.client().with_compression(compression);
        let mut cursor = client
            .query("SELECT number, throwIf(number = 3000000, 'it broke') FROM numbers(10000000) SETTINGS max_threads = 1")
            .fetch::<(u64, u8)>()
            .unwrap();
        let mut rows = 0;
        let error = loop {
            match cursor.next().await {
                Ok(Some(_)) => rows += 1,
                Ok(None) => panic!("the result looked whole after {rows} rows"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(
            rows > 100_000 && error.contains("it broke"),
            "{rows}: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inserts_and_queries_at_once_do_not_mix() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for database in ["a", "b"] {
        server.sql(&format!("CREATE DATABASE {database}"));
        server.sql(&format!(
            "CREATE TABLE {database}.t (n UInt64) ENGINE = MergeTree ORDER BY n"
        ));
    }
    let mut tasks = Vec::new();
    for task in 0..8_u64 {
        let client = server
            .client()
            .with_database(if task % 2 == 0 { "a" } else { "b" });
        tasks.push(tokio::spawn(async move {
            #[derive(Row, Serialize)]
            struct Number {
                n: u64,
            }
            for round in 0..10 {
                let mut insert = client.insert::<Number>("t").await.unwrap();
                for number in 0..100 {
                    insert
                        .write(&Number {
                            n: task * 10_000 + round * 100 + number,
                        })
                        .await
                        .unwrap();
                }
                insert.end().await.unwrap();
                let mine: u64 = client
                    .query("SELECT count() FROM t WHERE intDiv(n, 10000) = ?")
                    .bind(task)
                    .fetch_one()
                    .await
                    .unwrap();
                assert_eq!(mine, (round + 1) * 100);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for database in ["a", "b"] {
        assert_eq!(
            server.sql(&format!("SELECT count(), uniqExact(n) FROM {database}.t")),
            "4000\t4000\n"
        );
    }
}
