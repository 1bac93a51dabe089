//! Real servers that write several formats at once: each is counted as another tool counts it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crmscope_proto::payload::Contents;
use tempfile::TempDir;

use super::super::try_log;
use super::super::*;
use super::neighbours::*;
use crate::sources::SourceStatistics;

const MODULES: &str = "/usr/lib/apache2/modules";

/// Figures of a log, by whatever counted them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    classes: [u64; 6],
    bytes: u64,
    latency_us: u64,
    upstream_us: u64,
}

/// What the source makes of a log, and what it did not understand.
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
    source.collect(Moment::now(), &mut rows).unwrap();
    source.drain(Moment::now(), &mut rows);
    let mut totals = Totals::default();
    for row in &contents.requests {
        totals.classes[usize::from(row.status_class)] += row.requests;
        totals.bytes += row.response_bytes;
        totals.latency_us += row.latency.sum_us();
    }
    let mut parser = formats::parser(log);
    for line in std::fs::read(&log.path)
        .unwrap()
        .split(|&byte| byte == b'\n')
    {
        if let Ok(Reading::Request(line)) = parser.parse(line) {
            totals.upstream_us += line.upstream_latency_us.unwrap_or(0);
        }
    }
    (totals, statistics.read()[SourceMetric::Unparsed as usize])
}

/// What awk makes of it. The program prints a status, a byte count and a latency in µs a line.
fn awk(program: &str, log: &Path) -> Totals {
    let run = Command::new("awk").arg(program).arg(log).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    let mut totals = Totals::default();
    for line in String::from_utf8(run.stdout).unwrap().lines() {
        let fields: Vec<u64> = line
            .split(' ')
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        totals.classes[(fields[0] / 100) as usize] += 1;
        totals.bytes += fields[1];
        totals.latency_us += fields[2];
    }
    totals
}

fn try_it(file: &Path, pattern: Option<&str>) -> try_log::Outcome {
    try_log::run(&try_log::Options {
        file: file.to_owned(),
        format: None,
        pattern: pattern.map(str::to_owned),
        max_lines: None,
        show_lines: true,
    })
    .unwrap()
}

const CUSTOM: &str =
    "%{%Y-%m-%dT%H:%M:%S}t.%{usec_frac}t %{%z}t|%a|%u|%m|%U%q|%H|%>s|%B|%{us}T|%T|%v";

