use std::collections::{BTreeMap, HashMap};

use crmscope_proto::clients::{ClientRow, OTHER, UNKNOWN};
use proptest::prelude::*;

use super::super::clients::{Busiest, Figures};
use super::super::network::{Network, Prefixes};
use super::*;

const PREFIXES: Prefixes = Prefixes { ipv4: 24, ipv6: 48 };

#[test]
fn addresses_lose_what_tells_a_host_from_its_neighbours() {
    for (client, network) in [
        ("203.0.113.77", "203.0.113.0/24"),
        ("203.0.113.77:51234", "203.0.113.0/24"),
        ("255.255.255.255", "255.255.255.0/24"),
        ("0.0.0.0", "0.0.0.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("[2001:db8:1:2::6]:443", "2001:db8:1::/48"),
        ("[2001:db8:1:2::6]", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("::1", "::/48"),
        ("", UNKNOWN),
        ("-", UNKNOWN),
        ("unix:", UNKNOWN),
        ("crm.example.com", UNKNOWN),
        ("256.0.0.1", UNKNOWN),
        ("1.2.3", UNKNOWN),
        ("1.2.3.4.5", UNKNOWN),
        ("1.2.3.", UNKNOWN),
        ("1..2.3", UNKNOWN),
        ("1.2.3.4:", UNKNOWN),
        ("1.2.3.4:123456", UNKNOWN),
        ("1.2.3.4, 5.6.7.8", UNKNOWN),
        ("[::1", UNKNOWN),
        ("[::1]x", UNKNOWN),
    ] {
        assert_eq!(
            Network::of(client.as_bytes(), PREFIXES).to_string(),
            network,
            "{client}"
        );
    }
    let whole = Prefixes {
        ipv4: 32,
        ipv6: 128,
    };
    assert_eq!(Network::of(b"1.2.3.4", whole).to_string(), "1.2.3.4/32");
    assert_eq!(Network::of(b"::5", whole).to_string(), "::5/128");
    let least = Prefixes { ipv4: 1, ipv6: 1 };
    assert_eq!(Network::of(b"129.2.3.4", least).to_string(), "128.0.0.0/1");
}

/// What the rows promise, against exact counts.
fn assert_bounds(rows: &[ClientRow], exact: &BTreeMap<String, u64>, most: usize) {
    let all: u64 = exact.values().sum();
    let sum = |figure: fn(&ClientRow) -> u64| rows.iter().map(figure).sum::<u64>();
    assert_eq!(sum(|row| row.requests), all, "each request is in one row");
    assert_eq!(sum(|row| row.response_bytes), all * 10);
    assert_eq!(sum(|row| row.server_errors), all);
    let other = rows.iter().find(|row| row.network == OTHER);
    let beyond = other.map_or(0, |row| row.in_other_max);
    assert!(beyond <= all / most as u64, "no more than n / k");
    let rows: HashMap<&str, &ClientRow> =
        rows.iter().map(|row| (row.network.as_str(), row)).collect();
    for (network, &count) in exact {
        match rows.get(network.as_str()) {
            Some(row) => {
                assert!(row.requests <= count, "{network}: at least so many");
                assert!(
                    count <= row.requests + row.in_other_max,
                    "{network}: at most so many"
                );
                assert!(row.in_other_max <= beyond);
            }
            None => assert!(
                count <= beyond,
                "{network} is absent and had {count} > {beyond}"
            ),
        }
    }
}

proptest! {
    #[test]
    fn bounds_hold_for_any_order_of_clients(
        clients in proptest::collection::vec((0..4u8, 0..40u8), 0..400),
        most in 1..12usize,
    ) {
        let mut busiest = Busiest::default();
        let mut exact: BTreeMap<String, u64> = BTreeMap::new();
        for (heavy, client) in clients {
            // A few have most of the requests.
            let client = if heavy == 0 { client } else { client % 3 };
            let network = Network::of(format!("10.0.{client}.1").as_bytes(), PREFIXES);
            busiest.add(network, &Figures::of(5, 10), most);
            *exact.entry(network.to_string()).or_default() += 1;
        }
        let rows = busiest.rows(0, "crm");
        prop_assert!(rows.len() <= most + 1);
        assert_bounds(&rows, &exact, most);
    }

    #[test]
    fn no_bytes_panic(client in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Network::of(&client, PREFIXES).to_string();
    }
}

#[test]
fn many_networks_are_counted_exactly_together_and_a_busy_one_is_found() {
    let mut bench = Bench::new(Config {
        clients: clients::Config {
            max_networks: 10,
            ..clients::Config::default()
        },
        ..Config::default()
    });
    let mut text = String::new();
    for number in 0..6000u32 {
        let client = if number % 3 == 0 {
            "198.51.100.9".to_owned()
        } else {
            format!("10.{}.{}.1", number / 256, number % 256)
        };
        let status = [200, 404, 503][number as usize % 3];
        text += &line(1, "GET / HTTP/1.1", status, "").replacen("10.0.0.1", &client, 1);
    }
    text += &line(1, "GET / HTTP/1.1", 200, "").replacen("10.0.0.1", "-", 1);
    bench.append("access.log", text.as_bytes());
    bench.collect();
    let contents = bench.drain_all();
    let rows = &contents.clients;
    assert_eq!(rows.len(), 11);
    assert!(rows.iter().all(|row| row.window_start_ms % 60_000 == 0));
    let sum = |figure: fn(&ClientRow) -> u64| rows.iter().map(figure).sum::<u64>();
    assert_eq!(sum(|row| row.requests), 6001);
    assert_eq!(sum(|row| row.client_errors), 2000);
    assert_eq!(sum(|row| row.server_errors), 2000);
    assert_eq!(total(&contents.requests), 6001);
    let busy = rows
        .iter()
        .find(|row| row.network == "198.51.100.0/24")
        .unwrap();
    assert!(busy.requests <= 2000 && 2000 <= busy.requests + busy.in_other_max);
    assert_eq!(bench.drain_all(), Contents::default());
}

#[test]
fn reading_pauses_while_too_many_networks_are_held() {
    let mut bench = Bench::new(Config {
        clients: clients::Config {
            max_networks: 1000,
            ..clients::Config::default()
        },
        ..Config::default()
    });
    let mut text = String::new();
    for number in 0..30_000u32 {
        // Of thirty minutes, so that no table is full.
        let client = format!("10.{}.{}.1", number % 900 / 256, number % 256);
        text += &line(i64::from(number / 1000) * 60, "GET / HTTP/1.1", 200, "")
            .replacen("10.0.0.1", &client, 1);
    }
    bench.append("access.log", text.as_bytes());
    let mut batches = Vec::new();
    for _ in 0..3 {
        bench.collect();
        let contents = bench.drain_all();
        assert!(contents.clients.len() <= 16_384);
        let clients: u64 = contents.clients.iter().map(|row| row.requests).sum();
        assert_eq!(clients, total(&contents.requests));
        batches.push(clients);
    }
    assert!(batches[0] < 30_000);
    assert_eq!(batches.iter().sum::<u64>(), 30_000);
}

#[test]
fn networks_are_not_counted_when_turned_off() {
    let mut config = Config::default();
    config.clients.enabled = false;
    let (mut counts, none) = aggregator(&config);
    let service = counts.service("crm");
    counts.count(service, &none, &request(b"/", 200), NOW_MS);
    assert_eq!(drained(&mut counts, NOW_MS).clients, []);
    for (change, key) in [
        (
            (|clients| clients.max_networks = 0) as fn(&mut clients::Config),
            "max_networks",
        ),
        (|clients| clients.ipv4_prefix = 33, "ipv4_prefix"),
        (|clients| clients.ipv6_prefix = 0, "ipv6_prefix"),
    ] {
        let mut config = Config::default();
        change(&mut config.clients);
        assert!(config.validate().is_err_and(|error| error.contains(key)));
    }
}
