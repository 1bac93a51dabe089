//! The watch over hosts: each fault of real processes is one incident, told for what it is.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crmscope_tests::fleet::proxy::{Proxy, Weather};
use crmscope_tests::{Process, Stack, wait_for};

use super::collector;
use super::top::{is_left_as_it_was_found, wait_top};

/// What a webhook gets: the count of each kind and phase, in lines such as `1 host_silent firing`.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    /// A server of one request a connection; returns its port.
    fn listen(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let told = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = told.take(stream.unwrap());
            }
        });
        port
    }

    fn take(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: serde_json::Value = serde_json::from_slice(&body)?;
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let line = format!("{} {} {}", body["count"], text("kind"), text("phase"));
        self.0.lock().unwrap().push(line);
        let mut stream = reader.into_inner();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }

    fn sorted(&self) -> Vec<String> {
        let mut told = self.0.lock().unwrap().clone();
        told.sort();
        told
    }
}

/// Beats are a second apart; suspicion comes some 21 s after the last, and 5 s later certainty. A machine
/// that is busy with other tests keeps beats of all hosts back for over 10 s, which is an incident.
const PRESENCE: [(&str, &str); 5] = [
    ("PRESENCE__MIN_DEVIATION_MS", "100"),
    ("PRESENCE__FIRST_INTERVAL_MS", "1000"),
    ("PRESENCE__ACCEPTABLE_PAUSE_MS", "20000"),
    ("PRESENCE__CONFIRM_MS", "5000"),
    ("PRESENCE__STOPPED_AFTER_MS", "5000"),
];

fn run(stack: &Stack, arguments: &[&str]) -> (i32, String) {
    collector(&stack.path("collector.toml"), arguments)
}

/// `kind agent` of every incident, in order; those that are over end with `over`.
fn incidents(stack: &Stack) -> Vec<String> {
    let sql = "SELECT concat(kind, ' ', agent_id, if(ended_ms > 0, ' over', '')) FROM incidents FINAL \
               ORDER BY began_ms, agent_id";
    stack.query(sql).unwrap_or_default()
}

fn wait_incidents(stack: &Stack, want: &[&str]) {
    wait_for("the incidents", || {
        let told = incidents(stack);
        if told == want {
            Ok(())
        } else {
            Err(format!("{told:?} instead of {want:?}"))
        }
    });
}

fn state(stack: &Stack, agent: &str) -> String {
    let (code, said) = run(stack, &["hosts", "list", "--agent", agent]);
    assert!(code == 0 || said.contains("neither reported"), "{said}");
    let line = said.lines().nth(1).unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned()
}

fn wait_state(stack: &Stack, agent: &str, want: &str) {
    wait_for(&format!("{agent} to be {want}"), || {
        match state(stack, agent) {
            is if is == want => Ok(()),
            is => Err(is),
        }
    });
}

