//! Settings on their way from a collector's files into force on real agents: good ones, ones with a mistake,
//! those of some hosts alone, ones under which something fails, through restarts of either end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crmscope_tests::{Process, Stack, wait_for};
use serde_json::Value;

/// Knows every unit but one.
const SYSTEMCTL: &str = "#!/bin/sh
while [ \"$1\" != -- ]; do shift; done
shift
for unit; do
  case $unit in bad.*) echo \"no such unit\" >&2; exit 1;; esac
  printf 'Id=%s\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\n\\n' \"$unit\"
done
";

struct Scenario {
    stack: Stack,
    folder: tempfile::TempDir,
}

impl Scenario {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [all, mail] = ["all", "mail"].map(|name| folder.path().join(format!("{name}.toml")));
        for file in [&all, &mail] {
            fs::write(file, "").unwrap();
        }
        let program = folder.path().join("systemctl");
        fs::write(&program, SYSTEMCTL).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let sections = format!(
            "[agent_settings]\ncheck_interval_ms = 500\n\
             [[agent_settings.sets]]\nname = \"all\"\nfile = {all:?}\n\
             [[agent_settings.sets]]\nname = \"mail\"\nfile = {mail:?}\nroles = [\"mail\"]\n"
        );
        Self {
            stack: Stack::start_configured(&[], &sections),
            folder,
        }
    }

    /// Puts a file there as editors do: whole, or not at all.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &path).unwrap();
        path
    }

    fn agent(&self, agent: &str, settings: &str) -> Process {
        let folder = self.folder.path();
        let program = folder.join("systemctl");
        let sections = format!(
            "[settings]\n{settings}\n\
             [sources.requests]\nenabled = false\n[sources.security]\nenabled = false\n\
             [sources.units]\nprogram = {program:?}\nsystemd_path = {folder:?}\ninterval_ms = 5000\nwatch = [\"own.service\"]\n"
        );
        self.stack.start_agent(agent, &sections)
    }

    /// Starts an agent again; what it logs begins anew.
    fn again(&self, agent: &str) -> Process {
        let log = self.stack.path(&format!("{agent}.log"));
        fs::rename(&log, self.stack.path(&format!("{agent}.before.log"))).unwrap();
        let config = self.stack.path(&format!("{agent}.toml"));
        self.stack.start_configured_agent(agent, &config)
    }

    /// What `settings agents --json` says of an agent, once it fits.
    fn wait(&self, what: &str, agent: &str, fits: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || {
            let (_, text) = self
                .stack
                .command(&["settings", "agents", "--json", "--agent", agent]);
            match serde_json::from_str(&text) {
                Ok(state) if fits(&state) => Ok(state),
                Ok(state) => Err(state.to_string()),
                Err(error) => Err(format!("{error}: {text}")),
            }
        })
    }

    fn command(&self, arguments: &[&str]) -> (i32, String) {
        let (code, text) = self.stack.command(arguments);
        println!("{arguments:?}: {code}\n{text}");
        (code, text)
    }

    fn has_unit(&self, agent: &str, unit: &str) {
        let sql =
            format!("SELECT count() FROM unit_raw WHERE agent_id = '{agent}' AND unit = '{unit}'");
        self.stack.wait_number(unit, &sql, |count| count > 0);
    }
}

fn is(state: &Value, name: &str) -> bool {
    state["state"] == name
}

/// In force and through its probation, with sets.
fn has(state: &Value, sets: &[&str]) -> bool {
    is(state, "in_force") && state["sets"] == serde_json::json!(sets) && state["why"] == ""
}

fn why(state: &Value) -> &str {
    state["why"].as_str().unwrap()
}

