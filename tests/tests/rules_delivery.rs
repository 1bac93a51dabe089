//! Rules on their way from a collector's directories to the events of real agents: new ones, broken ones,
//! those of some hosts alone, through restarts of either end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crmscope_tests::{Process, Stack, now_ms, wait_for};

/// Asks for failed logins of a user.
fn rule(id: &str, user: &str) -> String {
    format!(
        "title: {id}\nid: {id}\nlogsource:\n  product: linux\n  service: sshd\ndetection:\n  selection:\n    kind: ssh_login\n    user: {user}\n  condition: selection\nlevel: high\n"
    )
}

/// Refused for its line 9.
fn broken(id: &str) -> String {
    rule(id, "x").replace("    user: x", "    user|nonsense: x")
}

struct Scenario {
    stack: Stack,
    folder: tempfile::TempDir,
    logins: u32,
}

impl Scenario {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [all, mail] = ["all", "mail"].map(|name| folder.path().join(name));
        fs::create_dir(&all).unwrap();
        fs::create_dir(&mail).unwrap();
        let sections = format!(
            "[agent_rules]\ncheck_interval_ms = 500\n\
             [[agent_rules.sets]]\nname = \"all\"\ndirectory = {all:?}\n\
             [[agent_rules.sets]]\nname = \"mail\"\ndirectory = {mail:?}\nroles = [\"mail\"]\n"
        );
        Self {
            stack: Stack::start_configured(&[], &sections),
            folder,
            logins: 0,
        }
    }

    /// Puts a rule there as editors and package managers do: whole, or not at all.
    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn auth_log(&self, agent: &str) -> PathBuf {
        self.stack.path(&format!("{agent}.auth.log"))
    }

    fn agent(&self, agent: &str, rules: &str) -> Process {
        let auth = self.auth_log(agent);
        fs::write(&auth, "").unwrap();
        let sources = format!(
            "[rules]\ndirectories = []\n{rules}\
             [sources.requests]\nenabled = false\n\
             [sources.security]\njournal = false\nauth_logs = [{auth:?}]\nauth_log_zone = \"+00:00\"\n"
        );
        self.stack.start_agent(agent, &sources)
    }

    /// Somebody fails to log in on an agent's host; the port, by which the event is known.
    fn login(&mut self, agent: &str, user: &str) -> u32 {
        self.logins += 1;
        let port = 4000 + self.logins;
        let sql = format!(
            "SELECT formatDateTime(toDateTime({}, 'UTC'), '%FT%T', 'UTC')",
            now_ms() / 1000
        );
        // The engine knows the calendar; what is read while the collector is away has it from before.
        let time = self.stack.query::<String>(&sql).unwrap().remove(0);
        append(
            &self.auth_log(agent),
            &format!(
                "{time}.000000+00:00 {agent} sshd[42]: Failed password for {user} from 203.0.113.9 port {port} ssh2\n"
            ),
        );
        port
    }

    /// The rules that the event of a login names.
    fn named(&self, port: u32) -> Vec<String> {
        let sql = format!(
            "SELECT arrayJoin(rules) FROM security_events WHERE source_port = {port} ORDER BY 1"
        );
        let count = format!("SELECT count() FROM security_events WHERE source_port = {port}");
        self.stack
            .wait_number("the event of a login", &count, |count| count == 1);
        self.stack.query(&sql).unwrap()
    }

    /// What `rules agents --json` says of an agent, once it fits.
    fn wait(
        &self,
        what: &str,
        agent: &str,
        fits: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        wait_for(what, || {
            let (_, text) = self
                .stack
                .command(&["rules", "agents", "--json", "--agent", agent]);
            match serde_json::from_str(&text) {
                Ok(state) if fits(&state) => Ok(state),
                Ok(state) => Err(state.to_string()),
                Err(error) => Err(format!("{error}: {text}")),
            }
        })
    }

    fn code(&self, arguments: &[&str]) -> i32 {
        let (code, text) = self.stack.command(arguments);
        println!("{arguments:?}: {code}\n{text}");
        code
    }
}

fn append(path: &Path, line: &str) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

fn has(state: &serde_json::Value, name: &str, rules: u64, refused: u64) -> bool {
    state["state"] == name && state["rules"] == rules && state["refused"] == refused
}

