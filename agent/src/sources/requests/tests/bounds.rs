use super::*;

#[test]
fn routes_beyond_the_bound_are_other_and_scanners_cannot_fill_the_table() {
    let mut bench = Bench::new(Config {
        max_routes: 8,
        ..Config::default()
    });
    let letters = |number: u32| char::from_u32(u32::from('a') + number).unwrap();
    for number in 0..20 {
        bench.append(
            "access.log",
            line(
                1,
                &format!("GET /scan/{} HTTP/1.1", letters(number)),
                404,
                "",
            )
            .as_bytes(),
        );
    }
    for number in 0..20 {
        bench.append(
            "access.log",
            line(
                1,
                &format!("GET /app/{} HTTP/1.1", letters(number)),
                200,
                "",
            )
            .as_bytes(),
        );
    }
    bench.collect();
    let rows = bench.drain();
    let count = |start: &str| {
        rows.iter()
            .filter(|row| row.route.starts_with(start))
            .count()
    };
    assert_eq!((count("/scan/"), count("/app/")), (2, 6));
    let other: u64 = rows
        .iter()
        .filter(|row| row.route == "OTHER")
        .map(|row| row.requests)
        .sum();
    assert_eq!(other, 18 + 14);
    assert_eq!(total(&rows), 40);
}

#[test]
fn services_beyond_the_bound_are_other() {
    let mut bench = Bench::new(Config {
        max_services: 2,
        ..Config::default()
    });
    for name in ["a", "b", "c", "d"] {
        bench.append(
            &format!("{name}-access.log"),
            line(1, "GET / HTTP/1.1", 200, "").as_bytes(),
        );
    }
    bench.collect();
    let rows = bench.drain();
    let mut services: Vec<_> = rows
        .iter()
        .map(|row| (row.service.as_str(), row.requests))
        .collect();
    services.sort_unstable();
    assert_eq!(services.len(), 3);
    assert!(services.contains(&("OTHER", 2)), "{services:?}");
}

#[test]
fn lines_outside_of_the_accepted_time_are_dropped() {
    let mut bench = Bench::new(Config::default());
    for date in [
        "01/Jan/2020:00:00:00",
        "23/Nov/2025:02:00:00",
        "23/Nov/2035:02:00:00",
    ] {
        bench.append(
            "access.log",
            format!("h - - [{date} +0000] \"GET / HTTP/1.1\" 200 1\n").as_bytes(),
        );
    }
    bench.collect();
    assert_eq!(total(&bench.drain()), 1);
    assert_eq!(bench.counted(SourceMetric::Dropped), 2);
}

/// Held counters are bounded: reading pauses, and nothing is lost.
#[test]
fn reading_pauses_while_too_many_counters_are_held() {
    let mut bench = Bench::new(Config {
        max_routes: 10_000,
        slug_after: 10_000,
        ..Config::default()
    });
    let mut text = String::new();
    for number in 0..30_000u32 {
        let name: String = (number % 9000)
            .to_string()
            .chars()
            .map(|digit| char::from(digit as u8 + 49))
            .collect();
        text += &line(
            i64::from(number / 9000) * 10,
            &format!("GET /{name} HTTP/1.1"),
            200,
            "",
        );
    }
    bench.append("access.log", text.as_bytes());
    let mut batches = Vec::new();
    for _ in 0..3 {
        bench.collect();
        batches.push(total(&bench.drain()));
    }
    assert!(batches[0] < 30_000);
    assert_eq!(batches.iter().sum::<u64>(), 30_000);
}

#[test]
fn while_routes_are_shed_all_count_as_other_and_nothing_is_lost() {
    use crate::runtime::budget::{Economy, Subject};
    let mut bench = Bench::new(Config::default());
    let write = |bench: &Bench, letter: char, status: u16| {
        let text = line(1, &format!("GET /app/{letter} HTTP/1.1"), status, "");
        bench.append("access.log", text.as_bytes());
    };
    let routes = |rows: &[RequestRow]| -> Vec<(String, u8, u64)> {
        let row = |row: &RequestRow| (row.route.clone(), row.status_class, row.requests);
        let mut routes: Vec<_> = rows.iter().map(row).collect();
        routes.sort_unstable();
        routes
    };
    write(&bench, 'a', 200);
    bench.collect();
    bench.source.economise(Economy::of(&[Subject::Routes]));
    for (letter, status) in [('a', 200), ('b', 200), ('c', 500)] {
        write(&bench, letter, status);
    }
    bench.append("access.log", line(1, "garbage", 400, "").as_bytes());
    bench.collect();
    let rows = bench.drain();
    assert_eq!(
        routes(&rows),
        [
            ("/app/a".to_owned(), 2, 1),
            ("INVALID".to_owned(), 4, 1),
            ("OTHER".to_owned(), 2, 2),
            ("OTHER".to_owned(), 5, 1),
        ]
    );
    assert_eq!(total(&rows), 5);
    write(&bench, 'a', 200);
    bench.collect();
    assert_eq!(routes(&bench.drain()), [("OTHER".to_owned(), 2, 1)]);

    // The table was emptied, and fills again.
    bench.source.economise(Economy::default());
    write(&bench, 'b', 404);
    write(&bench, 'a', 200);
    bench.collect();
    let back = [("/app/a".to_owned(), 2, 1), ("/app/b".to_owned(), 4, 1)];
    assert_eq!(routes(&bench.drain()), back);
}
