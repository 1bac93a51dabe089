//! The level, by table and by chance.

use proptest::prelude::*;

use super::account::Account;
use super::*;

const MIB: u64 = 1024 * 1024;

fn config() -> Config {
    Config {
        cpu_max_percent: 10,
        memory_max_bytes: 100 * MIB,
        network_max_bytes_per_s: 1_000,
        disk_max_bytes: 1 << 40,
        hold_ms: 10_000,
        calm_ms: 30_000,
    }
}

/// A budget that is fed windows of given shares, per mille.
struct Fed {
    budget: Budget,
    at: Reading,
}

impl Fed {
    fn new(subjects: &[Subject]) -> Self {
        let mut budget = Budget::new(config(), subjects);
        let at = Reading::default();
        assert_eq!(budget.observe(at), None);
        Self { budget, at }
    }

    /// A window in readings of a second; shares in the order of [`Ceiling::ALL`].
    fn window(&mut self, shares: [u64; 4]) -> Verdict {
        let [cpu, memory, disk, network] = shares;
        for second in 1..=10 {
            self.at = Reading {
                at_ms: self.at.at_ms + 1_000,
                cpu_us: self.at.cpu_us + cpu * 100,
                resident_bytes: memory * 100 * MIB / 1_000,
                made_bytes: self.at.made_bytes + network,
                spool_used_bytes: disk,
                spool_max_bytes: 1_000,
            };
            match self.budget.observe(self.at) {
                None => assert!(second < 10),
                Some(verdict) => {
                    assert_eq!(second, 10);
                    return verdict;
                }
            }
        }
        unreachable!("the tenth second ends the window")
    }

    fn levels(&mut self, windows: &[[u64; 4]]) -> Vec<usize> {
        windows
            .iter()
            .map(|&shares| self.window(shares).level)
            .collect()
    }
}

const CALM: [u64; 4] = [100, 200, 0, 50];

fn cpu(share: u64) -> [u64; 4] {
    [share, 0, 0, 0]
}

#[test]
fn levels_rise_near_a_ceiling_and_fall_after_a_longer_calm() {
    for (what, windows, levels) in [
        ("calm", vec![CALM; 5], vec![0; 5]),
        ("just below", vec![cpu(849); 4], vec![0; 4]),
        ("near", vec![cpu(850); 8], vec![1, 2, 3, 4, 5, 6, 7, 7]),
        ("overshoot", vec![cpu(2_000); 4], vec![2, 4, 6, 7]),
        ("memory", vec![[0, 850, 0, 0]; 2], vec![1, 2]),
        ("disk", vec![[0, 0, 900, 0]; 2], vec![1, 2]),
        ("network", vec![[0, 0, 0, 850]; 2], vec![1, 2]),
        (
            "between, it stays",
            vec![cpu(850), cpu(700), cpu(700), cpu(600), cpu(700), cpu(700)],
            vec![1; 6],
        ),
        (
            "a calm that is interrupted begins anew",
            vec![cpu(850), CALM, CALM, cpu(600), CALM, CALM, CALM],
            vec![1, 1, 1, 1, 1, 1, 0],
        ),
        (
            "one step for each calm",
            [vec![cpu(3_000)], vec![CALM; 7]].concat(),
            vec![2, 2, 2, 1, 1, 1, 0, 0],
        ),
        (
            "what is held need not fall as far as rates must",
            vec![
                [0, 850, 0, 0],
                [0, 749, 0, 0],
                [0, 749, 0, 0],
                [0, 749, 0, 0],
            ],
            vec![1, 1, 1, 0],
        ),
    ] {
        assert_eq!(Fed::new(Subject::ORDER).levels(&windows), levels, "{what}");
    }
}

#[test]
fn subjects_go_in_the_declared_order_and_only_those_that_sources_can_spare() {
    let mut fed = Fed::new(&[Subject::Routes, Subject::Devices, Subject::Routes]);
    assert_eq!(fed.budget.shed(), []);
    fed.window(cpu(900));
    assert_eq!(fed.budget.shed(), [Subject::Devices]);
    fed.window(cpu(900));
    assert_eq!(fed.budget.shed(), [Subject::Devices, Subject::Routes]);
    assert_eq!(fed.window(cpu(900)).level, 2);

    let mut nothing = Fed::new(&[]);
    assert_eq!(nothing.window(cpu(5_000)).level, 0);
}

#[test]
fn the_worst_ceiling_is_the_cause_and_stays_it_while_it_lasts() {
    let mut fed = Fed::new(Subject::ORDER);
    let mut cause = |shares| {
        fed.window(shares);
        fed.budget.cause()
    };
    assert_eq!(cause([900, 950, 0, 0]), Ceiling::Memory);
    // Another is nearer now, but no step was taken for it.
    assert_eq!(cause([840, 800, 0, 0]), Ceiling::Memory);
    assert_eq!(cause([0, 0, 0, 900]), Ceiling::Network);
    // The cause is calm, and another holds the level.
    assert_eq!(cause([700, 0, 0, 100]), Ceiling::Cpu);
    // In calm it is still known why what is left is shed.
    assert_eq!(cause([0, 100, 0, 0]), Ceiling::Cpu);
}

#[test]
fn what_cannot_be_helped_is_said_once_a_minute() {
    let mut fed = Fed::new(&[Subject::Routes]);
    let mut said = |share| {
        let verdict = fed.window(cpu(share));
        assert!(!verdict.excess || verdict.cause == Ceiling::Cpu);
        verdict.excess
    };
    let saying: Vec<_> = (0..9).map(|_| said(1_100)).collect();
    // Not at the step, whose effect is not known yet.
    let expected = [false, true, false, false, false, false, false, true, false];
    assert_eq!(saying, expected);
    assert!((0..9).all(|_| !said(1_000)));
}

