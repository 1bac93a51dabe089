//! The API against its own document: schemathesis makes questions of what the document says, and of
//! what it does not allow, and looks whether the answers are what is promised.

use std::path::Path;
use std::process::Command;

use crmscope_proto::Lane;

use crate::common::agent::connect;
use crate::common::rows::{batch, contents};
use crate::common::{Collector, Engine};

const TOKEN: &str = "operator-token-0001";
/// Pinned, with the contents of every package.
const REQUIREMENTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/openapi/requirements.txt"
);
/// Questions of each path and kind: some sixty paths in about a minute.
const EXAMPLES: &str = "6";
/// What it looks at. A range that ends before it begins is of the document and refused, so what is
/// valid need not be answered; and who need not sign in is another test's.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance,negative_data_rejection,\
    missing_required_header,unsupported_method";

/// The program, installed once beside what cargo builds; `None` where it cannot be had.
fn schemathesis() -> Option<Command> {
    let target = Path::new(env!("CARGO_BIN_EXE_crmscope-collector"));
    let home = target.ancestors().nth(2)?.join("neighbours/schemathesis");
    let done = home.join("requirements.txt");
    let wanted = std::fs::read(REQUIREMENTS).unwrap();
    if std::fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return Some(program(&home));
    }
    let _ = std::fs::remove_dir_all(&home);
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--requirement",
        REQUIREMENTS,
        "--target",
    ];
    let output = Command::new("python3").args(pip).arg(&home).output();
    let output = output.ok()?;
    if !output.status.success() {
        println!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    std::fs::write(done, wanted).unwrap();
    Some(program(&home))
}

fn program(home: &Path) -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", home);
    python.args([
        "-c",
        "from schemathesis.cli import schemathesis; schemathesis()",
    ]);
    python
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_what_the_document_promises() {
    let Some(mut run) = schemathesis() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "schemathesis cannot be installed from {REQUIREMENTS}"
        );
        println!("skipped: schemathesis cannot be installed from {REQUIREMENTS}");
        return;
    };
    let engine = Engine::start();
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, TOKEN).unwrap();
    // A busy machine is no finding, so there is time.
    let config = format!(
        "writer.flush_interval_ms = 50\nweb.api.query_seconds_max = 100\nclickhouse.query_timeout_ms = 100000\n[[web.tokens]]\nname = \"ann\"\nrole = \"operator\"\ntoken_file = {token_file:?}\n"
    );
    let collector = Collector::start_with(&engine, &config);
    collector.ready().await;
    let mut agent = connect(collector.ingest, "crm-web-01").await.unwrap();
    for lane in [
        Lane::Metrics,
        Lane::Requests,
        Lane::Security,
        Lane::Presence,
    ] {
        let sent = batch("crm-web-01", lane, 1, &contents(lane, 1, 2));
        agent.send(&sent).await.unwrap();
        agent.acked(lane, 1).await.unwrap();
    }
    let url = format!("http://{}/api/v1/openapi.json", collector.web);
    let seed = std::env::var("CRMSCOPE_SEED").unwrap_or_else(|_| "1".to_owned());
    println!("CRMSCOPE_SEED={seed}");
    run.current_dir(directory.path());
    run.args(["run", &url, "--header"]);
    run.arg(format!("Authorization: Bearer {TOKEN}"));
    run.args(["--checks", CHECKS, "--max-examples", EXAMPLES]);
    run.args(["--phases", "examples,coverage,fuzzing", "--seed", &seed]);
    run.args(["--request-timeout", "120", "--no-color"]);
    // A wrong token counts against the address, and then nobody there is listened to for a while.
    run.args(["--exclude-operation-id", "session_begin"]);
    let output = tokio::task::spawn_blocking(move || run.output());
    let output = output.await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{told}");
    println!("{text}");
}
