//! The engine itself refuses to write what comes by the API's way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::common::{Collector, Engine};
use super::{filled, get};

/// Passes bytes on to the engine, and keeps the first lines of requests.
fn listening(engine: &str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (lines, engine) = (
        Arc::new(Mutex::new(Vec::new())),
        engine.replace("http://", ""),
    );
    let kept = Arc::clone(&lines);
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&engine) else {
                continue;
            };
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let mut buffer = [0; 1 << 16];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..count]);
                    let posts = text.lines().filter(|line| line.starts_with("POST /"));
                    kept.lock().unwrap().extend(posts.map(str::to_owned));
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
            let (mut from, mut to) = (server, client);
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    (url, lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_by_the_way_of_the_api_is_refused_by_the_engine() {
    let engine = Engine::start();
    let (url, lines) = listening(&engine.url());
    let collector = Collector::start_at(&url, "writer.flush_interval_ms = 50\n");
    filled(&collector).await;
    assert_eq!(
        get(&collector, "/api/v1/queries/host_status").await.status,
        200
    );
    let line = {
        let lines = lines.lock().unwrap();
        let of_api = lines
            .iter()
            .find(|line| line.contains("date_time_output_format"));
        of_api.unwrap_or_else(|| panic!("{lines:?}")).clone()
    };
    for limit in [
        "readonly=2",
        "max_execution_time=10",
        "max_memory_usage=",
        "max_result_rows=",
    ] {
        assert!(line.contains(limit), "{limit}: {line}");
    }
    // So does everything else that is computed from answers.
    for path in ["overview", "hosts", "ledger", "availability", "maintenance"] {
        let before = lines.lock().unwrap().len();
        let reply = get(&collector, &format!("/api/v1/{path}")).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        let lines = lines.lock().unwrap();
        let mut asked = lines[before..].iter();
        assert!(asked.any(|line| line.contains("readonly=2")), "{path}");
    }
    let path = line.split(' ').nth(1).unwrap();
    let address = engine.url().replace("http://", "");
    let asked = |sql: &str| {
        let mut socket = TcpStream::connect(&address).unwrap();
        let length = sql.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        socket.write_all(format!("{head}{sql}").as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    };
    // The very same settings read.
    assert!(asked("SELECT 1").contains(" 200 "));
    for sql in [
        "INSERT INTO crmscope.write_probe SELECT * FROM crmscope.write_probe",
        "CREATE TABLE crmscope.x (a UInt8) ENGINE = Memory",
        "DROP TABLE crmscope.host_raw",
        "ALTER TABLE crmscope.host_raw DELETE WHERE 1",
        "TRUNCATE TABLE crmscope.host_raw",
        "SET readonly = 0",
    ] {
        let answer = asked(sql);
        assert!(
            !answer.starts_with("HTTP/1.1 200") && answer.contains("Code: 164"),
            "{sql}: {answer}"
        );
    }
    assert!(engine.number("SELECT count() FROM crmscope.host_raw").await > 0);
}
