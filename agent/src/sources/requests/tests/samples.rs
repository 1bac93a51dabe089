use crmscope_proto::exemplars::ExemplarKind;

use super::*;

fn timed(target: &[u8], status: u16, milliseconds: u64) -> Line<'_> {
    Line {
        latency_us: Some(milliseconds * 1000),
        upstream_latency_us: Some(milliseconds * 900),
        ..request(target, status)
    }
}

fn exemplars_config(change: impl FnOnce(&mut exemplars::Config)) -> Config {
    let mut config = Config::default();
    change(&mut config.exemplars);
    config.validate().unwrap();
    config
}

#[test]
fn slow_and_failed_requests_leave_without_what_names_anybody() {
    let (mut counts, none) = aggregator(&exemplars_config(|_| ()));
    let service = counts.service("crm");
    for one in [
        timed(b"/account/42/edit?token=hunter2&name=jane", 200, 1000),
        timed(b"/u/jane@example.com?next=/x", 503, 7),
        timed(b"/account/7", 200, 999),
        timed(b"/account/8?secret=1", 404, 5),
        request(b"/account/9", 500),
    ] {
        counts.count(service, &none, &one, NOW_MS);
    }
    let contents = drained(&mut counts, NOW_MS);
    let shown: Vec<_> = contents
        .exemplars
        .iter()
        .map(|row| (row.kind, row.status, row.latency_us, row.target.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            (
                ExemplarKind::Slow,
                200,
                Some(1_000_000),
                "/account/{id}/edit"
            ),
            (ExemplarKind::Failed, 503, Some(7000), "/u/{id}"),
            (ExemplarKind::Failed, 500, None, "/account/{id}"),
        ]
    );
    let first = &contents.exemplars[0];
    assert_eq!(first.upstream_latency_us, Some(900_000));
    assert_eq!(
        (first.method.as_str(), first.network.as_str()),
        ("GET", "192.0.2.0/24")
    );
    assert_eq!(
        (first.service.as_str(), first.route.as_str()),
        ("crm", "/account/{id}/edit")
    );
    let text = format!("{contents:?}");
    for secret in ["hunter2", "jane", "192.0.2.7", "secret", "?"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let sampled: Vec<_> = contents
        .sampling
        .iter()
        .map(|row| (row.kind, row.eligible, row.kept))
        .collect();
    assert_eq!(
        sampled,
        [(ExemplarKind::Slow, 1, 1), (ExemplarKind::Failed, 2, 2)]
    );
}

/// Every request has the same chance, a seed repeats the choice, and the account is exact.
#[test]
fn samples_are_bounded_fair_and_accounted() {
    let choose = |seed| {
        let config = exemplars_config(|exemplars| exemplars.per_bucket = 5);
        let mut counts = Aggregator::new(&config, fastrand::Rng::with_seed(seed));
        let none = Configured::new([].into_iter());
        let service = counts.service("crm");
        for number in 0..100 {
            let one = Line {
                time_ms: NOW_MS + number,
                ..request(b"/", 500)
            };
            counts.count(service, &none, &one, NOW_MS);
        }
        let contents = drained(&mut counts, NOW_MS);
        assert_eq!(contents.sampling.len(), 1);
        assert_eq!(
            (contents.sampling[0].eligible, contents.sampling[0].kept),
            (100, 5)
        );
        let mut times: Vec<_> = contents
            .exemplars
            .iter()
            .map(|row| row.time_ms - NOW_MS)
            .collect();
        times.sort_unstable();
        times
    };
    assert_eq!(choose(3), choose(3));
    let mut chosen = [0u32; 100];
    for seed in 0..400 {
        let times = choose(seed);
        assert_eq!(times.len(), 5);
        for time in times {
            chosen[usize::try_from(time).unwrap()] += 1;
        }
    }
    // 20 each on average; a choice that favours the first or the last is far off.
    for part in chosen.chunks(20) {
        let part: u32 = part.iter().sum();
        assert!((300..=500).contains(&part), "{chosen:?}");
    }
}

#[test]
fn a_request_far_above_its_routes_own_is_slow() {
    let (mut counts, none) = aggregator(&exemplars_config(|_| ()));
    let service = counts.service("crm");
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..5000 {
        let one = timed(b"/usual", 200, random.u64(10..60));
        counts.count(service, &none, &one, NOW_MS);
        counts.count(
            service,
            &none,
            &timed(b"/fast", 200, random.u64(1..15)),
            NOW_MS,
        );
    }
    let warm = drained(&mut counts, NOW_MS);
    let slow: u64 = warm.sampling.iter().map(|row| row.eligible).sum();
    assert!(
        (1..=250).contains(&slow),
        "about one in a hundred of 5000: {slow}"
    );
    assert!(
        warm.exemplars.iter().all(|row| row.route == "/usual"),
        "nothing below the floor"
    );
    for (milliseconds, want) in [(30, 0), (500, 1)] {
        counts.count(service, &none, &timed(b"/usual", 200, milliseconds), NOW_MS);
        assert_eq!(
            drained(&mut counts, NOW_MS).exemplars.len(),
            want,
            "{milliseconds} ms"
        );
    }
    let (mut counts, none) = aggregator(&exemplars_config(|all| all.slow_adaptive = false));
    let service = counts.service("crm");
    for milliseconds in 0..999 {
        counts.count(service, &none, &timed(b"/usual", 200, milliseconds), NOW_MS);
    }
    assert_eq!(drained(&mut counts, NOW_MS).exemplars, []);
}

#[test]
fn what_counts_as_failed_and_what_is_kept_can_be_chosen() {
    let count = |config: &Config, status| {
        let (mut counts, none) = aggregator(config);
        let service = counts.service("crm");
        counts.count(
            service,
            &none,
            &request(b"/a?page=2&token=x", status),
            NOW_MS,
        );
        drained(&mut counts, NOW_MS).exemplars
    };
    let errors = exemplars_config(|all| all.client_errors = true);
    assert_eq!(count(&errors, 404).len(), 1);
    assert_eq!(count(&exemplars_config(|_| ()), 404).len(), 0);
    assert_eq!(
        count(&exemplars_config(|all| all.enabled = false), 500).len(),
        0
    );
    let query = exemplars_config(|all| all.keep_query = true);
    assert_eq!(count(&query, 500)[0].target, "/a?page=2&token={…}");
    for (change, key) in [
        (
            (|all| all.per_bucket = 0) as fn(&mut exemplars::Config),
            "per_bucket",
        ),
        (|all| all.slow_ms = 0, "slow_ms"),
    ] {
        let mut config = Config::default();
        change(&mut config.exemplars);
        assert!(config.validate().is_err_and(|error| error.contains(key)));
    }
}

#[test]
fn a_path_beyond_the_bound_of_routes_shows_no_word_of_its_own() {
    let config = Config {
        max_routes: 1,
        ..Config::default()
    };
    let (mut counts, none) = aggregator(&config);
    let service = counts.service("crm");
    for (path, status) in [("/people/list", 200), ("/people/jane-doe/7", 500)] {
        counts.count(service, &none, &request(path.as_bytes(), status), NOW_MS);
    }
    let contents = drained(&mut counts, NOW_MS);
    assert_eq!(contents.exemplars[0].route, "OTHER");
    assert_eq!(contents.exemplars[0].target, "/people/{slug}/{id}");
}

#[test]
fn reading_pauses_while_too_many_samples_are_held() {
    let (mut counts, none) = aggregator(&exemplars_config(|all| all.per_bucket = 20));
    let service = counts.service("crm");
    let mut offered = 0;
    while counts.ready() {
        let one = Line {
            time_ms: NOW_MS + offered / 20 * 10_000,
            ..request(b"/", 500)
        };
        counts.count(service, &none, &one, NOW_MS);
        offered += 1;
    }
    let contents = drained(&mut counts, NOW_MS);
    assert!(contents.exemplars.len() + contents.sampling.len() <= 4097);
    assert_eq!(i64::try_from(contents.exemplars.len()).unwrap(), offered);
    assert!(counts.ready());
}

/// The application's time has a sketch of its own, of those requests whose line tells.
#[test]
fn upstream_latencies_are_counted_beside_the_whole() {
    let (mut counts, none) = aggregator(&Config::default());
    let service = counts.service("crm");
    for milliseconds in 1..=10 {
        counts.count(service, &none, &timed(b"/a", 200, milliseconds), NOW_MS);
    }
    counts.count(service, &none, &request(b"/a", 200), NOW_MS);
    let rows = drained(&mut counts, NOW_MS).requests;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].requests, rows[0].latency.count()), (11, 10));
    assert_eq!(rows[0].upstream.count(), 10);
    assert_eq!(rows[0].upstream.sum_us(), 55 * 900);
    assert_eq!(rows[0].upstream.max_us(), 9000);
}