#[test]
fn each_fault_is_one_incident_and_is_told_for_what_it_is() {
    let told = Told::default();
    let hook = format!("http://127.0.0.1:{}/", told.listen());
    let alerts = [
        ("ALERTS__WEBHOOK__URL", hook.as_str()),
        ("ALERTS__GROUP_WAIT_MS", "100"),
    ];
    let mut stack = Stack::start_with(&[&PRESENCE[..], &alerts].concat());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let proxy = Proxy::start(&runtime, vec![stack.uplink_port]);
    let (direct, through) = (stack.uplink_port.to_string(), proxy.port().to_string());
    let start = |stack: &Stack, agent: &str| -> Process {
        let config = stack.agent_config(agent, "");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replace(&direct, &through)).unwrap();
        stack.start_configured_agent(agent, &config)
    };
    let names = ["crm-app-01", "crm-app-02", "crm-db-01"];
    let [first, second, third] = names;
    let mut agents = names.map(|name| start(&stack, name));
    for name in names {
        wait_state(&stack, name, "up");
    }

    wait_top(&stack, 0, &["good: All 3 hosts are up, no incident.\n"]);

    // One that is expected and never came is missing; one that was retired is not.
    let (code, said) = run(
        &stack,
        &[
            "hosts",
            "add",
            "crm-gone-01",
            "crm-new-01",
            "--role",
            "web",
            "--expected-since",
            "2d",
        ],
    );
    assert_eq!(code, 0, "{said}");
    let (code, said) = run(&stack, &["hosts", "retire", "crm-gone-01", "--at", "1d"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("crm-gone-01: retired at ") && said.contains(", role web"),
        "{said}"
    );
    let missing = "host_missing crm-new-01";
    wait_incidents(&stack, &[missing]);
    wait_state(&stack, "crm-gone-01", "retired");
    assert_eq!(state(&stack, "crm-new-01"), "missing");

    // A killed agent is silent until it is back; one that was stopped said so.
    agents[0].kill();
    let silent = format!("host_silent {first}");
    wait_incidents(&stack, &[missing, &silent]);
    assert_eq!(state(&stack, first), "down");
    let down = format!("bad: 2 of 4 hosts in trouble: {first} is down since ");
    let never = "crm-new-01 was never seen, expected since ";
    wait_top(
        &stack,
        1,
        &[&down, never, "  next: see whether the host runs"],
    );
    is_left_as_it_was_found(&stack, first);
    agents[0] = start(&stack, first);
    let silent = format!("{silent} over");
    wait_incidents(&stack, &[missing, &silent]);
    wait_state(&stack, first, "up");
    assert!(agents[1].terminate().success());
    let stopped = format!("stopped {second}");
    wait_incidents(&stack, &[missing, &silent, &stopped]);
    assert_eq!(state(&stack, second), "unknown");
    agents[1] = start(&stack, second);
    let stopped = format!("{stopped} over");
    wait_incidents(&stack, &[missing, &silent, &stopped]);
    wait_state(&stack, second, "up");

    // All at once are one, and the watch goes on with it when its collector is another.
    proxy.set(Weather::Cut);
    wait_incidents(&stack, &[missing, &silent, &stopped, "many_silent "]);
    assert_eq!(state(&stack, third), "suspect");
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    stack.start_collector();
    stack.wait_ready();
    proxy.set(Weather::Fair);
    let all = [missing, &silent, &stopped, "many_silent  over"];
    wait_incidents(&stack, &all);
    for name in names {
        wait_state(&stack, name, "up");
    }
    assert_eq!(incidents(&stack), all);
    // Each was told once at its beginning and once at its end.
    let want = [
        "1 host_missing firing",
        "1 host_silent firing",
        "1 host_silent resolved",
        "1 many_silent firing",
        "1 many_silent resolved",
        "1 stopped firing",
        "1 stopped resolved",
    ];
    wait_for("everything to be told", || match told.sorted() {
        told if told == want => Ok(()),
        told => Err(format!("{told:?}")),
    });

    // What nobody watches is not known.
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    assert_eq!(state(&stack, third), "unknown");
    let (_, said) = run(&stack, &["top", "--once"]);
    let blind = ["Nobody watches over the hosts", "No collector has received"];
    assert!(blind.iter().any(|why| said.contains(why)), "{said}");
    for (arguments, told) in [
        (["hosts", "add", "a b"], "is no name of an agent"),
        (
            ["hosts", "retire", "nobody"],
            "neither reported nor was named",
        ),
        (
            ["hosts", "list", "--agent=nobody"],
            "neither reported nor was added",
        ),
    ] {
        let (code, said) = run(&stack, &arguments);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(told), "{said}");
    }
    let (code, said) = run(
        &stack,
        &["availability", "--agent", "crm-new-01", "--from", "3d"],
    );
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("crm-new-01") && said.contains("0.000 to 100.000 %"),
        "{said}"
    );
}