fn start_apache(folder: &Path, port: u16) -> Server {
    std::fs::create_dir(folder.join("pages")).unwrap();
    std::fs::write(folder.join("pages/index.html"), "hello\n").unwrap();
    for open in [folder.to_owned(), folder.join("pages")] {
        std::fs::set_permissions(open, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let at = folder.display();
    let user = if rustix::process::geteuid().is_root() {
        "User www-data\nGroup www-data\n"
    } else {
        ""
    };
    let combined = r#"%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\""#;
    let config = format!(
        "ServerRoot {at}\nServerName crm.example.com\nListen 127.0.0.1:{port}\n\
         PidFile {at}/pid\nDefaultRuntimeDir {at}\nMutex file:{at} default\nErrorLog {at}/error.log\n\
         LoadModule mpm_event_module {MODULES}/mod_mpm_event.so\n\
         LoadModule authz_core_module {MODULES}/mod_authz_core.so\n{user}\
         HttpProtocolOptions Unsafe\nDocumentRoot {at}/pages\n\
         LogFormat \"%h %l %u %t \\\"%r\\\" %>s %b\" common\n\
         LogFormat \"{combined}\" combined\nLogFormat \"{combined} %D\" timed\n\
         LogFormat \"%v:%p {combined}\" vhost\nLogFormat \"{CUSTOM}\" custom\n\
         CustomLog {at}/common.log common\nCustomLog {at}/combined.log combined\n\
         CustomLog {at}/timed.log timed\nCustomLog {at}/vhost.log vhost\n\
         CustomLog {at}/custom.log custom\n"
    );
    let file = folder.join("apache.conf");
    std::fs::write(&file, config).unwrap();
    Server::start(
        Command::new(APACHE)
            .arg("-f")
            .arg(&file)
            .arg("-DFOREGROUND"),
        port,
    )
}

#[test]
fn counts_equal_those_of_a_real_apache() {
    if !installed(&[(APACHE, "apache2-bin"), (AB, "apache2-utils")]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let port = free_port();
    let _server = start_apache(folder.path(), port);
    load(port, 700, "/index.html?id=42");
    load(port, 300, "/missing/7");
    for request in HOSTILE {
        send(port, request);
    }
    let names = ["common", "combined", "timed", "vhost", "custom"];
    let logs = names.map(|name| folder.path().join(format!("{name}.log")));
    let lines = wait_for_lines(&logs, 1000 + HOSTILE.len());
    // Without what is escaped the fourth quote is Apache's, whatever stands in the texts.
    let common = r#"{ gsub(/\\\\/, ""); gsub(/\\"/, ""); split($0, q, "\""); split(q[3], n, " ");
        print n[1], (n[2] == "-" ? 0 : n[2]), (FILENAME ~ /timed/ ? $NF : 0) }"#;
    let custom = r#"BEGIN { FS = "|" } { print $(NF - 4), $(NF - 3), $(NF - 2) }"#;
    for (name, path) in names.iter().zip(&logs) {
        let (program, format) = match *name {
            "custom" => (custom, Format::Custom),
            _ => (common, Format::Apache),
        };
        let expected = awk(program, path);
        let log = LogConfig {
            pattern: (format == Format::Custom).then(|| CUSTOM.to_owned()),
            ..LogConfig::new(path.to_str().unwrap(), format)
        };
        let (found, unparsed) = counted(&log);
        assert_eq!(found, expected, "{name}");
        assert_eq!(unparsed, 0, "{name}");
        assert_eq!(found.classes.iter().sum::<u64>(), lines as u64, "{name}");
        assert_eq!(found.latency_us > 0, matches!(*name, "timed" | "custom"));
        let tried = try_it(path, log.pattern.as_deref());
        assert!(tried.good, "{}", tried.text);
        if format != Format::Custom {
            let guessed = LogConfig::new(path.to_str().unwrap(), Format::Auto);
            let (guessed, unparsed) = counted(&guessed);
            let (latency_us, expected) = (0, expected);
            assert_eq!(
                guessed,
                Totals {
                    latency_us,
                    ..expected
                },
                "{name}"
            );
            assert_eq!(unparsed, 0, "{name}");
        }
        let named = format!(
            "format = \"{}\"",
            match *name {
                "common" | "combined" => "nginx",
                "custom" => "custom",
                _ => "apache",
            }
        );
        assert!(tried.text.contains(&named), "{name}: {}", tried.text);
    }
    let vhost = std::fs::read(&logs[3]).unwrap();
    let mut parser = formats::parser(&LogConfig::new("", Format::Apache));
    for line in vhost
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let Ok(Reading::Request(line)) = parser.parse(line) else {
            panic!("{}", String::from_utf8_lossy(line));
        };
        assert_eq!(
            (line.site, line.client),
            (b"crm.example.com".as_slice(), b"127.0.0.1".as_slice())
        );
    }
}

/// The name, the parameter and the format itself, in nginx's own words.
const NGINX_FORMATS: [(&str, &str, &str); 3] = [
    (
        "named",
        "",
        r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" rt=$request_time urt="$upstream_response_time" $made_up"#,
    ),
    (
        "json",
        "escape=json",
        r#"{"time":"$time_iso8601","user":"$remote_user","request":"$request","status":$status,"bytes":$body_bytes_sent,"ua":"$http_user_agent","host":"$host","rt":$request_time,"urt":"$upstream_response_time"}"#,
    ),
    (
        "bare",
        "",
        r#"$msec|$remote_addr|$request_method|$request_uri|$upstream_addr|$status|$body_bytes_sent|$request_time|$upstream_response_time|$server_name"#,
    ),
];

fn start_nginx(folder: &Path, port: u16) -> Server {
    let at = folder.display();
    let mut logs = String::new();
    for (name, parameter, format) in NGINX_FORMATS {
        logs += &format!(
            "log_format {name} {parameter} '{format}'; access_log {at}/{name}.log {name};\n"
        );
    }
    // The first server of the group refuses every connection, so that there are several attempts.
    let config = format!(
        "daemon off; pid {at}/pid; error_log {at}/error.log; user root;
        events {{ worker_connections 256; }}
        http {{
          {logs}
          map $status $made_up {{ default \"made up\"; }}
          client_body_temp_path {at}/b; proxy_temp_path {at}/p;
          fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
          upstream application {{ server 127.0.0.1:1 max_fails=0; server 127.0.0.1:{port} max_fails=0; }}
          server {{ listen 127.0.0.1:{port}; server_name crm.example.com;
            location / {{ return 200 \"hello\\n\"; }} location /missing {{ return 404; }}
            location /account {{ proxy_pass http://application/slow; }} }}
        }}"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config).unwrap();
    Server::start(Command::new(NGINX).arg("-c").arg(&file), port)
}

/// What serde makes of the log that is JSON.
fn json(path: &Path) -> Totals {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let us = |seconds| u64::try_from(Duration::from_secs_f64(seconds).as_micros()).unwrap();
    let mut totals = Totals::default();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        totals.classes[(line["status"].as_u64().unwrap() / 100) as usize] += 1;
        totals.bytes += line["bytes"].as_u64().unwrap();
        totals.latency_us += us(line["rt"].as_f64().unwrap());
        let attempts = line["urt"].as_str().unwrap().split([',', ':']);
        totals.upstream_us += attempts
            .filter_map(|attempt| attempt.trim().parse().ok())
            .map(us)
            .sum::<u64>();
    }
    totals
}

#[test]
fn custom_formats_of_a_real_nginx_agree() {
    if !installed(&[(NGINX, "nginx"), (AB, "apache2-utils")]) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let port = free_port();
    let _server = start_nginx(folder.path(), port);
    load(port, 400, "/account/42?x=1");
    load(port, 300, "/missing/7");
    for request in HOSTILE {
        send(port, request);
    }
    let logs: Vec<PathBuf> = NGINX_FORMATS
        .iter()
        .map(|(name, ..)| folder.path().join(format!("{name}.log")))
        .collect();
    // What is passed on comes in again, and a look whether nginx listens may be logged too.
    let lines = wait_for_lines(&logs, 1100 + HOSTILE.len());
    let expected = json(&logs[1]);
    assert_eq!(expected.classes.iter().sum::<u64>(), lines as u64);
    for ((name, _, pattern), path) in NGINX_FORMATS.iter().zip(&logs) {
        let log = LogConfig {
            pattern: Some((*pattern).to_owned()),
            ..LogConfig::new(path.to_str().unwrap(), Format::Custom)
        };
        let (found, unparsed) = counted(&log);
        let tried = try_it(path, Some(pattern));
        assert!(tried.good, "{}", tried.text);
        assert_eq!(unparsed, 0, "{name}");
        assert_eq!(found, expected, "{name}");
    }
    let text = std::fs::read_to_string(&logs[2]).unwrap();
    assert!(
        text.contains("|127.0.0.1:1, 127.0.0.1:"),
        "no second attempt: {text}"
    );
    // The first one is what nginx's own format reads, too.
    let log = LogConfig::new(logs[0].to_str().unwrap(), Format::Nginx);
    assert_eq!(counted(&log), (expected, 0));
}
