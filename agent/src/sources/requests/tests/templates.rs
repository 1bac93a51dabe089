use super::super::configured::{Configured, Reached, check};
use super::*;

fn find<'a>(templates: &'a Configured, path: &str) -> Option<&'a str> {
    templates.find(path.as_bytes(), &mut Reached::default())
}

#[test]
fn the_first_template_that_matches_names_the_route() {
    let templates = Configured::new(
        [
            "/account/new",
            "/account/{account}",
            "/account/{account}/edit",
            "/api/{version}/lead/{id}",
            "/files/public/*",
            "/files/*",
            "/{tenant}/report/daily",
            "/account/{other}",
            "/",
        ]
        .into_iter(),
    );
    for (path, route) in [
        ("/account/new", Some("/account/new")),
        ("/account/new/", Some("/account/new")),
        ("/account/jane", Some("/account/{account}")),
        ("//account///jane", Some("/account/{account}")),
        ("/account/jane;v=1/edit", Some("/account/{account}/edit")),
        ("/account/new/edit", Some("/account/{account}/edit")),
        ("/account/jane/delete", None),
        ("/account", None),
        ("/api/v2/lead/7", Some("/api/{version}/lead/{id}")),
        ("/api/lead/7", None),
        ("/files/public/a/b/c", Some("/files/public/*")),
        ("/files/public", Some("/files/*")),
        ("/files/x/y", Some("/files/*")),
        ("/files", None),
        ("/files/", None),
        ("/acme/report/daily", Some("/{tenant}/report/daily")),
        // Both this and an earlier one lead through `account`.
        ("/account/report/daily", Some("/{tenant}/report/daily")),
        ("/files/report/daily", Some("/files/*")),
        ("/", Some("/")),
        ("", Some("/")),
        ("/Account/new", None),
    ] {
        assert_eq!(find(&templates, path), route, "{path}");
    }
    let long = "/files".to_owned() + &"/x".repeat(100_000);
    assert_eq!(find(&templates, &long), Some("/files/*"));
    assert_eq!(find(&templates, &"/y".repeat(100_000)), None);
    assert_eq!(find(&Configured::new([].into_iter()), "/"), None);
}

#[test]
fn an_earlier_template_wins_over_a_nearer_one() {
    let templates = Configured::new(["/{any}/x", "/a/*", "/a/x"].into_iter());
    assert_eq!(find(&templates, "/a/x"), Some("/{any}/x"));
    assert_eq!(find(&templates, "/a/y"), Some("/a/*"));
}

#[test]
fn malformed_templates_are_refused_with_the_remedy() {
    for good in [
        "/",
        "/a",
        "/{a}",
        "/*",
        "/a/{b_1}/c/*",
        "/a.b-c~d/é".split_at(8).0,
    ] {
        assert_eq!(check(good), Ok(()), "{good}");
    }
    let (many, long) = ("/a".repeat(13), format!("/{}", "a".repeat(65)));
    for (bad, part) in [
        ("", "begin with /"),
        ("a", "begin with /"),
        ("/a/", "leave out the /"),
        ("//a", "empty segment"),
        ("/*/a", "not its end"),
        ("/a*", "segment"),
        ("/{a", "a name is"),
        ("/{}", "a name is"),
        ("/{a}b", "a name is"),
        ("/{a-b}", "a name is"),
        ("/b{a}", "without"),
        ("/a?b", "without"),
        ("/a b", "without"),
        ("/é", "ASCII"),
        (many.as_str(), "at most 12"),
        (long.as_str(), "at most 64"),
    ] {
        let error = check(bad).unwrap_err();
        assert!(error.contains(part), "{bad}: {error}");
    }
    let config = Config {
        routes: vec!["/a".to_owned(); 1001],
        ..Config::default()
    };
    assert!(config.validate().is_err_and(|error| error.contains("1001")));
    let mut config = Config::default();
    config.logs[0].routes = vec!["a".to_owned()];
    assert!(
        config
            .validate()
            .is_err_and(|error| error.contains("logs: routes"))
    );
}

#[test]
fn routes_of_a_log_come_before_those_of_all_and_need_no_room() {
    let mut bench = Bench::new(Config {
        max_routes: 1,
        routes: vec!["/account/{any}".to_owned(), "/shared/*".to_owned()],
        ..Config::default()
    });
    bench.config.logs[0].routes = vec!["/account/{account}".to_owned()];
    bench.source = RequestsSource::new(&bench.config);
    for path in [
        "/a",
        "/b",
        "/account/jane",
        "/account/joe?x=1",
        "/shared/1/2",
    ] {
        // Answers that would make a learned route wait its turn.
        let text = line(1, &format!("GET {path} HTTP/1.1"), 404, "");
        bench.append("access.log", text.as_bytes());
    }
    bench.collect();
    let routes = by_route(&bench.drain_all());
    let want = [
        ("/a", 1),
        ("/account/{account}", 2),
        ("/shared/*", 1),
        ("OTHER", 1),
    ];
    assert!(
        routes
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .eq(want),
        "{routes:?}"
    );
}
