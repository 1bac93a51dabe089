//! Real nginx in front of a real backend, under load: what ClickHouse holds is what nginx counted.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crmscope_tests::neighbours::program;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack, http_get, wait_for};

/// A small backend: `/fail…` answers 500, `/missing…` 404, the rest 200; it takes 1 to 40 ms by
/// the path's length and number, so that latencies differ.
fn backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    port
}

fn serve(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut header = String::new();
        while reader.read_line(&mut header).unwrap_or(0) > 2 {
            header.clear();
        }
        let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
        let number: u64 = path
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(0, |n, b| n * 10 + u64::from(b - b'0'))
            % 1000;
        let status = match path.get(..5) {
            Some("/fail") => "500 Internal Server Error",
            Some("/miss") => "404 Not Found",
            _ => "200 OK",
        };
        std::thread::sleep(Duration::from_millis(1 + number * 7 % 40));
        let body = "x".repeat(usize::try_from(number).unwrap() + 10);
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

struct Nginx {
    port: u16,
    _process: Process,
}

fn start_nginx(stack: &Stack, nginx: &Path, backend: u16) -> Nginx {
    let directory = stack.path("nginx");
    fs::create_dir_all(&directory).unwrap();
    let port = free_port();
    let config = directory.join("nginx.conf");
    let root = directory.display();
    fs::write(
        &config,
        format!(
            r#"
daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" $request_time';
  access_log {root}/timed.log timed;
  access_log {root}/combined.log combined;
  client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{port};
    location = /status {{ access_log off; stub_status; }}
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"#
        ),
    )
    .unwrap();
    // The test may run as root, whose nginx would hand its workers to a user that cannot enter here.
    let globals = if rustix_is_root() { "user root;" } else { "" };
    let process = Process::start(
        "nginx",
        Command::new(nginx)
            .arg("-c")
            .arg(&config)
            .args(["-g", globals]),
        &stack.path("nginx.log"),
    )
    .gently();
    wait_for("nginx to answer", || http_get(port, "/status"));
    Nginx {
        port,
        _process: process,
    }
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Requests nginx says it handled, less those for its own status page.
fn nginx_count(nginx: &Nginx, asked: u64) -> u64 {
    let (_, status) = http_get(nginx.port, "/status").unwrap();
    let handled = status
        .lines()
        .nth(2)
        .and_then(|line| line.split_whitespace().nth(2))
        .unwrap();
    handled.parse::<u64>().unwrap() - asked
}

/// What an independent reader counts: (status class, requests, bytes), by awk.
fn awk_counts(log: &Path) -> Vec<(u64, u64, u64)> {
    let program = r#"{ match($0, /" [0-9][0-9][0-9] [0-9]+ "/); split(substr($0, RSTART + 2), f, " ");
        c = int(f[1] / 100); n[c]++; b[c] += f[2] } END { for (c in n) print c, n[c], b[c] }"#;
    let output = Command::new("awk").arg(program).arg(log).output().unwrap();
    let mut counts: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let mut numbers = line.split(' ').map(|number| number.parse::<u64>().unwrap());
            (
                numbers.next().unwrap(),
                numbers.next().unwrap(),
                numbers.next().unwrap(),
            )
        })
        .collect();
    counts.sort_unstable();
    counts
}

