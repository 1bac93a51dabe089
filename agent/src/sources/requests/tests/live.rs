use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crmscope_proto::payload::Contents;
use tempfile::TempDir;

use super::super::*;
use super::neighbours::{AB, NGINX, free_port, installed, load, wait_for_port};
use crate::sources::SourceStatistics;

/// A real nginx on loopback, ended with the test.
struct Nginx {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Nginx {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let at = folder.path().display();
        let config = format!(
            "daemon off; pid {at}/pid; error_log {at}/error.log; user root;
            events {{ worker_connections 256; }}
            http {{
              log_format timed '$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_time';
              access_log {at}/access.log timed; client_body_temp_path {at}/b; proxy_temp_path {at}/p;
              fastcgi_temp_path {at}/f; uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
              server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"hello\\n\"; }}
                location /missing {{ return 404; }} location /broken {{ return 503; }} }}
            }}"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let child = Command::new(NGINX)
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self {
            child,
            folder,
            port,
        };
        wait_for_port(port);
        nginx
    }

    fn load(&self, requests: u32, path: &str) {
        load(self.port, requests, path);
    }

    /// As logrotate does: rename, then have nginx reopen.
    fn rotate(&self) {
        let at = self.folder.path();
        std::fs::rename(at.join("access.log"), at.join("access.log.1")).unwrap();
        let done = Command::new(NGINX)
            .args(["-s", "reopen", "-c"])
            .arg(at.join("nginx.conf"))
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Lines in all its logs, by class of status, as awk would count them.
    fn logged(&self) -> [u64; 6] {
        let mut classes = [0; 6];
        for name in ["access.log", "access.log.1"] {
            let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
            for line in text.lines() {
                let status = line
                    .split('"')
                    .nth(2)
                    .and_then(|rest| rest.trim().chars().next());
                classes[status.and_then(|digit| digit.to_digit(10)).unwrap_or(0) as usize] += 1;
            }
        }
        classes
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let stop = Command::new(NGINX)
            .args(["-s", "stop", "-c"])
            .arg(self.folder.path().join("nginx.conf"))
            .stderr(Stdio::null())
            .status();
        if stop.is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// Counts equal nginx's own, through a rotation with a restart in the middle of it.
#[test]
fn counts_equal_those_of_a_real_nginx() {
    if !installed(&[(NGINX, "nginx"), (AB, "apache2-utils")]) {
        return;
    }
    let nginx = Nginx::start();
    let path = nginx.folder.path().join("access.log");
    let config = Config {
        from: From::Start,
        logs: vec![LogConfig {
            service: Some("crm".to_owned()),
            ..LogConfig::new(path.to_str().unwrap(), Format::Nginx)
        }],
        ..Config::default()
    };
    let mut source = RequestsSource::new(&config);
    let statistics = SourceStatistics::default();
    let mut contents = Contents::default();
    let mut monotonic = Instant::now();
    let mut run = |source: &mut RequestsSource| {
        monotonic += Duration::from_secs(10);
        let moment = Moment {
            monotonic,
            ..Moment::now()
        };
        let mut rows = Rows::new(&mut contents, &statistics);
        source.collect(moment, &mut rows).unwrap();
        source.drain(moment, &mut rows);
        source.checkpoint().unwrap()
    };
    nginx.load(2000, "/account/42");
    let checkpoint = run(&mut source);
    nginx.load(1000, "/missing/7");
    nginx.rotate();
    nginx.load(500, "/broken/1");
    source = RequestsSource::new(&config);
    source.restore(&checkpoint);
    // nginx writes a request's line just after answering it.
    let deadline = Instant::now() + Duration::from_secs(10);
    while nginx.logged().iter().sum::<u64>() < 3500 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    run(&mut source);
    run(&mut source);
    let mut classes = [0; 6];
    for row in &contents.requests {
        classes[usize::from(row.status_class)] += row.requests;
        assert_eq!(row.latency.count(), row.requests);
    }
    assert_eq!(classes, nginx.logged());
    assert_eq!([classes[2], classes[4], classes[5]], [2000, 1000, 500]);
    assert_eq!(statistics.read()[SourceMetric::Unparsed as usize], 0);
}