#[test]
fn readings_that_stand_still_or_run_backwards_do_no_harm() {
    let mut budget = Budget::new(config(), Subject::ORDER);
    let most = Reading {
        at_ms: u64::MAX,
        cpu_us: u64::MAX,
        resident_bytes: u64::MAX,
        made_bytes: u64::MAX,
        spool_used_bytes: u64::MAX,
        spool_max_bytes: 0,
    };
    for reading in [Reading::default(), most, Reading::default(), most, most] {
        let _ = budget.observe(reading);
    }
    assert!(budget.level() <= Subject::ORDER.len());
}

#[test]
fn the_account_adds_up_and_ends_with_a_row() {
    use Ceiling::{Cpu, Memory};
    use Subject::{Devices, Host};
    let mut account = Account::default();
    let rows = |account: &mut Account| -> Vec<_> {
        let entries = account.take();
        let row = |entry: &account::Entry| (entry.subject, entry.cause, entry.shed_ms);
        entries.iter().map(row).collect()
    };
    account.advance(1_000, &[], Cpu);
    assert_eq!(rows(&mut account), []);
    account.advance(1_500, &[Devices], Cpu);
    account.advance(2_000, &[Devices], Cpu);
    assert_eq!(rows(&mut account), [(Devices, Cpu, 500)]);
    account.advance(2_200, &[Devices, Host], Memory);
    account.advance(3_000, &[Devices, Host], Memory);
    let mut said = rows(&mut account);
    said.sort_unstable();
    // The first is the last row of its cause.
    assert_eq!(
        said,
        [
            (Devices, Cpu, 200),
            (Devices, Memory, 800),
            (Host, Memory, 800)
        ]
    );
    account.advance(4_000, &[], Memory);
    assert_eq!(
        rows(&mut account),
        [(Devices, Memory, 1_000), (Host, Memory, 1_000)]
    );
    account.advance(5_000, &[], Memory);
    assert_eq!(rows(&mut account), []);

    // Ended just when rows were made: one more row, of no time, says so.
    account.advance(6_000, &[Host], Cpu);
    account.advance(7_000, &[Host], Cpu);
    assert_eq!(rows(&mut account), [(Host, Cpu, 1_000)]);
    account.advance(7_000, &[], Cpu);
    assert_eq!(rows(&mut account), [(Host, Cpu, 0)]);
    assert_eq!(rows(&mut account), []);
}

proptest! {
    /// Whatever happens: the level is within its bounds, moves by two at most and down by one, at
    /// most at the end of each window, and goes back to 0 in calm within the time that calms take.
    #[test]
    fn levels_are_bounded_slow_and_come_back(
        windows in proptest::collection::vec(proptest::array::uniform4(0u64..3_000), 0..60),
    ) {
        let mut fed = Fed::new(Subject::ORDER);
        let most = Subject::ORDER.len();
        let mut calm = 0;
        for shares in windows {
            let Verdict { before, level, .. } = fed.window(shares);
            prop_assert!(level <= most && level <= before + 2 && level + 1 >= before);
            prop_assert_eq!(fed.budget.shed(), &Subject::ORDER[..level]);
            let is_calm = shares[0] < 600 && shares[1] < 750 && shares[2] < 750 && shares[3] < 600;
            calm = if is_calm { calm + 1 } else { 0 };
            // A step back follows no sooner than a whole calm.
            prop_assert!(level >= before || calm >= 3);
            prop_assert!(level <= before || shares.iter().any(|&share| share >= 850));
        }
        for _ in 0..3 * most {
            fed.window(CALM);
        }
        prop_assert_eq!(fed.budget.level(), 0);
    }

    /// More use never means a lower level.
    #[test]
    fn more_use_never_sheds_less(
        windows in proptest::collection::vec((proptest::array::uniform4(0u64..2_500), 0u64..500), 1..40),
    ) {
        let (mut less, mut more) = (Fed::new(Subject::ORDER), Fed::new(Subject::ORDER));
        for (shares, extra) in windows {
            let low = less.window(shares).level;
            let high = more.window(shares.map(|share| share + extra)).level;
            prop_assert!(high >= low, "{high} below {low}");
        }
    }

    /// The times of a subject over all causes add up to the time it was shed.
    #[test]
    fn accounts_add_up(
        steps in proptest::collection::vec((1u64..5_000, 0usize..4, 0usize..4, any::<bool>()), 1..60),
    ) {
        let mut account = Account::default();
        let mut shed_ms = [0u64; Subject::ORDER.len()];
        let mut said_ms = [0u64; Subject::ORDER.len()];
        let (mut now_ms, mut shed) = (0, &Subject::ORDER[..0]);
        for (passed_ms, level, cause, reported) in steps {
            now_ms += passed_ms;
            for &subject in shed {
                shed_ms[subject as usize] += passed_ms;
            }
            shed = &Subject::ORDER[..level.min(Subject::ORDER.len())];
            account.advance(now_ms, shed, Ceiling::ALL[cause]);
            if reported {
                for entry in account.take() {
                    said_ms[entry.subject as usize] += entry.shed_ms;
                }
            }
        }
        for entry in account.take() {
            said_ms[entry.subject as usize] += entry.shed_ms;
        }
        prop_assert_eq!(said_ms, shed_ms);
    }
}