#[test]
fn requests_bytes_statuses_and_latencies_equal_nginxs_own() {
    let Some(nginx) = program("nginx", "nginx") else {
        return;
    };
    let Some(ab) = program("ab", "apache2-utils") else {
        return;
    };
    let mut stack = Stack::start();
    let nginx = start_nginx(&stack, &nginx, backend());
    let logs = stack.path("nginx");
    let sources = format!(
        "[sources.requests]\nfrom = \"start\"\nlogs = [\n  {{ path = \"{0}/timed.log\", service = \"crm\" }},\n  \
         {{ path = \"{0}/combined.log\", service = \"plain\" }},\n]\n",
        logs.display()
    );
    let mut agent = stack.start_agent("web-01", &sources);

    for (requests, path) in [
        (3000, "/account/1234"),
        (2000, "/account/987/contacts"),
        (500, "/missing/1"),
        (300, "/fail/77"),
        (1500, "/"),
    ] {
        let url = format!(
            "http://127.0.0.1:{}{path}?token=secret{requests}",
            nginx.port
        );
        let output = Command::new(&ab)
            .args(["-q", "-k", "-c", "16", "-n", &requests.to_string(), &url])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    hostile_requests(nginx.port);

    let log = logs.join("timed.log");
    // nginx writes its line when the answer is sent; its count is final once both agree.
    let mut asked = 1;
    let lines = wait_for("nginx's log to hold every request", || {
        asked += 1;
        let (lines, counted) = (
            fs::read_to_string(&log).unwrap_or_default().lines().count() as u64,
            nginx_count(&nginx, asked),
        );
        // Requests that nginx could not read at all are in the log but not in its counter.
        if lines >= counted && lines >= 7304 {
            Ok(lines)
        } else {
            Err(format!("{lines} lines, nginx counted {counted}"))
        }
    });
    // An insert shows in the base table before it has gone through its roll-ups.
    for table in ["requests_raw", "requests_1m", "requests_1h", "requests_1d"] {
        for service in ["crm", "plain"] {
            let sql =
                format!("SELECT toUInt64(sum(requests)) FROM {table} WHERE service = '{service}'");
            let what = format!("every request of {service} in {table}");
            stack.wait_number(&what, &sql, |requests| requests == lines);
        }
    }

    let expected = awk_counts(&log);
    assert!(expected.len() >= 3, "{expected:?}");
    for (table, service) in [
        ("requests_raw", "crm"),
        ("requests_1m", "crm"),
        ("requests_1h", "crm"),
        ("requests_1d", "crm"),
        ("requests_raw", "plain"),
    ] {
        let counted = stack
            .query::<(u64, u64, u64)>(&format!(
                "SELECT toUInt64(status_class) AS class, toUInt64(sum(requests)), toUInt64(sum(response_bytes)) \
                 FROM {table} WHERE service = '{service}' GROUP BY class ORDER BY class"
            ))
            .unwrap();
        assert_eq!(counted, expected, "{table} of {service}");
    }
    check_quantiles(&stack, &log);

    let routes = stack
        .query::<String>("SELECT DISTINCT toString(route) FROM requests_raw ORDER BY route")
        .unwrap();
    for route in [
        "/",
        "/account/{id}",
        "/account/{id}/contacts",
        "/missing/{id}",
    ] {
        assert!(
            routes.iter().any(|found| found == route),
            "{route} is not in {routes:?}"
        );
    }
    assert!(
        !routes.iter().any(|route| route.contains("secret")),
        "query strings stay on the host: {routes:?}"
    );

    assert!(agent.terminate().success());
    let (code, proof) = stack.ledger(&[]);
    assert_eq!(code, 0, "{proof}");
    assert!(stack.collector.as_mut().unwrap().terminate().success());
}

/// Requests no browser sends. nginx answers and logs each; so must be counted each.
fn hostile_requests(port: u16) {
    for request in [
        "GET /%00%ff\"\\x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".as_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /\xc3\xa9\xff HTTP/1.1\r\nHost: a\r\nUser-Agent: \"<script>' OR 1=1 --\r\nConnection: close\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(request).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

/// Quantiles from the merged sketches against those of the raw log, at the same rank.
fn check_quantiles(stack: &Stack, log: &Path) {
    let mut latencies_us: Vec<f64> = fs::read(log)
        .unwrap()
        .split(|&byte| byte == b'\n')
        .filter_map(|line| {
            std::str::from_utf8(line.rsplit(|&byte| byte == b' ').next()?)
                .ok()?
                .parse::<f64>()
                .ok()
        })
        .map(|seconds| seconds * 1e6)
        .collect();
    latencies_us.sort_by(f64::total_cmp);
    for table in ["requests_raw", "requests_1m", "requests_1h", "requests_1d"] {
        for p in [0.5, 0.95, 0.99] {
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss
            )]
            let rank = (p * (latencies_us.len() - 1) as f64).floor() as usize;
            let exact = latencies_us[rank];
            let sketch = stack
                .query::<f64>(&format!(
                    "SELECT assumeNotNull(toFloat64(crmscope_quantile(sumMap(latency), {p}))) FROM {table} WHERE service = 'crm'"
                ))
                .unwrap()[0];
            assert!(
                (sketch - exact).abs() <= exact * 0.01 + 1.0,
                "{table} p{p}: {sketch} µs, the log says {exact} µs"
            );
        }
    }
}
