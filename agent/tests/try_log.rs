//! `crmscope-agent try-log` as people call it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

const LINE: &str = "1.2.3.4 - - [25/Nov/2026:09:35:36 +0000] \"GET /a HTTP/1.1\" 200 6\n";

fn try_log(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_crmscope-agent"))
        .arg("try-log")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that is wrong is refused before it reads.
    let _ = child
        .stdin
        .take()
        .expect("it is piped")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("the command ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("reports are UTF-8")
}

#[test]
fn the_exit_status_says_whether_everything_was_understood() {
    for (arguments, input, status) in [
        (["-"].as_slice(), LINE.to_owned(), 0),
        (&["-", "--format", "apache"], LINE.to_owned(), 0),
        (&["-"], format!("{LINE}what\n"), 1),
        (&["-", "--lines", "1"], format!("{LINE}what\n"), 0),
        (&["-", "--format", "odoo"], LINE.to_owned(), 1),
        (&["-"], String::new(), 1),
        (&["/nowhere/access.log"], String::new(), 1),
        (&["-", "--pattern", "%t"], String::new(), 1),
    ] {
        let output = try_log(arguments, &input);
        assert_eq!(
            output.status.code(),
            Some(status),
            "{arguments:?}: {output:?}"
        );
        let said = text(&output.stdout).len() + text(&output.stderr).len();
        assert!(said > 0, "{arguments:?}");
    }
}

#[test]
fn the_help_lists_formats_and_exit_status() {
    let help = text(&try_log(&["--help"], "").stdout);
    for said in [
        "apache:",
        "auto:",
        "custom:",
        "nginx:",
        "odoo:",
        "Exit status",
    ] {
        assert!(help.contains(said), "{said}\n{help}");
    }
    let wrong = try_log(&["-", "--format", "ngnix"], "");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("nginx"));
}
