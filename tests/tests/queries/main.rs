//! Every documented query, every chart, and all that Grafana asks runs on the real engine, on rows
//! that came through the real path, and says what the rows say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

mod charts;
mod grafana;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crmscope_tests::{Stack, http, now_ms};

/// Queries whose answer is right when it is empty.
const EMPTY_WHEN_WHOLE: [&str; 31] = [
    "availability_by_day",
    "baseline_activity",
    "baseline_evidence",
    "baseline_logins",
    "baseline_told",
    "correlation_events",
    "correlation_figures",
    "correlation_keys",
    "correlation_keys_since",
    "findings",
    "findings_by_host",
    "findings_by_network",
    "findings_by_rule",
    "findings_by_user",
    "findings_of_keys",
    "incidents",
    "ledger_drops",
    "ledger_gaps",
    "maintenance_audit",
    "maintenance_windows",
    "notifications",
    "presence_hours",
    "presence_judged",
    "presence_last",
    "rule_targets",
    "rules_refused",
    "service_availability_by_day",
    "service_failed_targets",
    "service_hours",
    "settings_targets",
    "shedding",
];

/// Values for the parameters that a query names.
fn parameters(sql: &str) -> String {
    let second = now_ms() / 1000;
    let mut path = String::new();
    let mut seen = Vec::new();
    for part in sql.split('{').skip(1) {
        let Some((name, kind)) = part
            .split_once('}')
            .and_then(|(inner, _)| inner.split_once(':'))
        else {
            continue;
        };
        if seen.contains(&name)
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            continue;
        }
        seen.push(name);
        let value = match (name, kind) {
            ("from", _) => (second - 7200).to_string(),
            ("to", _) => (second + 7200).to_string(),
            ("latency_us", _) => "100000".to_owned(),
            ("after_ms", _) => "0".to_owned(),
            ("idle_from" | "idle_to", _) => "%5B%5D".to_owned(),
            ("agent", _) => "app-01".to_owned(),
            ("service", _) => "crm".to_owned(),
            ("seconds", _) => "7200".to_owned(),
            ("step_seconds" | "rounding", _) => "60".to_owned(),
            (_, "Int64") => "0".to_owned(),
            (_, "Array(String)") => "%5B%27x%27%5D".to_owned(),
            (_, "Array(Array(String))") => "%5B%5B%27user%27%5D%5D".to_owned(),
            (_, "Array(UInt64)" | "Array(Int64)") => "%5B1%5D".to_owned(),
            (_, kind) if kind.starts_with("UInt") => "50".to_owned(),
            (_, "String") => String::new(),
            (_, kind) if kind.starts_with("Float") => "0.95".to_owned(),
            (name, kind) => panic!("the test has no value for {{{name}:{kind}}}; add one"),
        };
        let _ = write!(path, "&param_{name}={value}");
    }
    path
}

/// Lines of the answer as tab-separated text.
fn run(stack: &Stack, name: &str, sql: &str) -> Vec<String> {
    let path = format!("/?database=crmscope{}", parameters(sql));
    let (status, body) = http(stack.clickhouse_port, "POST", &path, sql).unwrap();
    assert_eq!(status, 200, "{name}: {body}");
    body.lines().map(str::to_owned).collect()
}

