//! Reading that goes on in the middle of a log with headers.

use super::*;

/// 25 Nov 2026, 09:35:36 UTC.
const AT_MS: i64 = 1_795_599_336_000;

fn w3c(folder: &TempDir, from: From) -> (RequestsSource, std::path::PathBuf) {
    let path = folder.path().join("u_ex.log");
    let config = Config {
        from,
        logs: vec![LogConfig::new(path.to_str().unwrap(), Format::Iis)],
        ..Config::default()
    };
    (RequestsSource::new(&config), path)
}

/// Requests and unparsed lines of one run.
fn run(source: &mut RequestsSource) -> (u64, u64, Vec<RequestRow>) {
    let statistics = SourceStatistics::default();
    let mut contents = Contents::default();
    let moment = Moment {
        wall_ms: AT_MS,
        monotonic: Instant::now(),
    };
    let mut rows = Rows::new(&mut contents, &statistics);
    source.collect(moment, &mut rows).unwrap();
    source.drain(moment, &mut rows);
    let unparsed = statistics.read()[SourceMetric::Unparsed as usize];
    (total(&contents.requests), unparsed, contents.requests)
}

/// Reading that goes on in mid-file knows the fields: from the start, or from a newer header far
/// behind it; what only looks like one inside of a line is none.
#[test]
fn a_restart_knows_the_header() {
    let with_status = "#Fields: date time cs-method cs-uri-stem sc-status\n";
    let swapped = "#Fields: date time sc-status cs-uri-stem cs-method\n";
    let (old, new) = (
        "2026-11-25 09:35:36 GET /old 200\n",
        "2026-11-25 09:35:36 500 /new POST\n",
    );
    let trap = format!(
        "2026-11-25 09:35:36 GET /{}#Fields: 200\n",
        "x".repeat(70_000)
    );
    let many = |line: &str, bytes: usize| line.repeat(bytes / line.len());
    for (name, before, line, class) in [
        ("at the start", with_status.to_owned(), old, 2),
        (
            "a long way back",
            format!("{with_status}{}", many(old, 3_000_000)),
            old,
            2,
        ),
        (
            "a newer one",
            format!(
                "{with_status}{}{swapped}{}",
                many(old, 3_000_000),
                many(new, 900_000)
            ),
            new,
            5,
        ),
        (
            "across the end of the first part",
            format!(
                "{with_status}{}{swapped}{}",
                many(old, 65_500),
                many(new, 1000)
            ),
            new,
            5,
        ),
        (
            "both near the start",
            format!("{with_status}{old}{swapped}{new}"),
            new,
            5,
        ),
        (
            "a line that is too long",
            format!("{with_status}{trap}{}", many(old, 500_000)),
            old,
            2,
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let (mut source, path) = w3c(&folder, From::End);
        std::fs::write(&path, before).unwrap();
        assert_eq!(run(&mut source).1, 0, "{name}");
        let checkpoint = source.checkpoint().unwrap();
        let (mut source, _) = w3c(&folder, From::End);
        source.restore(&checkpoint);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(line.repeat(3).as_bytes()).unwrap();
        let (requests, unparsed, rows) = run(&mut source);
        assert_eq!((requests, unparsed), (3, 0), "{name}");
        assert!(
            rows.iter().all(|row| row.status_class == class),
            "{name}: {rows:?}"
        );
    }
}
