use super::*;

/// Words without digits, so that nothing takes them for ids.
fn word(mut number: usize) -> String {
    let mut word = String::from("w");
    loop {
        word.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
        number /= 26;
        if number == 0 {
            return word;
        }
    }
}

fn config(max_routes: usize, slug_after: usize) -> Config {
    Config {
        max_routes,
        slug_after,
        ..Config::default()
    }
}

#[test]
fn too_many_words_below_one_route_become_a_slug() {
    let (mut counts, none) = aggregator(&config(1000, 8));
    let service = counts.service("crm");
    for number in 0..500 {
        for path in [
            format!("/blog/{}", word(number)),
            format!("/shop/{}/buy", word(number)),
        ] {
            counts.count(service, &none, &request(path.as_bytes(), 200), NOW_MS);
        }
        counts.count(service, &none, &request(b"/blog", 200), NOW_MS);
        counts.count(service, &none, &request(b"/account/list", 200), NOW_MS);
    }
    let routes = by_route(&drained(&mut counts, NOW_MS));
    assert_eq!(routes.values().sum::<u64>(), 2000);
    assert_eq!(routes["/blog/{slug}"], 492);
    assert_eq!(routes["/shop/{slug}/buy"], 492);
    assert_eq!(routes["/blog"], 500);
    assert_eq!(routes["/account/list"], 500);
    for number in 0..8 {
        assert_eq!(routes[&format!("/blog/{}", word(number))], 1);
        assert_eq!(routes[&format!("/shop/{}/buy", word(number))], 1);
    }
    assert_eq!(routes.len(), 2 * 9 + 2);
}

/// The same requests in the same order have the same names; within a batch no name changes.
#[test]
fn a_route_keeps_its_name_within_a_batch_and_later() {
    let (mut counts, none) = aggregator(&config(1000, 4));
    let service = counts.service("crm");
    let mut names = Vec::new();
    for _ in 0..2 {
        for number in 0..20 {
            let path = format!("/blog/{}", word(number));
            counts.count(service, &none, &request(path.as_bytes(), 200), NOW_MS);
        }
        names.push(by_route(&drained(&mut counts, NOW_MS)));
    }
    assert_eq!(names[0], names[1]);
    for number in 0..20 {
        let path = format!("/blog/{}", word(number));
        for status in [200, 404, 500] {
            counts.count(service, &none, &request(path.as_bytes(), status), NOW_MS);
        }
    }
    let all = by_route(&drained(&mut counts, NOW_MS));
    assert!(
        names[0].iter().all(|(name, count)| all[name] == count * 3),
        "{all:?}"
    );
    assert_eq!(all.len(), names[0].len());
}

#[test]
fn scanners_make_no_slugs_and_fill_nothing() {
    let (mut counts, none) = aggregator(&config(100, 8));
    let service = counts.service("crm");
    for number in 0..50_000 {
        let path = format!("/{}", word(number));
        counts.count(service, &none, &request(path.as_bytes(), 404), NOW_MS);
    }
    for number in 0..6 {
        let path = format!("/app/{}", word(number));
        counts.count(service, &none, &request(path.as_bytes(), 200), NOW_MS);
    }
    let routes = by_route(&drained(&mut counts, NOW_MS));
    assert_eq!(routes["OTHER"], 50_000 - 25);
    assert!(
        !routes.keys().any(|name| name.contains("{slug}")),
        "{routes:?}"
    );
    assert_eq!(
        routes
            .keys()
            .filter(|name| name.starts_with("/app/"))
            .count(),
        6
    );
    assert_eq!(routes.len(), 25 + 6 + 1);
}

/// A word that was only missing, and is there later, counts from then on.
#[test]
fn a_word_counts_once_it_was_answered() {
    let (mut counts, none) = aggregator(&config(100, 2));
    let service = counts.service("crm");
    for (path, status) in [
        ("/blog/wx", 404),
        ("/blog/wx", 200),
        ("/blog/wy", 200),
        ("/blog/wz", 200),
        ("/blog/wx", 200),
    ] {
        counts.count(service, &none, &request(path.as_bytes(), status), NOW_MS);
    }
    let routes = by_route(&drained(&mut counts, NOW_MS));
    let want = [("/blog/wx", 3), ("/blog/wy", 1), ("/blog/{slug}", 1)];
    assert!(
        routes
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .eq(want),
        "{routes:?}"
    );
}

#[test]
fn words_not_seen_for_an_hour_are_forgotten_and_slugs_stay() {
    let (mut counts, none) = aggregator(&config(1000, 4));
    let service = counts.service("crm");
    let visit = |counts: &mut Aggregator, numbers: std::ops::Range<usize>, now_ms| {
        for number in numbers {
            let path = format!("/blog/{}", word(number));
            counts.count(service, &none, &request(path.as_bytes(), 200), now_ms);
        }
        by_route(&drained(counts, now_ms))
    };
    visit(&mut counts, 0..10, NOW_MS);
    let before = counts.held_names();
    let later = NOW_MS + 3_600_001;
    visit(&mut counts, 3..4, later - 1000);
    visit(&mut counts, 8..10, later);
    visit(&mut counts, 0..0, later + 60_000);
    let routes = visit(&mut counts, 0..10, later + 61_000);
    // Seen within the hour, and so still a word of its own; the other three are not any more.
    assert_eq!(routes[&format!("/blog/{}", word(3))], 1);
    assert_eq!(routes["/blog/{slug}"], 9);
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert!(counts.held_names() < before);
}

/// What is held does not grow with the number of routes.
#[test]
fn memory_is_flat_under_a_hundred_thousand_routes() {
    let (mut counts, none) = aggregator(&Config {
        max_routes: 500,
        ..Config::default()
    });
    let service = counts.service("crm");
    let mut held = Vec::new();
    let mut total = 0;
    for number in 0..100_000 {
        let path = format!(
            "/{}/{}/{}",
            word(number % 300),
            word(number),
            word(number / 7)
        );
        counts.count(service, &none, &request(path.as_bytes(), 200), NOW_MS);
        if number % 10_000 == 9999 {
            total += by_route(&drained(&mut counts, NOW_MS))
                .values()
                .sum::<u64>();
            held.push(counts.held_names());
        }
    }
    assert_eq!(total, 100_000);
    // Each learned route, and the paths of its three segments; the root.
    assert!(held.iter().all(|held| *held <= 500 * 4 + 1), "{held:?}");
    assert!(held[9] <= held[1] + held[1] / 10, "{held:?}");
}

#[test]
fn clients_cannot_pass_words_off_as_placeholders() {
    let (mut counts, none) = aggregator(&config(1000, 4));
    let service = counts.service("crm");
    for number in 0..100 {
        let path = format!("/blog/{{{}}}", word(number));
        counts.count(service, &none, &request(path.as_bytes(), 200), NOW_MS);
    }
    assert_eq!(by_route(&drained(&mut counts, NOW_MS)).len(), 5);
}