#[test]
fn settings_reach_agents_hold_there_and_bad_ones_are_taken_back() {
    let mut on = Scenario::start();
    let (code, _) = on.command(&["hosts", "add", "mail-1", "--role", "mail"]);
    assert_eq!(code, 0);
    let mut web = on.agent("web-1", "probation_ms = 3000");
    let _mail = on.agent("mail-1", "probation_ms = 3000");
    let mut slow = on.agent("slow-1", "probation_ms = 600000");
    let _own = on.agent("own-1", "from_collector = false");
    on.wait("nothing for web-1", "web-1", |of| has(of, &["all"]));
    on.wait("none for own-1", "own-1", |of| is(of, "takes_none"));
    on.wait("two sets of mail-1", "mail-1", |of| {
        has(of, &["all", "mail"])
    });

    // Good ones: in force, and shown.
    on.write(
        "all.toml",
        "[intervals]\nheartbeat_ms = 500\n[sources.units]\nwatch = [\"more.service\"]\n",
    );
    let good = on.wait("settings of web-1", "web-1", |of| {
        has(of, &["all"]) && of["effective_version"] != ""
    });
    assert_eq!(good["effective_version"], good["wanted_version"]);
    assert_eq!(good["attempted_version"], good["wanted_version"]);
    on.has_unit("web-1", "own.service");
    on.has_unit("web-1", "more.service");
    let shown = on
        .stack
        .query::<String>("SELECT lower(leftPad(hex(argMax(config_version, ts)), 16, '0')) FROM heartbeats WHERE agent_id = 'web-1'")
        .unwrap();
    assert_eq!(Value::from(shown[0].clone()), good["effective_version"]);
    let probation = on.wait("a probation", "slow-1", |of| is(of, "probation"));
    assert_eq!(probation["effective_version"], good["effective_version"]);

    // Killed on probation: the next start has what was before, and says why.
    slow.kill();
    drop(slow);
    let mut slow = on.again("slow-1");
    let rolled_back = on.wait("a roll-back", "slow-1", |of| is(of, "rolled_back"));
    assert_eq!(rolled_back["effective_version"], "");
    assert_eq!(rolled_back["attempted_version"], good["wanted_version"]);
    assert!(why(&rolled_back).contains("ended without being stopped"));
    let sql = "SELECT count() FROM heartbeats WHERE agent_id = 'slow-1' AND settings_version != settings_attempted_version AND settings_rolled_back AND settings_error LIKE '%without being stopped%'";
    assert!(on.stack.number(sql) > 0);
    let (code, table) = on.command(&["settings", "agents"]);
    assert_eq!(code, 1, "{table}");
    assert!(table.contains("slow-1: rolled_back "), "{table}");
    // It is not tried a second time, through another start.
    assert!(slow.terminate().success());
    drop(slow);
    let _slow = on.again("slow-1");
    on.wait("no second attempt", "slow-1", |of| {
        is(of, "rolled_back") && of["effective_version"] == ""
    });

    // A mistake in the file: refused with file and line, and nothing changes.
    let file = on.write("all.toml", "[intervals]\nbatch_ms = 5\n");
    let place = format!("{}:2: intervals.batch_ms is 5", file.display());
    let (code, check) = on.command(&["settings", "check"]);
    assert_eq!(code, 1);
    assert!(check.contains(&place), "{check}");
    wait_for("the complaint", || {
        let log = on.stack.collector.as_ref().unwrap().log();
        match (log.contains(&place), on.stack.get("/metrics")) {
            (true, Ok((_, text))) if text.contains("delivery_settings_refused 1") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let same = on.wait("the same for web-1", "web-1", |of| has(of, &["all"]));
    assert_eq!(same["effective_version"], good["effective_version"]);
    on.write(
        "all.toml",
        "[intervals]\nheartbeat_ms = 500\n[sources.units]\nwatch = [\"more.service\"]\n",
    );

    // Of a role alone, and over those for everybody.
    on.write("mail.toml", "[sources.units]\nwatch = [\"mail.service\"]\n");
    let mail = on.wait("more for mail-1", "mail-1", |of| {
        has(of, &["all", "mail"]) && of["effective_version"] != good["effective_version"]
    });
    on.has_unit("mail-1", "mail.service");
    on.has_unit("mail-1", "more.service");

    // A source that worked fails: taken back.
    on.write("mail.toml", "[sources.units]\nwatch = [\"bad.service\"]\n");
    let bad = on.wait("a failing source", "mail-1", |of| is(of, "rolled_back"));
    assert!(why(&bad).contains("source units worked before"), "{bad}");
    assert_eq!(bad["effective_version"], mail["effective_version"]);
    assert_eq!(bad["attempted_version"], bad["wanted_version"]);
    // What cannot be beside the host's own file: refused with the key.
    on.write("mail.toml", "[sources.host]\ninterval_ms = 60000\n");
    let refused = on.wait("a refusal", "mail-1", |of| is(of, "refused"));
    assert!(why(&refused).starts_with("sources.host.rare_interval_ms is 10000"));
    assert_eq!(refused["effective_version"], mail["effective_version"]);
    // The one before needs no probation.
    on.write("mail.toml", "[sources.units]\nwatch = [\"mail.service\"]\n");
    on.wait("those before", "mail-1", |of| {
        has(of, &["all", "mail"]) && of["effective_version"] == mail["effective_version"]
    });
    let (_, unharmed) = on.command(&["settings", "agents", "--agent", "web-1"]);
    assert!(unharmed.contains("in_force"), "{unharmed}");

    // The agent comes back while the collector is away.
    on.stack.collector.as_mut().unwrap().kill();
    assert!(web.terminate().success());
    drop(web);
    let web = on.again("web-1");
    wait_for("settings without a collector", || {
        let log = web.log();
        let in_force = log.contains("settings of the collector are in force");
        match in_force && log.contains("no connection to the collector") {
            true => Ok(()),
            false => Err(log),
        }
    });
    on.stack.start_collector();
    on.stack.wait_ready();
    let sql = "SELECT count() FROM (SELECT argMin(settings_version, ts) AS first FROM heartbeats WHERE agent_id = 'web-1' GROUP BY start_id ORDER BY min(ts) DESC LIMIT 1) WHERE first != 0";
    on.stack
        .wait_number("beats with them from the first on", sql, |count| count == 1);
    on.wait("the same after it", "web-1", |of| {
        has(of, &["all"]) && of["effective_version"] == good["effective_version"]
    });

    // Taken back by an empty file, at once.
    on.write("all.toml", "");
    on.wait("its own again", "web-1", |of| {
        has(of, &["all"]) && of["effective_version"] == ""
    });

    // The whole is accounted for.
    wait_for("the whole account", || match on.stack.ledger(&[]) {
        (0, _) => Ok(()),
        (_, ledger) => Err(ledger),
    });
}
