//! Who may look, who may change something, and who neither.

use std::time::Instant;

use super::common::{Collector, Engine, PATIENCE};
use super::{AGENT, Reply, ask, filled, get};

const VIEWER: &str = "viewer-token-000001";
const OPERATOR: &str = "operator-token-0001";
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// A collector with a viewer and an operator, and a proxy at 127.0.0.1.
fn guarded(engine: &Engine, directory: &std::path::Path, more: &str) -> Collector {
    let mut config = format!("writer.flush_interval_ms = 50\n{more}");
    for (name, role, token) in [("vera", "viewer", VIEWER), ("otto", "operator", OPERATOR)] {
        let file = directory.join(role);
        std::fs::write(&file, token).unwrap();
        config.push_str(&format!(
            "[[web.tokens]]\nname = {name:?}\nrole = {role:?}\ntoken_file = {file:?}\n"
        ));
    }
    Collector::start_with(engine, &config)
}

fn bearer(token: &str) -> (&'static str, String) {
    ("Authorization", format!("Bearer {token}"))
}

async fn shown(collector: &Collector, method: &str, path: &str, token: &str, body: &str) -> Reply {
    let (name, value) = bearer(token);
    ask(collector, method, path, &[(name, &value), JSON], body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_nothing_is_told() {
    let engine = Engine::start();
    let directory = tempfile::tempdir().unwrap();
    let collector = guarded(&engine, directory.path(), "");
    let started = Instant::now();
    let document = loop {
        assert!(started.elapsed() < PATIENCE, "not ready");
        let reply = shown(&collector, "GET", "/api/v1/openapi.json", VIEWER, "").await;
        assert_eq!(reply.status, 200);
        if get(&collector, "/readyz").await.status == 200 {
            break reply.json();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post"]
            .into_iter()
            .filter(|method| item.get(method).is_some())
        {
            let path = format!("/api/v1{}", path.replace("{id}", "x"));
            let reply = ask(&collector, &method.to_uppercase(), &path, &[JSON], "{}").await;
            let want = if path == "/api/v1/session" {
                [200, 400]
            } else {
                [401, 401]
            };
            assert!(want.contains(&reply.status), "{method} {path}: {reply:?}");
        }
    }
    for path in ["/metrics", "/plain"] {
        assert_eq!(get(&collector, path).await.status, 401, "{path}");
    }
    for (path, body) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        assert_eq!(get(&collector, path).await.body, body);
    }
    assert_eq!(get(&collector, "/sign-in").await.status, 200);
    let nobody = get(&collector, "/api/v1/session").await.json();
    assert_eq!(
        (&nobody["signed_in"], &nobody["role"]),
        (&false.into(), &serde_json::Value::Null)
    );
    assert_eq!(
        shown(&collector, "GET", "/metrics", VIEWER, "")
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_look_and_operators_change() {
    let engine = Engine::start();
    let directory = tempfile::tempdir().unwrap();
    let collector = guarded(&engine, directory.path(), "web.open_metrics = true\n");
    filled(&collector).await;
    let window = format!(r#"{{"hosts":["{AGENT}"],"for":"1h","note":"new disk"}}"#);
    let path = "/api/v1/maintenance";
    assert_eq!(
        shown(&collector, "POST", path, VIEWER, &window)
            .await
            .status,
        403
    );
    let started = Instant::now();
    let added = loop {
        let added = shown(&collector, "POST", path, OPERATOR, &window).await;
        // The host is known once its hello is stored.
        if added.status == 201 || started.elapsed() > PATIENCE {
            break added;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert_eq!(added.status, 201, "{added:?}");
    let added = &added.json()["rows"][0];
    assert_eq!(
        (&added["change"], &added["changed_by"]),
        (&"added".into(), &"otto".into())
    );
    let id = added["window_id"].as_str().unwrap();
    let listed = shown(&collector, "GET", path, VIEWER, "").await.json();
    assert_eq!(
        (&listed["rows"][0]["window_id"], &listed["rows"][0]["state"]),
        (&id.into(), &"in_force".into())
    );
    let cancel = format!("{path}/{id}/cancel");
    assert_eq!(
        shown(&collector, "POST", &cancel, VIEWER, "{}")
            .await
            .status,
        403
    );
    assert_eq!(
        shown(&collector, "POST", &cancel, OPERATOR, "{}")
            .await
            .status,
        201
    );
    assert_eq!(
        shown(&collector, "POST", &cancel, OPERATOR, "{}")
            .await
            .status,
        400
    );
    let none = format!("{path}/nothing/cancel");
    assert_eq!(
        shown(&collector, "POST", &none, OPERATOR, "{}")
            .await
            .status,
        404
    );
    assert_eq!(
        shown(&collector, "POST", path, OPERATOR, "{").await.status,
        400
    );
    let other = ("Origin", "http://evil.example");
    let (name, value) = bearer(OPERATOR);
    let foreign = ask(
        &collector,
        "POST",
        path,
        &[(name, &value), JSON, other],
        &window,
    )
    .await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_signs_in_and_out() {
    let engine = Engine::stopped();
    let directory = tempfile::tempdir().unwrap();
    let collector = guarded(&engine, directory.path(), "web.open_metrics = true\n");
    let path = "/api/v1/session";
    let own = format!("http://{}", collector.web);
    let own = ("Origin", own.as_str());
    let token = format!(r#"{{"token":"{OPERATOR}"}}"#);
    let signed = ask(&collector, "POST", path, &[JSON, own], &token).await;
    assert_eq!(
        (signed.status, &signed.json()["name"]),
        (200, &"otto".into())
    );
    let cookie = signed.header("set-cookie").unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let cookie = ("Cookie", cookie.split(';').next().unwrap());
    let who = ask(&collector, "GET", path, &[cookie], "").await.json();
    assert_eq!(
        (&who["role"], &who["how"]),
        (&"operator".into(), &"token".into())
    );
    // A form of another site can send the cookie, and no JSON, and not from here.
    let add = "/api/v1/maintenance";
    for headers in [
        vec![cookie, JSON],
        vec![cookie, JSON, ("Origin", "http://evil.example")],
    ] {
        let reply = ask(&collector, "POST", add, &headers, "{}").await;
        assert_eq!(reply.status, 403, "{reply:?}");
    }
    let form = ask(
        &collector,
        "POST",
        add,
        &[cookie, own, ("Content-Type", "text/plain")],
        "{}",
    )
    .await;
    assert_eq!(form.status, 400);
    let out = ask(&collector, "DELETE", path, &[cookie, own], "").await;
    assert_eq!(out.status, 204);
    let who = ask(&collector, "GET", path, &[cookie], "").await.json();
    assert_eq!(who["signed_in"], false);

    // A token that is taken away takes its sessions along.
    let signed = ask(&collector, "POST", path, &[JSON, own], &token).await;
    let cookie = signed
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap();
    std::fs::write(directory.path().join("operator"), "operator-token-0002").unwrap();
    collector.replace_token("integration-test-token");
    let started = Instant::now();
    while ask(&collector, "GET", path, &[("Cookie", cookie)], "")
        .await
        .json()["signed_in"]
        == true
    {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(
        shown(&collector, "GET", path, "operator-token-0002", "")
            .await
            .json()["name"],
        "otto"
    );

    // Whoever guesses has to wait, and is counted.
    let mut last = 0;
    for guess in 0..12 {
        let guess = format!("guess-{guess:016}");
        last = shown(&collector, "GET", "/api/v1/queries", &guess, "")
            .await
            .status;
    }
    assert_eq!(last, 429);
    let waiting = shown(&collector, "GET", "/api/v1/queries", VIEWER, "").await;
    assert!(waiting.status == 429 && waiting.header("retry-after").is_some());
    assert_eq!(collector.metric("web_sign_in_failures_total").await, 10.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_tells_who_somebody_is() {
    let engine = Engine::stopped();
    let directory = tempfile::tempdir().unwrap();
    let proxy = "[web.proxy]\nuser_header = \"x-forwarded-user\"\nrole_header = \"x-forwarded-groups\"\ntrusted = [\"127.0.0.0/8\"]\n";
    let collector = guarded(&engine, directory.path(), proxy);
    let who = async |headers: &[(&str, &str)]| {
        ask(&collector, "GET", "/api/v1/session", headers, "")
            .await
            .json()
    };
    let user = ("X-Forwarded-User", "vera@example.org");
    let known = who(&[user]).await;
    assert_eq!(
        (&known["name"], &known["role"], &known["how"]),
        (&user.1.into(), &"viewer".into(), &"proxy".into())
    );
    assert_eq!(
        who(&[user, ("X-Forwarded-Groups", "staff,operator")]).await["role"],
        "operator"
    );
    // What the browser shows the proxy is not for here.
    assert_eq!(
        who(&[user, ("Authorization", "Basic eDp5")]).await["how"],
        "proxy"
    );
    assert_eq!(who(&[]).await["signed_in"], false);
    assert_eq!(
        who(&[user, ("X-Forwarded-User", "otto")]).await["signed_in"],
        false
    );

    let elsewhere = proxy.replace("127.0.0.0/8", "192.0.2.0/24");
    let collector = guarded(&engine, directory.path(), &elsewhere);
    let stranger = ask(&collector, "GET", "/api/v1/session", &[user], "")
        .await
        .json();
    assert_eq!(stranger["signed_in"], false);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_this_machine_everybody_is_operator() {
    let engine = Engine::stopped();
    let collector = Collector::start(&engine);
    let who = get(&collector, "/api/v1/session").await.json();
    assert_eq!(
        (&who["role"], &who["how"]),
        (&"operator".into(), &"loopback".into())
    );
    assert_eq!(get(&collector, "/metrics").await.status, 200);
    // Whom a proxy on this machine lets through is of anywhere.
    for header in ["Via", "X-Forwarded-For", "Forwarded"] {
        let passed = [(header, "203.0.113.9")];
        let path = "/api/v1/queries/host_status";
        let reply = ask(&collector, "GET", path, &passed, "").await;
        assert_eq!(reply.status, 401, "{header}: {reply:?}");
        assert!(reply.body.contains("[web.proxy]"), "{reply:?}");
    }
    let away = get(&collector, "/api/v1/queries/host_status").await;
    assert_eq!((away.status, away.error().0.as_str()), (503, "unavailable"));
    assert!(away.header("retry-after").is_some());
}
