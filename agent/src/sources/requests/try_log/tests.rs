//! Logs tried from files.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::sources::requests::Config;
use crate::sources::tail::LINE_MAX_BYTES;

const HEAD: &str = r#"1.2.3.4 - - [25/Nov/2026:09:35:36 +0000] "GET /account/42 HTTP/1.1" 200 6"#;

struct Bench {
    folder: TempDir,
    options: Options,
}

impl Bench {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        Self {
            folder,
            options: Options {
                file,
                format: None,
                pattern: None,
                max_lines: None,
                show_lines: false,
            },
        }
    }

    fn run(&self) -> Outcome {
        run(&self.options).unwrap()
    }

    /// The configuration the report ends with, as the agent would read it.
    fn config(&self, text: &str) -> Config {
        let toml = &text[text.find("[[sources").unwrap()..];
        let toml = toml.split("\n\n").next().unwrap();
        let value: toml::Value = toml::from_str(toml).unwrap();
        let config: Config = value["sources"]["requests"].clone().try_into().unwrap();
        config.validate().unwrap();
        config
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn formats_are_guessed_and_the_configuration_follows_the_log() {
    let odoo = "2026-11-25 09:35:36,123 4711 INFO db werkzeug: 1.2.3.4 - - [25/Nov/2026 09:35:36] \"GET /web HTTP/1.1\" 200 - 1 0.010 0.020\nTraceback\n";
    for (name, lines, format) in [
        ("a.log", format!("{HEAD} \"-\" \"curl\"\n"), Format::Nginx),
        (
            "a.log",
            format!("{HEAD} \"-\" \"curl\" 0.120 0.100\n"),
            Format::Nginx,
        ),
        (
            "a.log",
            format!("{HEAD} \"-\" \"curl\" 385\n"),
            Format::Apache,
        ),
        (
            "a.log",
            format!("crm:80 {HEAD} \"-\" \"curl\"\n"),
            Format::Apache,
        ),
        ("a.log", odoo.to_owned(), Format::Odoo),
        ("a.log.1", format!("{HEAD}\n"), Format::Nginx),
    ] {
        let bench = Bench::new(name, lines.as_bytes());
        let outcome = bench.run();
        assert!(outcome.good, "{}", outcome.text);
        let config = bench.config(&outcome.text);
        assert_eq!(config.logs[0].format, format, "{}", outcome.text);
        let live = bench.folder.path().join("a.log");
        assert_eq!(config.logs[0].path, live.to_str().unwrap());
        let packed = Bench::new(&format!("{name}.gz"), &gzip(lines.as_bytes()));
        let again = packed.run();
        assert!(again.good);
        assert_eq!(packed.config(&again.text).logs[0].format, format);
    }
}

#[test]
fn the_report_says_what_was_read_and_what_not() {
    let mut lines = String::new();
    for number in 0..12_000 {
        lines += &HEAD.replace("/42", &format!("/{number}"));
        lines += " \"-\" \"curl\" 0.120 0.100\n";
    }
    lines += &HEAD.replace("200", "20");
    lines += "\n\x1b[2Jsecret\u{202e}\n";
    lines += &"x".repeat(LINE_MAX_BYTES + 1);
    lines += "\nhalf";
    let mut bench = Bench::new("a.log", lines.as_bytes());
    let outcome = bench.run();
    assert!(!outcome.good);
    let text = &outcome.text;
    for said in [
        "understood: 12000 of 12003 lines (12000 requests, 0 other lines)",
        "the last line has no end yet",
        "latency: in 12000 lines",
        "upstream latency: in 12000 lines",
        "2026-11-25 09:35:36",
        "GET /account/{id}",
        "no status of three digits behind the request: 1 line (number 12001)",
        "no quoted request: 1 line (number 12002)",
        "longer than the agent takes: 1 line (number 12003)",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    assert!(!text.contains("secret"));
    bench.options.show_lines = true;
    let shown = bench.run().text;
    assert!(
        shown.contains(r"12002: \x1B[2Jsecret\xE2\x80\xAE"),
        "{shown}"
    );
    assert!(!shown.contains('\x1b'));
    bench.options.max_lines = Some(7);
    let few = bench.run();
    assert!(few.good);
    assert!(few.text.contains("understood: 7 of 7 lines"));
    bench.options.max_lines = Some(11_000);
    assert!(
        bench
            .run()
            .text
            .contains("understood: 11000 of 11000 lines")
    );
}

#[test]
fn the_configuration_leads_to_a_file_whose_name_has_characters_of_patterns() {
    for name in ["a[b.log", "a[1-2]*?.log", "a].log"] {
        let bench = Bench::new(name, format!("{HEAD}\n").as_bytes());
        let config = bench.config(&bench.run().text);
        let pattern = glob::Pattern::new(&config.logs[0].path).unwrap();
        assert!(pattern.matches_path(&bench.folder.path().join(name)));
        assert!(!pattern.matches_path(&bench.folder.path().join("a1xy.log")));
    }
}

#[test]
fn a_pattern_is_tried_and_given_back_as_toml() {
    for (pattern, line) in [
        (
            r#"$time_iso8601 "$request" $status"#,
            "2026-11-25T09:35:36+00:00 \"GET / HTTP/1.1\" 200\n",
        ),
        (
            r#"%t \"%r\" %>s it's"#,
            "[25/Nov/2026:09:35:36 +0000] \"GET / HTTP/1.1\" 200 it's\n",
        ),
        (
            "%t\t%r\t%>s",
            "[25/Nov/2026:09:35:36 +0000]\tGET / HTTP/1.1\t200\n",
        ),
    ] {
        let mut bench = Bench::new("a.log", line.as_bytes());
        bench.options.pattern = Some(pattern.to_owned());
        let outcome = bench.run();
        assert!(outcome.good, "{}", outcome.text);
        let config = bench.config(&outcome.text);
        assert_eq!(config.logs[0].pattern.as_deref(), Some(pattern));
    }
}

#[test]
fn what_cannot_be_tried_says_why() {
    let mut bench = Bench::new("a.log", b"root:x:0:0\n");
    let outcome = bench.run();
    assert!(!outcome.good);
    assert!(
        outcome
            .text
            .contains("no format reads a request in the first 1 line;")
    );
    assert!(outcome.text.contains("nginx    no quoted request"));
    for (format, pattern, said) in [
        (Some(Format::Custom), None, "needs --pattern"),
        (Some(Format::Nginx), Some("%t"), "takes no --pattern"),
        (None, Some("%t"), "no status"),
    ] {
        bench.options.format = format;
        bench.options.pattern = pattern.map(str::to_owned);
        let error = run(&bench.options).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    for (name, said) in [("nothing", "No such file"), (".", "directory")] {
        let mut options = Bench::new("a.log", b"").options;
        options.file = bench.folder.path().join(name);
        let error = run(&options).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let broken = Bench::new("a.gz", &gzip(HEAD.as_bytes())[..20]);
    assert!(run(&broken.options).is_err(), "a gzip file that is cut");
    assert!(!Bench::new("a.log", b"").run().good);
}
