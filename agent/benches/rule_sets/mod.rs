//! Sets of rules to measure with: those of `deploy/rules`, filled up with others of the shapes that
//! public rules have.
#![allow(dead_code, reason = "each bench uses its own")]

pub(crate) mod cpu;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crmscope_agent::rules::{self, Class, Rules, Surroundings};

fn load(folders: &[PathBuf], class: Class, wanted: usize) -> Arc<Rules> {
    let surroundings = Surroundings {
        host: "web-1".to_owned(),
        products: vec!["nginx".to_owned(), "odoo".to_owned()],
        reads_access_logs: true,
        ..Surroundings::default()
    };
    let loaded = rules::load(folders, &surroundings).expect("the folders are readable");
    assert_eq!(loaded.faults, Vec::new());
    let set = loaded.set.as_ref().expect("there are rules");
    assert_eq!(set.len_of(class), wanted);
    Rules::fixed(loaded)
}

fn pack(folder: &str) -> (PathBuf, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy/rules")
        .join(folder);
    let rules = fs::read_dir(&path).expect("the pack is there").count();
    (path, rules)
}

/// Rules for access logs: on targets, on statuses, on the client's program, and with words anywhere.
pub(crate) fn web(count: usize) -> Arc<Rules> {
    let (own, rules) = pack("web");
    let agents = [
        "sqlmap",
        "nikto",
        "nuclei",
        "masscan",
        "zgrab",
        "gobuster",
        "wpscan",
        "dirbuster",
    ];
    let words = [
        "shell", "upload", "invoker", "struts", "console", "setup", "install", "debug", "backup",
    ];
    let mut text = String::new();
    for number in rules..count {
        let word = words[number % words.len()];
        let detection = match number % 6 {
            0 => format!(
                "  a:\n    cs-user-agent|contains: {}{}\n  condition: a",
                agents[number / 6 % agents.len()],
                if number > 47 { "2" } else { "" }
            ),
            1 => format!(
                "  a:\n    cs-uri-query|contains: ['{word}{number}=', 'cmd{number}=', 'file{number}=http']\n    cs-method: GET\n  condition: a"
            ),
            2 => format!(
                "  a:\n    cs-uri-stem|endswith: ['/{word}{number}.php', '/{word}{number}.jsp', '/{word}{number}.aspx']\n    sc-status: 200\n  condition: a"
            ),
            3 => format!(
                "  keywords:\n    - 'class.module{number}'\n    - '%{{({number}'\n    - 'cat /etc/{word}{number}'\n  filter:\n    sc-status: 404\n  condition: keywords and not filter"
            ),
            4 => format!(
                "  a:\n    cs-uri|contains: ['/{word}/..;/{number}', '/%c0{number}']\n  condition: a"
            ),
            _ => format!(
                "  a:\n    cs-uri-query|re: '(?i){word}{number}\\([0-9]+\\)'\n  condition: a"
            ),
        };
        let _ = write!(
            text,
            "title: w{number}\nid: w{number}\nlogsource:\n  category: webserver\ndetection:\n{detection}\n---\n"
        );
    }
    let folder = tempfile::tempdir().expect("a folder for rules");
    fs::write(folder.path().join("more.yml"), text).expect("the rules are written");
    load(&[own, folder.path().to_owned()], Class::Web, count)
}

/// Rules for sshd, sudo and the like: on fields, with words anywhere, and with expressions.
pub(crate) fn auth(count: usize) -> Arc<Rules> {
    let (own, _) = pack("auth");
    let rules = fs::read_dir(&own)
        .expect("the pack is there")
        .filter(|entry| {
            let path = entry.as_ref().expect("an entry").path();
            fs::read_to_string(path).is_ok_and(|text| !text.contains("service: auditd"))
        })
        .count();
    let mut text = String::new();
    for number in rules..count {
        let detection = match number % 4 {
            0 => format!(
                "  a:\n    kind: ssh_login\n    status: failure\n    user: [svc{number}, app{number}, db{number}]\n  condition: a"
            ),
            1 => format!(
                "  keywords:\n    - 'error {number} in libcrypto'\n    - 'Corrupted MAC {number}'\n    - 'buffer_get_ret {number}'\n  condition: keywords"
            ),
            2 => format!(
                "  a:\n    detail|contains: ['/tmp/{number}', '/dev/shm/{number}', 'nc -e{number}']\n  filter:\n    user: root\n  condition: a and not filter"
            ),
            _ => format!(
                "  a:\n    source_address|startswith: '10.{}.'\n    user|re: '^adm[0-9]{{2}}x{number}$'\n  condition: a",
                number % 250
            ),
        };
        let _ = write!(
            text,
            "title: a{number}\nid: a{number}\nlogsource:\n  product: linux\n  service: sshd\ndetection:\n{detection}\n---\n"
        );
    }
    let folder = tempfile::tempdir().expect("a folder for rules");
    fs::write(folder.path().join("more.yml"), text).expect("the rules are written");
    load(&[own, folder.path().to_owned()], Class::Auth, count)
}
