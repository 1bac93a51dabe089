//! What is wrong from outside gives a clear error or a counted drop, and stops nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use crmscope_tests::process::binary;
use crmscope_tests::{Stack, wait_for};

#[test]
fn unknown_configuration_keys_name_the_file_and_the_nearest_known_key() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text, nearest) in [
        (
            "crmscope-agent",
            "[intervals]\nbach_ms = 5\n",
            "intervals.batch_ms",
        ),
        (
            "crmscope-agent",
            "[sources.hots]\nenabled = true\n",
            "sources.host",
        ),
        (
            "crmscope-collector",
            "[clickhouse]\nulr = \"x\"\n",
            "clickhouse.url",
        ),
    ] {
        let path = directory.path().join("crmscope.toml");
        fs::write(&path, text).unwrap();
        let output = Command::new(binary(name))
            .arg("--config")
            .arg(&path)
            .arg("validate")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name}: {text}");
        assert!(said.contains("crmscope.toml"), "{said}");
        assert!(
            said.contains(&format!("did you mean `{nearest}`?")),
            "{said}"
        );
    }
    let output = Command::new(binary("crmscope-agent"))
        .env("CRMSCOPE_AGENT__COLLECTOR__ENDPONT", "x")
        .arg("validate")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("CRMSCOPE_AGENT__COLLECTOR__ENDPONT")
            && said.contains("CRMSCOPE_AGENT__COLLECTOR__ENDPOINT"),
        "{said}"
    );
}

#[test]
fn an_unreadable_log_a_bad_token_and_broken_lines_stop_nothing_else() {
    let stack = Stack::start();

    // A token the collector does not know.
    fs::write(stack.path("wrong"), "wrong-token").unwrap();
    let config = stack.agent_config("stranger", "");
    let text = fs::read_to_string(&config)
        .unwrap()
        .replace("/token\"", "/wrong\"");
    fs::write(&config, text).unwrap();
    let stranger = stack.start_configured_agent("stranger", &config);
    wait_for("the stranger to be told", || {
        let log = stranger.log();
        if log.contains("token") && log.contains("WARN") {
            Ok(())
        } else {
            Err(log)
        }
    });
    assert!(
        !stranger.log().contains("wrong-token"),
        "a token is never logged"
    );

    // One log nobody may read, one with lines that are no log lines.
    let secret = stack.path("secret.log");
    fs::write(&secret, "").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
    let broken = stack.path("broken.log");
    let good = "10.0.0.1 - - [DATE] \"GET /a HTTP/1.1\" 200 5 \"-\" \"-\"\n";
    let date = Command::new("date")
        .args(["-u", "+%d/%b/%Y:%H:%M:%S +0000"])
        .output()
        .unwrap();
    let good = good.replace("DATE", String::from_utf8(date.stdout).unwrap().trim());
    let mut bytes = Vec::new();
    for junk in [
        b"\xff\xfe\x00garbage\n".as_slice(),
        b"\n",
        b"[[[[\n",
        "x".repeat(200_000).as_bytes(),
        b"\n",
    ] {
        bytes.extend_from_slice(junk);
        bytes.extend_from_slice(if junk.ends_with(b"\n") {
            good.as_bytes()
        } else {
            b""
        });
    }
    fs::write(&broken, &bytes).unwrap();
    let goods = bytes
        .windows(good.len())
        .filter(|window| *window == good.as_bytes())
        .count() as u64;
    let sources = format!(
        "[sources.requests]\nfrom = \"start\"\nlogs = [\n  {{ path = {secret:?}, service = \"secret\" }},\n  {{ path = {broken:?}, service = \"broken\" }},\n]\n"
    );
    let mut agent = stack.start_agent("web-01", &sources);
    let stored = "SELECT toUInt64(sum(requests)) FROM requests_raw WHERE service = 'broken'";
    stack.wait_number(
        "the good lines between the broken ones",
        stored,
        |requests| requests == goods,
    );
    stack.wait_number(
        "the broken lines to be counted",
        "SELECT toUInt64(sum(unparsed) + sum(dropped)) FROM source_raw WHERE source = 'requests'",
        |unparsed| unparsed >= 3,
    );
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !root {
        wait_for("the unreadable log to be named", || {
            let log = agent.log();
            if log.contains("secret.log") {
                Ok(())
            } else {
                Err(log)
            }
        });
    }
    stack.wait_number(
        "host rows beside it",
        "SELECT count() FROM host_raw WHERE agent_id = 'web-01'",
        |rows| rows > 1,
    );
    assert_eq!(
        stack.number("SELECT count() FROM heartbeats WHERE agent_id = 'stranger'"),
        0
    );
    assert!(agent.terminate().success());
    let (_, metrics) = stack.get("/metrics").unwrap();
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
}

#[test]
fn a_port_in_use_is_named_with_the_key_that_changes_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("token"),
        "test-token-0123456789abcdef",
    )
    .unwrap();
    let config = directory.path().join("collector.toml");
    fs::write(
        &config,
        format!("[ingest]\nlisten = \"{address}\"\ntoken_file = {:?}\n[web]\nlisten = \"127.0.0.1:0\"\n", directory.path().join("token")),
    )
    .unwrap();
    let output = Command::new(binary("crmscope-collector"))
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains(&address) && said.contains("ingest.listen"),
        "{said}"
    );
}