/// Writes a file and the folders above it; a script can be run.
fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What not every machine has, made up for the sources that look for it: a container, a sensor,
/// systemd and chronyd; and probes of the stack itself. Returns the sources' settings.
fn made_up(stack: &Stack) -> String {
    let sys = stack.path("sys");
    let group = sys.join(format!(
        "fs/cgroup/system.slice/docker-{}.scope",
        "0123456789abcdef".repeat(4)
    ));
    write(&sys.join("fs/cgroup/cgroup.controllers"), "cpu memory\n");
    write(
        &group.join("cpu.stat"),
        "usage_usec 5\nuser_usec 3\nsystem_usec 2\n",
    );
    write(&group.join("memory.current"), "4096\n");
    write(&group.join("memory.max"), "8192\n");
    write(&sys.join("class/hwmon/hwmon0/name"), "coretemp\n");
    write(&sys.join("class/hwmon/hwmon0/temp1_input"), "45500\n");
    let systemctl = stack.path("systemctl");
    write(
        &systemctl,
        "#!/bin/sh\nprintf 'Id=crm.service\\nLoadState=loaded\\nActiveState=failed\\nSubState=failed\\nNRestarts=5\\n'\n",
    );
    let chronyc = stack.path("chronyc");
    write(
        &chronyc,
        "#!/bin/sh\necho 7F000001,127.0.0.1,2,1795602500.3,0.5,0,0,0,0,0,0.2,0.1,1.0,Normal\n",
    );
    let (page, uplink) = (stack.http_port, stack.uplink_port);
    // Other agents may run beside this one: it is known by its configuration.
    let own = stack.path("app-01.toml");
    format!(
        "[sources.transport]\ninterval_ms = 1000\n\
         [sources.processes]\ninterval_ms = 1000\nwatch = [{{ name = \"agent\", comm = \"crmscope-*\", command_line = {own:?} }}]\n\
         [sources.units]\ninterval_ms = 5000\nwatch = [\"crm.service\"]\nprogram = {systemctl:?}\nsystemd_path = {sys:?}\n\
         [sources.containers]\ninterval_ms = 1000\nsys_path = {sys:?}\n\
         [sources.sensors]\ninterval_ms = 1000\nsys_path = {sys:?}\n\
         [sources.clock]\ninterval_ms = 5000\nchronyc = {chronyc:?}\n\
         [sources.probes]\ninterval_ms = 1000\ndeadline_ms = 1000\ntargets = [\n\
           {{ name = \"page\", service = \"crm\", kind = \"http\", url = \"http://127.0.0.1:{page}/healthz\", expect_status = [418, \"5xx\"] }},\n\
           {{ name = \"uplink\", service = \"crm\", kind = \"tcp\", address = \"127.0.0.1:{uplink}\" }},\n]\n"
    )
}

