//! Simulated users: six weeks of work, and what was injected into it.
//!
//! People with working hours in two time zones, weekends, holidays, evenings, mistyped and forgotten
//! passwords, phones that try an old one, a few weeks' travel, new laptops, an office with a new address, and
//! exports from none to a large report each month. What is injected is in the last four weeks.

use std::collections::BTreeMap;

use super::super::history::{Activity, History, Login};
use super::{MONDAY_MS, activity, at, login};
use crate::baselines::history::{DAY_MS, HOUR_MS};

/// Days that are simulated.
pub(super) const DAYS: i64 = 42;

/// What was injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attack {
    /// 10,000 to 200,000 records within an hour.
    BulkExport,
    /// Five to ten hours with as much as the largest usual export and some more in each.
    SpreadExport,
    /// A login from a new network, by a new client, three to five hours after midnight by the user's clocks.
    NightLogin,
    /// The same by day, by the usual client.
    DayLogin,
    /// 6 to 12 failed logins an hour for 6 to 24 hours.
    SlowBruteForce,
    /// 50 to 300 failed logins within an hour.
    Burst,
}

impl Attack {
    pub(super) const ALL: [Self; 6] = [
        Self::BulkExport,
        Self::SpreadExport,
        Self::NightLogin,
        Self::DayLogin,
        Self::SlowBruteForce,
        Self::Burst,
    ];
}

/// What was injected into a user's weeks, and from when to when, Unix ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Injected {
    pub(super) attack: Attack,
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
}

/// A user's weeks.
#[derive(Default)]
pub(super) struct User {
    pub(super) history: History,
    pub(super) injected: Vec<Injected>,
}

#[derive(Default)]
struct Weeks {
    counts: BTreeMap<(i64, &'static str, bool), (u64, u64)>,
    logins: BTreeMap<(i64, String, String), ()>,
}

impl Weeks {
    fn add(&mut self, hour_ms: i64, kind: &'static str, failed: bool, events: u64, records: u64) {
        let of = self.counts.entry((hour_ms, kind, failed)).or_default();
        *of = (of.0 + events, of.1 + records);
    }