#[test]
fn rules_reach_agents_hold_there_and_a_broken_one_is_refused() {
    let mut on = Scenario::start();
    on.write("mail/mail.yml", &rule("r-mail", "anna"));
    let enrolled = on.code(&["hosts", "add", "mail-1", "--role", "mail"]);
    assert_eq!(enrolled, 0);
    let mut web = on.agent("web-1", "");
    let _mail = on.agent("mail-1", "");
    let _own = on.agent("own-1", "from_collector = false\n");

    // Without a rule for everybody, only the host of the role has one.
    on.wait("no rule for web-1", "web-1", |of| has(of, "in_force", 0, 0));
    let mail = on.wait("a rule for mail-1", "mail-1", |of| {
        has(of, "in_force", 1, 0)
    });
    assert_eq!(mail["sets"], serde_json::json!(["all", "mail"]));
    on.wait("none for own-1", "own-1", |of| has(of, "takes_none", 0, 0));
    let port = on.login("mail-1", "anna");
    assert_eq!(on.named(port), ["r-mail"]);

    // A rule for everybody.
    on.write("all/ssh.yml", &rule("r-ssh", "root"));
    on.wait("a rule for web-1", "web-1", |of| has(of, "in_force", 1, 0));
    on.wait("two for mail-1", "mail-1", |of| has(of, "in_force", 2, 0));
    let ports = [on.login("web-1", "root"), on.login("web-1", "anna")];
    assert_eq!(on.named(ports[0]), ["r-ssh"]);
    assert!(on.named(ports[1]).is_empty(), "that rule is for mail hosts");
    assert_eq!(on.code(&["rules", "agents"]), 0);

    // A broken one beside a good one: refused with its place, and the other goes on.
    on.write("all/other.yml", &rule("r-other", "eve"));
    on.write("all/ssh.yml", &broken("r-ssh"));
    let web_1 = on.wait("a refused rule", "web-1", |of| has(of, "in_force", 1, 1));
    let refused = &web_1["refused_rules"][0];
    println!("{refused}");
    assert_eq!(
        (&refused["delivered"], &refused["file"], &refused["line"]),
        (
            &serde_json::json!(1),
            &serde_json::json!("all/ssh.yml"),
            &serde_json::json!(9)
        )
    );
    assert!(refused["reason"].as_str().unwrap().contains("nonsense"));
    let ports = [on.login("web-1", "eve"), on.login("web-1", "root")];
    assert_eq!(on.named(ports[0]), ["r-other"]);
    assert!(on.named(ports[1]).is_empty());
    let (code, table) = on.stack.command(&["rules", "agents"]);
    assert_eq!(code, 1, "{table}");
    assert!(
        table.contains("web-1: delivered all/ssh.yml:9: "),
        "{table}"
    );
    // The collector sees the same without any agent.
    let (code, check) = on.stack.command(&["rules", "check"]);
    assert_eq!(code, 1, "{check}");
    assert!(check.contains("delivered all/ssh.yml:9: "), "{check}");

    // Nothing of the set can be: the one before stays, and both versions show.
    on.write("all/other.yml", &broken("r-other"));
    let refused = on.wait("a refused set", "web-1", |of| has(of, "refused", 1, 2));
    assert_eq!(refused["version"], web_1["version"]);
    assert_eq!(refused["attempted_version"], refused["wanted_version"]);
    assert_ne!(refused["attempted_version"], refused["version"]);
    assert!(refused["behind_ms"].as_u64().unwrap() > 0);
    on.wait("the mail host's own rule alone", "mail-1", |of| {
        has(of, "in_force", 1, 2)
    });
    let sql = "SELECT count() FROM heartbeats WHERE agent_id = 'web-1' AND rules_version != rules_attempted_version";
    assert!(on.stack.number(sql) > 0);

    // The agent comes back while the collector is away.
    on.stack.collector.as_mut().unwrap().kill();
    assert!(web.terminate().success());
    let port = on.login("web-1", "eve");
    drop(web);
    let log = on.stack.path("web-1.log");
    fs::rename(&log, on.stack.path("web-1.before.log")).unwrap();
    let config = on.stack.path("web-1.toml");
    let web = on.stack.start_configured_agent("web-1", &config);
    wait_for("rules without a collector", || {
        let log = web.log();
        match log.contains("rules in force") && log.contains("no connection to the collector") {
            true => Ok(()),
            false => Err(log),
        }
    });
    on.stack.start_collector();
    on.stack.wait_ready();
    assert_eq!(
        on.named(port),
        ["r-other"],
        "as it was before it was broken"
    );
    on.wait("the refused set again", "web-1", |of| {
        has(of, "refused", 1, 2)
    });

    // All is mended, and a set is taken back.
    on.write("all/ssh.yml", &rule("r-ssh", "root"));
    on.write("all/other.yml", &rule("r-other", "eve"));
    fs::remove_file(on.folder.path().join("mail/mail.yml")).unwrap();
    on.wait("all for web-1", "web-1", |of| has(of, "in_force", 2, 0));
    on.wait("the same for mail-1", "mail-1", |of| {
        has(of, "in_force", 2, 0)
    });
    assert_eq!(on.code(&["rules", "agents", "--behind-for", "1s"]), 0);
    // A directory that is gone takes nothing away.
    let gone = on.folder.path().join("all");
    fs::rename(&gone, on.folder.path().join("elsewhere")).unwrap();
    wait_for("the complaint", || match on.stack.get("/metrics") {
        Ok((_, text)) if text.contains("delivery_sets_unreadable 1") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let port = on.login("web-1", "root");
    assert_eq!(on.named(port), ["r-ssh"]);

    // Another role, and other rules with it, while everything runs.
    fs::rename(on.folder.path().join("elsewhere"), gone).unwrap();
    on.write("mail/mail.yml", &rule("r-mail", "anna"));
    assert_eq!(on.code(&["hosts", "add", "web-1", "--role", "mail"]), 0);
    on.wait("the mail rule for web-1", "web-1", |of| {
        has(of, "in_force", 3, 0)
    });
    let port = on.login("web-1", "anna");
    assert_eq!(on.named(port), ["r-mail"]);

    // The whole is accounted for.
    wait_for("the whole account", || match on.stack.ledger(&[]) {
        (0, _) => Ok(()),
        (_, ledger) => Err(ledger),
    });
}
