//! What reading a line costs in each structured format: the same requests, written as each server
//! writes them. One thread that never sleeps, so time is CPU time.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crmscope_agent::sources::requests::formats::{Reading, parser};
use crmscope_agent::sources::requests::{Format, LogConfig};

const LINES: u32 = 20_000;

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36";

const W3C: &str = "#Fields: date time s-ip cs-method cs-uri-stem s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status sc-bytes time-taken";

/// A request, before a server writes it down.
struct Request {
    /// `09:35:36`
    clock: String,
    path: String,
    status: u16,
    bytes: u32,
    milliseconds: u32,
}

fn requests() -> Vec<Request> {
    let mut random = fastrand::Rng::with_seed(1);
    let kinds = ["account", "contact", "lead", "case", "report"];
    (0..LINES)
        .map(|number| {
            let second = number / 200;
            let kind = kinds[random.usize(0..kinds.len())];
            Request {
                clock: format!("09:{:02}:{:02}", second / 60, second % 60),
                path: format!("/api/v2/{kind}/{}", random.u32(..)),
                status: [200, 200, 200, 302, 404, 500][random.usize(0..6)],
                bytes: random.u32(0..100_000),
                milliseconds: random.u32(0..2000),
            }
        })
        .collect()
}

/// A line as each server writes it.
fn line(format: &str, request: &Request) -> String {
    let Request {
        clock,
        path,
        status,
        bytes,
        milliseconds: ms,
    } = request;
    let seconds = format!("{}.{:03}", ms / 1000, ms % 1000);
    match format {
        "caddy" => format!(
            r#"{{"level":"info","ts":1795599336.{ms:04},"logger":"http.log.access.log0","msg":"handled request","request":{{"remote_ip":"10.0.1.2","remote_port":"36208","client_ip":"10.0.1.2","proto":"HTTP/1.1","method":"GET","host":"crm.example.com","uri":"{path}","headers":{{"User-Agent":["{AGENT}"],"Accept":["*/*"],"Referer":["https://crm.example.com/"]}}}},"user_id":"","duration":{seconds}123456,"size":{bytes},"status":{status},"resp_headers":{{"Server":["Caddy"],"Content-Type":["text/html"]}}}}"#
        ),
        "envoy" => format!(
            r#"[2026-11-25T{clock}.250Z] "GET {path} HTTP/1.1" {status} - 0 {bytes} {ms} {ms} "10.0.1.2" "{AGENT}" "01ffc219-a901-490a-b17a-477082595bc9" "crm.example.com" "10.0.0.1:8069""#
        ),
        "haproxy" => format!(
            r#"Nov 25 {clock} lb1 haproxy[123]: 10.0.1.2:33317 [25/Nov/2026:{clock}.250] web~ app/one 0/0/1/{ms}/{ms} {status} {bytes} - - ---- 1/1/1/1/0 0/0 {{crm.example.com|Mozilla}} "GET {path} HTTP/1.1""#
        ),
        "iis" => format!(
            "2026-11-25 {clock} 10.0.0.5 GET {path} 443 - 10.0.1.2 {} https://crm.example.com/ {status} 0 0 {bytes} {ms}",
            AGENT.replace(' ', "+")
        ),
        "json" => format!(
            r#"{{"time":"2026-11-25T{clock}+00:00","remote_addr":"10.0.1.2","request":"GET {path} HTTP/1.1","status":"{status}","body_bytes_sent":"{bytes}","request_time":"{seconds}","upstream_response_time":"{seconds}","host":"crm.example.com","agent":"{AGENT}"}}"#
        ),
        "traefik" => format!(
            r#"10.0.1.2 - - [25/Nov/2026:{clock} +0000] "GET {path} HTTP/1.1" {status} {bytes} "https://crm.example.com/" "{AGENT}" 1 "crm@file" "http://10.0.0.1:8069" {ms}ms"#
        ),
        _ => format!(
            r#"{{"ClientAddr":"10.0.1.2:48400","ClientHost":"10.0.1.2","ClientPort":"48400","ClientUsername":"-","DownstreamContentSize":{bytes},"DownstreamStatus":{status},"Duration":{ms}604123,"OriginContentSize":{bytes},"OriginDuration":{ms}046123,"OriginStatus":{status},"Overhead":319260,"RequestAddr":"crm.example.com","RequestContentSize":0,"RequestCount":26,"RequestHost":"crm.example.com","RequestMethod":"GET","RequestPath":"{path}","RequestPort":"-","RequestProtocol":"HTTP/1.1","RequestScheme":"http","RetryAttempts":0,"RouterName":"crm@file","ServiceAddr":"10.0.0.7:8069","ServiceName":"crm@file","ServiceURL":"http://10.0.0.7:8069","StartLocal":"2026-11-25T{clock}.799638702Z","StartUTC":"2026-11-25T{clock}.799638702Z","level":"info","msg":"","time":"2026-11-25T{clock}Z"}}"#
        ),
    }
}

fn formats(criterion: &mut Criterion) {
    let requests = requests();
    let mut group = criterion.benchmark_group("formats");
    group.sample_size(20);
    group.throughput(Throughput::Elements(u64::from(LINES)));
    for (name, format) in [
        ("caddy", Format::Caddy),
        ("envoy", Format::Envoy),
        ("haproxy", Format::Haproxy),
        ("iis", Format::Iis),
        ("json", Format::Json),
        ("traefik", Format::Traefik),
        ("traefik_json", Format::Traefik),
    ] {
        let lines: Vec<String> = requests.iter().map(|one| line(name, one)).collect();
        let read = || {
            let mut parser = parser(&LogConfig::new("", format));
            parser.learn(W3C.as_bytes());
            let understood = |line: &&String| {
                matches!(
                    parser.parse(black_box(line.as_bytes())),
                    Ok(Reading::Request(_))
                )
            };
            lines.iter().filter(understood).count()
        };
        assert_eq!(read(), lines.len(), "{name}");
        group.bench_function(name, |bencher| bencher.iter(read));
    }
    group.finish();
}

criterion_group!(benches, formats);
criterion_main!(benches);