    fn login(&mut self, hour_ms: i64, network: &str, client: &str) {
        self.add(hour_ms, "app_login", false, 1, 0);
        let key = (hour_ms, network.to_owned(), client.to_owned());
        self.logins.insert(key, ());
    }
}

fn chance(random: &mut fastrand::Rng, percent: u32) -> bool {
    random.u32(..100) < percent
}

/// A week's worth of work and what happens to people, by a seed.
pub(super) fn users(seed: u64, count: usize) -> Vec<User> {
    let mut random = fastrand::Rng::with_seed(seed);
    let new_office = random.i64(7..DAYS);
    (0..count)
        .map(|number| user(&mut random, number, new_office))
        .collect()
}

fn user(random: &mut fastrand::Rng, number: usize, new_office: i64) -> User {
    let mut weeks = Weeks::default();
    // By UTC: Berlin, or New York.
    let clocks = if chance(random, 70) { 2 } else { -4 };
    let starts = random.i64(7..10);
    let works_weekends = chance(random, 10);
    let home = format!("10.{number}.0.0/24");
    let offices = ["192.0.2.0/24", "198.51.100.0/24"];
    let holiday = random.i64(0..DAYS);
    let holiday = holiday..holiday + if chance(random, 40) { 7 } else { 0 };
    let travel = random.i64(0..DAYS);
    let travel = travel
        ..travel
            + if chance(random, 25) {
                random.i64(2..6)
            } else {
                0
            };
    let new_laptop = if chance(random, 15) {
        random.i64(0..DAYS)
    } else {
        DAYS
    };
    let phone_with_old_password = if chance(random, 8) {
        random.i64(0..DAYS)
    } else {
        DAYS
    };
    // None, a little each week, a lot each day, or a large report each month beside a little.
    let exports = random.u32(..10);
    let usual = random.u64(50..600);
    for day in 0..DAYS {
        let is_weekend = day % 7 >= 5;
        let works = !is_weekend || works_weekends && chance(random, 50) || chance(random, 3);
        let hour = |local: i64| at(day, local - clocks);
        if exports == 7 {
            // A program: each night, also at weekends, as much as there is.
            weeks.add(
                hour(5),
                "data_export",
                false,
                1,
                usual * 20 + random.u64(0..usual),
            );
        }
        if !works || holiday.contains(&day) {
            continue;
        }
        let client = match (day >= new_laptop, chance(random, 10)) {
            (_, true) => "crm password phone",
            (true, _) => "crm password laptop-2",
            (false, _) => "crm password laptop-1",
        };
        let away = travel.contains(&day);
        let network = match (away, chance(random, 60)) {
            (true, _) => format!("203.0.{number}.0/24"),
            (_, true) => offices[usize::from(day >= new_office)].to_owned(),
            _ => home.clone(),
        };
        let shift = if away && chance(random, 50) { 3 } else { 0 };
        let mut hours = vec![starts + random.i64(0..2) + shift];
        hours.extend((0..random.i64(1..4)).map(|_| starts + random.i64(2..9) + shift));
        if chance(random, 6) {
            hours.push(random.i64(19..24));
        }
        if chance(random, 1) {
            hours.push(random.i64(0..6));
        }
        for local in hours {
            weeks.login(hour(local), &network, client);
            if chance(random, 15) {
                weeks.add(hour(local), "app_login", true, random.u64(1..3), 0);
            }
        }
        if chance(random, 1) || day == holiday.end && !holiday.is_empty() {
            // Forgotten.
            weeks.add(hour(starts), "app_login", true, random.u64(3..7), 0);
        }
        if (phone_with_old_password..phone_with_old_password + 2).contains(&day) {
            for local in starts..starts + 8 {
                weeks.add(hour(local), "app_login", true, random.u64(1..5), 0);
            }
        }
        let exported = match exports {
            4..=6 if chance(random, 25) => random.u64(usual / 5..usual * 2),
            8 => random.u64(usual..usual * 8),
            9 if day % 28 == 0 => random.u64(20_000..60_000),
            9 if chance(random, 20) => random.u64(usual / 5..usual * 2),
            _ => 0,
        };
        if exported > 0 {
            let local = starts + random.i64(2..8);
            weeks.add(
                hour(local),
                "data_export",
                false,
                random.u64(1..4),
                exported,
            );
        }
    }
    let mut user = User::default();
    if chance(random, 25) {
        let attack = Attack::ALL[random.usize(..Attack::ALL.len())];
        let hour = at(random.i64(14..DAYS - 1), 0);
        user.injected
            .push(inject(random, &mut weeks, attack, hour, clocks, usual));
    }
    for ((hour_ms, kind, failed), (events, records)) in weeks.counts {
        let of: Activity = activity(hour_ms, kind, failed, events, records);
        user.history.activity.push(of);
    }
    let logins = weeks.logins.into_keys();
    let logins: Vec<Login> = logins
        .map(|(hour_ms, network, client)| login(hour_ms, &network, &client))
        .collect();
    user.history.logins = logins;
    user
}

fn inject(
    random: &mut fastrand::Rng,
    weeks: &mut Weeks,
    attack: Attack,
    day_ms: i64,
    clocks: i64,
    usual: u64,
) -> Injected {
    debug_assert_eq!((day_ms - MONDAY_MS) % DAY_MS, 0);
    let hour = |local: i64| day_ms + (local - clocks) * HOUR_MS;
    let (first, hours) = match attack {
        Attack::BulkExport => (random.i64(0..24), 1),
        Attack::SpreadExport => (random.i64(0..14), random.i64(5..11)),
        Attack::NightLogin => (random.i64(3..6), 1),
        Attack::DayLogin => (random.i64(10..16), 1),
        Attack::SlowBruteForce => (random.i64(0..24), random.i64(6..25)),
        Attack::Burst => (random.i64(0..24), 1),
    };
    for local in first..first + hours {
        match attack {
            Attack::BulkExport => {
                let records = random.u64(10_000..200_000);
                weeks.add(
                    hour(local),
                    "data_export",
                    false,
                    random.u64(1..40),
                    records,
                );
            }
            Attack::SpreadExport => {
                let records = random.u64(usual * 2..usual * 4);
                weeks.add(hour(local), "data_export", false, 2, records);
            }
            Attack::NightLogin => weeks.login(hour(local), "185.220.101.0/24", "crm password curl"),
            Attack::DayLogin => {
                weeks.login(hour(local), "185.220.101.0/24", "crm password laptop-1");
            }
            Attack::SlowBruteForce => {
                weeks.add(hour(local), "app_login", true, random.u64(6..13), 0);
            }
            Attack::Burst => weeks.add(hour(local), "app_login", true, random.u64(50..301), 0),
        }
    }
    Injected {
        attack,
        from_ms: hour(first),
        to_ms: hour(first + hours),
    }
}
