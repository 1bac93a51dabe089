//! What is found is a function of the set of events.

use proptest::prelude::*;

use super::super::record::Told;
use super::*;

const KINDS: [(&str, bool); 4] = [
    ("app_login", false),
    ("app_login", true),
    ("data_export", false),
    ("ssh_login", true),
];

/// A user's six weeks and some hours that are judged.
fn history() -> impl Strategy<Value = History> {
    let hours = 0..44i64 * 24;
    let happened = (hours.clone(), 0..KINDS.len(), 1..40u64, 0..20_000u64);
    let logged_in = (hours, 0..4u8, 0..3u8);
    let events = prop::collection::btree_map((0..44i64 * 24, 0..KINDS.len()), happened, 0..120);
    let logins = prop::collection::btree_set(logged_in, 0..120);
    (events, logins).prop_map(|(events, logins)| History {
        activity: events
            .into_iter()
            .map(|((hour, kind), (.., events, records))| {
                let (kind, failed) = KINDS[kind];
                activity(at(0, hour), kind, failed, events, records)
            })
            .collect(),
        logins: logins
            .into_iter()
            .map(|(hour, network, client)| {
                let client = format!("crm {client}");
                login(at(0, hour), &format!("192.0.{network}.0/24"), &client)
            })
            .collect(),
        told: Vec::new(),
    })
}

/// Everything that is found hour by hour, as the watch does.
fn all(history: &History) -> Vec<Verdict> {
    let mut history = history.clone();
    let mut told = Told::default();
    let mut found = Vec::new();
    for hour in 0..44 * 24 {
        let verdicts = judge(&Config::default(), &berlin(), &history, at(0, hour));
        told.add(&Config::default(), &verdicts, &mut history.told);
        found.extend(verdicts);
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn in_whatever_order_it_is_given(history in history(), seed in any::<u64>()) {
        let mut shuffled = history.clone();
        let mut random = fastrand::Rng::with_seed(seed);
        random.shuffle(&mut shuffled.activity);
        random.shuffle(&mut shuffled.logins);
        prop_assert_eq!(all(&history), all(&shuffled));
    }

    /// What comes up to a day late changes nothing that was judged of other hours since, and of its own hour
    /// it makes nothing usual.
    #[test]
    fn what_comes_late_takes_nothing_back(history in history(), hour in 30i64 * 24..43 * 24, later in 0i64..24) {
        let now = at(0, hour);
        let mut late = history.clone();
        let at_once = |of: i64| of <= now + later * HOUR_MS;
        late.activity.retain(|of| at_once(of.hour_ms) && of.hour_ms != now);
        late.logins.retain(|of| at_once(of.hour_ms) && of.hour_ms != now);
        let config = Config::default();
        let judged = |history: &History, hour_ms| detectors(&judge(&config, &berlin(), history, hour_ms));
        for of in 1..=later {
            prop_assert_eq!(judged(&late, now + of * HOUR_MS), judged(&history, now + of * HOUR_MS));
        }
        let mut more = history.clone();
        for of in more.activity.iter_mut().filter(|of| of.hour_ms == now) {
            of.events *= 2;
            of.records += 1;
        }
        more.logins.push(login(now, "203.0.113.0/24", "another"));
        let (before, after) = (judged(&history, now), judged(&more, now));
        prop_assert!(before.iter().all(|one| after.contains(one)), "{:?} {:?}", before, after);
    }
}

#[test]
fn what_is_told_of_one_time_is_one() {
    let config = Config::default();
    let mut told = Vec::new();
    let mut of = Told::default();
    let history = worker();
    for (day, hour) in [(42, 3), (43, 2), (44, 4)] {
        let mut history = history.clone();
        history
            .logins
            .push(login(at(day, hour), "203.0.113.0/24", "crm password"));
        let verdicts = judge(&config, &TimeZone::utc(), &history, at(day, hour));
        assert_eq!(verdicts.len(), 3);
        of.add(&config, &verdicts, &mut told);
    }
    // The second is within a day of the first, the third is not; what is low is not told.
    assert_eq!(
        told,
        [
            (at(42, 3) + 60_000, at(43, 2) + 120_000),
            (at(44, 4) + 60_000, at(44, 4) + 120_000)
        ]
    );
}
