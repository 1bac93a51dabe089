use super::*;

fn objective() -> Objective {
    Objective {
        name: "pages".to_owned(),
        service: "crm".to_owned(),
        target: 0.999,
        ..Objective::default()
    }
}

/// Every window with 100,000 requests, so many of them bad.
fn windows(bad: [u64; 7]) -> Windows {
    let window = |bad| Window { all: 100_000, bad };
    Windows {
        each: bad.map(window),
        idle_ms: 0,
    }
}

fn kinds(windows: &Windows, open: &[Kind]) -> Vec<Kind> {
    faults(&objective(), windows, open)
        .into_iter()
        .map(|(kind, _)| kind)
        .collect()
}

#[test]
fn both_windows_of_a_pair_have_to_burn() {
    // 14.4 times 0.1 % of 100,000 is 1,440.
    let fast = [1_441, 0, 1_441, 0, 0, 0, 0];
    assert_eq!(kinds(&windows(fast), &[]), [Kind::BudgetBurnsFast]);
    assert!(kinds(&windows([1_441, 0, 1_440, 0, 0, 0, 0]), &[]).is_empty());
    assert!(kinds(&windows([1_440, 0, 1_441, 0, 0, 0, 0]), &[]).is_empty());
    assert_eq!(
        kinds(&windows([0, 601, 0, 0, 601, 0, 0]), &[]),
        [Kind::BudgetBurnsFast]
    );
    assert_eq!(
        kinds(&windows([0, 0, 0, 301, 0, 301, 0]), &[]),
        [Kind::BudgetBurnsSlowly]
    );
    assert_eq!(
        kinds(&windows([0, 0, 0, 0, 101, 0, 101]), &[]),
        [Kind::BudgetBurnsSlowly]
    );
    let both = [5_000; 7];
    assert_eq!(
        kinds(&windows(both), &[]),
        [Kind::BudgetBurnsFast, Kind::BudgetBurnsSlowly]
    );
    // What burns goes on until the shorter window is quiet.
    let dying = windows([1_441, 0, 1_000, 0, 0, 0, 0]);
    assert_eq!(
        kinds(&dying, &[Kind::BudgetBurnsFast]),
        [Kind::BudgetBurnsFast]
    );
    let told = &faults(&objective(), &windows(fast), &[])[0].1;
    assert_eq!(
        told,
        "pages: its error budget of 30 days burns 14.4 times as fast as it may: 1441 of 100000 requests in 60 minutes and 1441 of 100000 requests in 5 minutes were bad."
    );
}

#[test]
fn few_requests_have_no_rate_and_none_is_a_fault() {
    let mut few = windows([50; 7]);
    few.each[2] = Window { all: 59, bad: 59 };
    assert_eq!(kinds(&few, &[]), [Kind::LowTraffic]);
    few.each[2].all = 100;
    assert_eq!(kinds(&few, &[Kind::LowTraffic]), [Kind::LowTraffic]);
    few.each[2] = Window { all: 120, bad: 0 };
    assert_eq!(kinds(&few, &[Kind::LowTraffic]), []);
    few.each[2] = Window::default();
    let open = [Kind::BudgetBurnsFast];
    assert_eq!(kinds(&few, &open), [Kind::NoTraffic, Kind::BudgetBurnsFast]);
    assert_eq!(kinds(&few, &[]), [Kind::NoTraffic]);
}

/// Of availability: every window known whole, and so many ms of it down.
fn times(down_ms: [u64; 7]) -> Windows {
    let mut each = [Window::default(); 7];
    for ((window, minutes), bad) in each.iter_mut().zip(WINDOWS_MINUTES).zip(down_ms) {
        let all = u64::from(minutes) * 60_000;
        *window = Window { all, bad };
    }
    Windows { each, idle_ms: 0 }
}

fn told(windows: &Windows, open: &[Kind]) -> Vec<(Kind, String)> {
    let objective = Objective {
        kind: Measure::Availability,
        ..objective()
    };
    faults(&objective, windows, open)
}

#[test]
fn time_that_is_down_burns_and_time_that_is_not_known_is_a_fault() {
    // Down for a minute: 16.7 times of an hour's thousandth, and all of five minutes' share.
    let down = times([60_000; 7]);
    let said = told(&down, &[]);
    assert_eq!(said[0].0, Kind::BudgetBurnsFast);
    assert_eq!(
        said[0].1,
        "pages: its error budget of 30 days burns 16.7 times as fast as it may: down for 1 min 0 s of 1 h 0 min that are known of 60 minutes and down for 1 min 0 s of 5 min 0 s that are known of 5 minutes."
    );
    assert!(told(&times([0; 7]), &[]).is_empty());

    let mut few = times([0; 7]);
    few.each[2].all = 14 * 60_000;
    let said = told(&few, &[]);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, Kind::LittleKnown);
    assert!(
        said[0]
            .1
            .starts_with("pages: only 14 min 0 s of the last hour are known of service crm,")
    );
    few.each[2].all = 29 * 60_000;
    assert_eq!(told(&few, &[Kind::LittleKnown]).len(), 1);
    assert!(told(&few, &[]).is_empty());
    few.each[2].all = 0;
    let said = told(&few, &[Kind::BudgetBurnsFast]);
    assert_eq!(
        [said[0].0, said[1].0],
        [Kind::NotProbed, Kind::BudgetBurnsFast]
    );
}

#[test]
fn maintenance_asks_for_less_and_just_after_it_nothing_is_told() {
    let mut few = times([0; 7]);
    few.idle_ms = 30 * 60_000;
    few.each[2].all = 8 * 60_000;
    assert!(told(&few, &[]).is_empty());
    few.each[2].all = 7 * 60_000;
    assert_eq!(told(&few, &[])[0].0, Kind::LittleKnown);
    few.idle_ms = 58 * 60_000;
    few.each[2].all = 0;
    assert!(told(&few, &[]).is_empty());
    let open = [Kind::NotProbed, Kind::BudgetBurnsSlowly];
    let kept: Vec<Kind> = told(&few, &open)
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kept, open);
}