fn date(format: &str) -> String {
    let output = Command::new("date").args(["-u", format]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn every_query_and_every_chart_answers_from_real_rows() {
    let stack = Stack::start();
    let access = stack.path("access.log");
    let mut lines = String::new();
    for number in 0..400u64 {
        // /slow takes 1200 ms, /broken fails every other time.
        let (path, status, latency) = match number % 4 {
            0 => ("/slow", 200, "1.200"),
            1 => ("/broken", if number % 8 == 1 { 500 } else { 200 }, "0.020"),
            _ => ("/fast", 200, "0.010"),
        };
        let time = date("+%d/%b/%Y:%H:%M:%S +0000");
        let _ = writeln!(
            lines,
            "192.0.2.1 - - [{time}] \"GET {path} HTTP/1.1\" {status} 100 \"-\" \"-\" {latency}"
        );
    }
    lines.push_str("not a request\n");
    fs::write(&access, lines).unwrap();
    let auth = stack.path("auth.log");
    fs::write(&auth, "").unwrap();
    let odoo = stack.path("odoo.log");
    fs::write(&odoo, "").unwrap();
    let sources = format!(
        "[sources.requests]\nfrom = \"start\"\nlogs = [{{ path = {access:?}, service = \"crm\" }}]\n\
         [sources.security]\njournal = false\nauth_logs = [{auth:?}]\n\
         logs = [{{ path = {odoo:?}, format = \"odoo\" }}]\n[sources.filesystem]\ninterval_ms = 1000\n{}",
        made_up(&stack)
    );
    let mut agent = stack.start_agent("app-01", &sources);
    stack.wait_number(
        "the first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );
    let mut failures = String::new();
    for port in 0..7 {
        let time = date("+%Y-%m-%dT%H:%M:%S.000000+00:00");
        let _ = writeln!(
            failures,
            "{time} app sshd[42]: Failed password for invalid user eve from 203.0.113.9 port {} ssh2",
            4000 + port
        );
    }
    let time = date("+%Y-%m-%dT%H:%M:%S.000000+00:00");
    // What tells an attempt again is not counted as one; joining sudo is worse than a new account.
    let _ = write!(
        failures,
        "{time} app sshd[42]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9\n\
         {time} app useradd[43]: new user: name=eve, UID=1001, GID=1001, home=/home/eve, shell=/bin/sh, from=none\n\
         {time} app usermod[44]: add 'eve' to group 'sudo'\n"
    );
    fs::write(&auth, failures).unwrap();
    let time = date("+%Y-%m-%d %H:%M:%S,000");
    let export = format!(
        "{time} 47 INFO crm odoo.addons.web.controllers.export: User 2 exported 5000 'res.partner' records from 203.0.113.9. Fields: name\n"
    );
    fs::write(&odoo, export.repeat(2)).unwrap();
    stack.wait_number(
        "every request",
        "SELECT toUInt64(sum(requests)) FROM requests_1d",
        |count| count == 400,
    );
    stack.wait_number(
        "every request by network",
        "SELECT toUInt64(sum(requests)) FROM request_clients_1h",
        |count| count == 400,
    );
    stack.wait_number(
        "the account of the examples",
        "SELECT toUInt64(sum(eligible)) FROM request_sampling",
        |count| count == 150,
    );
    stack.wait_number(
        "every security event",
        "SELECT toUInt64(sum(events)) FROM security_1d",
        |count| count == 12,
    );
    stack.wait_number(
        "a file system",
        "SELECT count() FROM filesystem_1d",
        |count| count > 0,
    );
    for kind in [
        "transport",
        "process",
        "unit",
        "container",
        "sensor",
        "clock",
    ] {
        let rows = format!("SELECT count() FROM {kind}_1d");
        stack.wait_number(kind, &rows, |count| count > 0);
    }
    stack.wait_number(
        "every probe",
        "SELECT uniqExact(target) FROM probe_1d",
        |count| count == 2,
    );
    assert!(agent.terminate().success());
    stack.wait_number(
        "the goodbye",
        "SELECT count() FROM heartbeats WHERE goodbye = 1",
        |count| count == 1,
    );

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/clickhouse/queries");
    let mut ran = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let answer = run(&stack, &name, &fs::read_to_string(&path).unwrap());
        println!("{name}: {} rows", answer.len());
        assert_eq!(
            answer.is_empty(),
            EMPTY_WHEN_WHOLE.contains(&name.as_str()),
            "{name}: {answer:?}"
        );
        let first = answer.first().map_or("", String::as_str);
        // What the rows above must make of the first line.
        let expected: &[&str] = match name.as_str() {
            "account_changes" => &["group_member_added\t1\t4\teve\t\tsudo\t1"],
            "data_exports" => &["odoo\t2\t2\t10000\t5000\t0\t0\t['203.0.113.9']\t['res.partner']"],
            "failed_logins_by_source" => &["203.0.113.9\t7\t"],
            "top_routes_by_errors" => &["/broken", "50"],
            "top_routes_by_latency" => &["/slow"],
            "latency_by_upstream" => &["/slow"],
            "top_client_networks" => &["192.0.2.0/24\t1\t400\t400\t1\t0\t50\t0.125\t40000"],
            "slowest_requests" => &["/slow\tGET\t200\t100\t1200000\t"],
            "failed_requests" => &["/broken\tGET\t500\t100\t20000\t"],
            "exemplar_sampling" => &["crm\tslow\t100\t", "\t0"],
            "lost_lines" => &["app-01\trequests\t401\t1\t0\t"],
            "overview_hosts" => &["app-01\t"],
            "heartbeat_strips" => &["app-01\t", "0\t[0,0,0,0,"],
            "pipeline_health" => &["\t1\t", "\t0\t0"],
            "expected_hosts" => &["app-01\t\t\t0\t", "\t0"],
            "host_status" => &["app-01\t\t\t0\t"],
            "presence_arrivals" => &["app-01\t", "\t1\t0\t"],
            "process_groups" => &["app-01\tagent\t1\t"],
            "probe_status" => &["app-01\tpage\tcrm\thttp\t0\tstatus\t200\t0\t"],
            "probe_timeline" => &["\t1\t", "\t\\N"],
            "probed_services" | "service_judged" => &["crm\t"],
            "service_is_known" => &["1"],
            "service_runs" => &["app-01\tpage\t[", "\t[1000", "\t[0"],
            "unit_states" => &["app-01\tcrm.service\tfailed\t1\t"],
            "container_usage" => &["app-01\t0123456789ab\t\tdocker\t", "\t4096\t8192\t0.5\t"],
            "sensor_hottest" => &["app-01\tcoretemp\thwmon0\ttemp1\t45.5"],
            "rules_in_force" => &["app-01\t\t\t0\t0\t0\t0\t0\t\t\t0"],
            "rules_delivered" => &["app-01\tno_target\t0\t[]\t\t\t\t0\t0\t0\t0\t"],
            "settings_delivered" => &["app-01\tno_target\t0\t[]\t\t\t\t"],
            "clock_offsets" => &["app-01\t", "\tchronyd\t1\t-500000\t200000\t"],
            _ => &[],
        };
        assert!(
            expected.iter().all(|part| first.contains(part)),
            "{name}: {first}"
        );
        ran += 1;
    }
    assert!(ran >= 28, "{ran} queries");

    charts::all_answer(&stack);
    grafana::all_answers(&stack);
    let (status, page) = http(stack.clickhouse_port, "GET", "/dashboard", "").unwrap();
    assert!(status == 200 && page.contains("<html"), "{page}");
}
