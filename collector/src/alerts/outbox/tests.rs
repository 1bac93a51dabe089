//! The outbox, case by case.

use super::*;
use crate::alerts::kind::Kind;
use crate::alerts::tests::incident;

const WEBHOOK: Target = Target::Webhook;
const DELIVERED: Ended = Ended::Settled(Outcome::Delivered);
const GIVEN_UP: Ended = Ended::Settled(Outcome::GivenUp);
const FAILED: Ended = Ended::Failed {
    retry_after_ms: None,
};

const SETTINGS: Settings = Settings {
    group_wait_ms: 10_000,
    retry_initial_ms: 1_000,
    retry_max_ms: 60_000,
    pending_max: 100,
    known_max: 1_000,
};

fn outbox(settings: Settings, targets: &[Target]) -> Outbox {
    Outbox::new(settings, targets.iter().copied(), Metrics::default())
}

fn began(number: u32, began_ms: i64) -> Incident {
    Incident {
        began_ms,
        ..incident(number)
    }
}

fn ended(number: u32, began_ms: i64, ended_ms: i64) -> Incident {
    Incident {
        ended_ms: Some(ended_ms),
        ..began(number, began_ms)
    }
}

/// Numbers of the incidents in what is due.
fn due(outbox: &mut Outbox, now_ms: i64) -> Option<(Phase, Vec<u32>)> {
    let attempt = outbox.take(WEBHOOK, now_ms)?;
    let number = |incident: &Arc<Incident>| {
        u32::try_from(u128::from_be_bytes(incident.incident_id.0)).unwrap()
    };
    let numbers = attempt.notification.incidents.iter().map(number).collect();
    Some((attempt.notification.phase, numbers))
}

fn count(outbox: &Outbox, phase: Phase, fate: Fate) -> u64 {
    outbox.metrics.count(WEBHOOK, phase, fate)
}

#[test]
fn what_begins_together_leaves_together() {
    let mut outbox = outbox(SETTINGS, &[WEBHOOK]);
    outbox.tell(began(1, 100_000), &[], 0);
    outbox.tell(began(2, 109_000), &[], 4_000);
    outbox.tell(began(3, 91_000), &[], 5_000);
    outbox.tell(began(4, 50_000), &[], 6_000);
    let other = Incident {
        kind: Kind::Flapping,
        ..began(5, 100_000)
    };
    outbox.tell(other, &[], 7_000);
    assert_eq!(outbox.next_ms(), Some(10_000));
    assert_eq!(due(&mut outbox, 9_999), None);
    assert_eq!(
        due(&mut outbox, 10_000),
        Some((Phase::Firing, vec![1, 2, 3]))
    );
    assert_eq!(due(&mut outbox, 90_000), None, "it is busy");
    assert_eq!(outbox.next_ms(), None);
    outbox.settle(WEBHOOK, DELIVERED, 10_100, 0.5);
    assert_eq!(due(&mut outbox, 17_000), Some((Phase::Firing, vec![4])));
    outbox.settle(WEBHOOK, DELIVERED, 17_000, 0.5);
    assert_eq!(due(&mut outbox, 17_000), Some((Phase::Firing, vec![5])));
    outbox.settle(WEBHOOK, DELIVERED, 17_000, 0.5);
    assert_eq!(outbox.pending(WEBHOOK), 0);

    outbox.tell(ended(1, 100_000, 200_000), &[], 20_000);
    outbox.tell(ended(2, 109_000, 205_000), &[], 21_000);
    assert_eq!(
        due(&mut outbox, 30_000),
        Some((Phase::Resolved, vec![1, 2]))
    );
    outbox.settle(WEBHOOK, DELIVERED, 30_000, 0.5);
    assert_eq!(outbox.firing(WEBHOOK).len(), 3);
    assert_eq!(count(&outbox, Phase::Firing, Fate::Delivered), 5);
    assert_eq!(count(&outbox, Phase::Resolved, Fate::Delivered), 2);
}

#[test]
fn what_is_over_before_it_was_tried_is_not_told() {
    let mut outbox = outbox(SETTINGS, &[WEBHOOK]);
    outbox.tell(began(1, 0), &[], 0);
    outbox.tell(ended(1, 0, 500), &[], 5_000);
    outbox.tell(ended(2, 0, 500), &[], 5_000);
    assert_eq!((outbox.next_ms(), outbox.pending(WEBHOOK)), (None, 0));
    assert_eq!(count(&outbox, Phase::Firing, Fate::Withdrawn), 1);
    // It was not over after all.
    outbox.tell(began(1, 0), &[], 6_000);
    assert_eq!(due(&mut outbox, 16_000), Some((Phase::Firing, vec![1])));
    // What was tried may have arrived, so its end is told as well.
    outbox.tell(ended(1, 0, 20_000), &[], 16_001);
    outbox.settle(WEBHOOK, FAILED, 16_500, 0.0);
    assert_eq!(due(&mut outbox, 20_000), Some((Phase::Firing, vec![1])));
    outbox.settle(WEBHOOK, DELIVERED, 20_000, 0.0);
    assert_eq!(due(&mut outbox, 30_000), Some((Phase::Resolved, vec![1])));
    outbox.settle(WEBHOOK, DELIVERED, 30_000, 0.0);
    outbox.tell(began(1, 0), &[], 40_000);
    assert_eq!(outbox.next_ms(), None, "each phase once");
}

#[test]
fn an_end_that_is_taken_back_in_time_is_not_told() {
    let mut outbox = outbox(SETTINGS, &[WEBHOOK]);
    outbox.tell(began(1, 0), &[], 0);
    assert!(due(&mut outbox, 10_000).is_some());
    outbox.settle(WEBHOOK, DELIVERED, 10_000, 0.0);
    outbox.tell(ended(1, 0, 11_000), &[], 11_000);
    assert!(outbox.firing(WEBHOOK).is_empty());
    outbox.tell(began(1, 0), &[], 12_000);
    assert_eq!(outbox.next_ms(), None);
    assert_eq!(outbox.firing(WEBHOOK).len(), 1);
    assert_eq!(count(&outbox, Phase::Resolved, Fate::Withdrawn), 1);
}

#[test]
fn a_repetition_is_the_same_and_pauses_grow() {
    let mut outbox = outbox(SETTINGS, &[WEBHOOK]);
    outbox.tell(began(1, 0), &[], 0);
    let mut now_ms = 10_000;
    let first = outbox.take(WEBHOOK, now_ms).unwrap();
    for (attempt, pause_ms) in
        (2..).zip([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    {
        outbox.settle(WEBHOOK, FAILED, now_ms, 1.0);
        outbox.tell(
            Incident {
                summary: "news".to_owned(),
                ..began(1, 0)
            },
            &[],
            now_ms,
        );
        outbox.tell(began(2, 0), &[], now_ms);
        now_ms += pause_ms;
        assert!(outbox.take(WEBHOOK, now_ms - 1).is_none(), "{pause_ms}");
        // What waits behind is not tried in between, nor does it join.
        let again = loop {
            let again = outbox.take(WEBHOOK, now_ms).unwrap();
            if again.notification == first.notification {
                break again;
            }
            outbox.settle(WEBHOOK, GIVEN_UP, now_ms, 1.0);
        };
        assert!(again.number <= attempt);
    }
    let mut low = tests::outbox(SETTINGS, &[WEBHOOK]);
    low.tell(began(1, 0), &[], 0);
    low.take(WEBHOOK, 10_000).unwrap();
    low.settle(WEBHOOK, FAILED, 10_000, 0.0);
    assert_eq!(low.next_ms(), Some(10_500), "at least half of the step");
}

#[test]
fn a_receiver_is_left_in_peace_as_long_as_it_asks() {
    let mut outbox = outbox(SETTINGS, &[WEBHOOK]);
    outbox.tell(began(1, 0), &[], 0);
    outbox.tell(began(2, 50_000), &[], 0);
    outbox.take(WEBHOOK, 10_000).unwrap();
    let asked = Ended::Failed {
        retry_after_ms: Some(30_000),
    };
    outbox.settle(WEBHOOK, asked, 10_000, 0.0);
    assert_eq!(outbox.next_ms(), Some(40_000), "the other one too");
    assert_eq!(
        due(&mut outbox, 40_000),
        Some((Phase::Firing, vec![2])),
        "the least tried first"
    );
}

#[test]
fn what_is_refused_for_good_is_given_up_and_its_end_is_not_told() {
    let mut outbox = outbox(SETTINGS, &[WEBHOOK]);
    outbox.tell(began(1, 0), &[], 0);
    outbox.take(WEBHOOK, 10_000).unwrap();
    outbox.settle(WEBHOOK, GIVEN_UP, 10_000, 0.0);
    outbox.tell(ended(1, 0, 20_000), &[], 20_000);
    assert_eq!(outbox.next_ms(), None);
    assert_eq!(count(&outbox, Phase::Firing, Fate::GivenUp), 1);
}

#[test]
fn records_say_how_far_a_target_was_told() {
    let record = |target, phase, outcome| Record {
        incident_id: incident(1).incident_id,
        phase,
        target,
        outcome,
    };
    let fired = record(WEBHOOK, Phase::Firing, Outcome::Delivered);
    for (records, is_told_when_open, is_told_when_over) in [
        (vec![], true, false),
        (vec![fired], false, true),
        (
            vec![record(Target::Mail, Phase::Firing, Outcome::Delivered)],
            true,
            false,
        ),
        (
            vec![record(WEBHOOK, Phase::Firing, Outcome::GivenUp)],
            false,
            false,
        ),
        (
            vec![fired, record(WEBHOOK, Phase::Resolved, Outcome::Delivered)],
            false,
            false,
        ),
        (
            vec![fired, record(WEBHOOK, Phase::Resolved, Outcome::GivenUp)],
            false,
            false,
        ),
    ] {
        let mut open = outbox(SETTINGS, &[WEBHOOK]);
        open.tell(began(1, 0), &records, 0);
        assert_eq!(open.next_ms().is_some(), is_told_when_open, "{records:?}");
        let mut over = outbox(SETTINGS, &[WEBHOOK]);
        over.tell(ended(1, 0, 5), &records, 0);
        assert_eq!(over.next_ms().is_some(), is_told_when_over, "{records:?}");
    }
    let mut two = outbox(SETTINGS, &[WEBHOOK, Target::Mail]);
    two.tell(began(1, 0), &[fired], 0);
    assert_eq!((two.pending(WEBHOOK), two.pending(Target::Mail)), (0, 1));
}

#[test]
fn what_receivers_know_an_incident_by_stays() {
    let mut outbox = outbox(SETTINGS, &[WEBHOOK]);
    outbox.tell(began(1, 0), &[], 0);
    let mut other = ended(1, 0, 9);
    (other.agent_id, other.kind) = ("db-01".to_owned(), Kind::Flapping);
    other.labels.clear();
    assert!(due(&mut outbox, 10_000).is_some());
    outbox.settle(WEBHOOK, DELIVERED, 10_000, 0.0);
    outbox.tell(other, &[], 11_000);
    let end = outbox.take(WEBHOOK, 21_000).unwrap();
    let (first, last) = (began(1, 0), &end.notification.incidents[0]);
    assert_eq!(
        (&last.agent_id, &last.labels),
        (&first.agent_id, &first.labels)
    );
    assert_eq!(
        (end.notification.kind, last.ended_ms),
        (first.kind, Some(9))
    );
}

#[test]
fn too_much_goes_oldest_first_and_is_counted() {
    let mut outbox = outbox(SETTINGS, &[WEBHOOK]);
    // Far apart, so that each is a group.
    for number in 0..100 {
        outbox.tell(began(number, i64::from(number) * 100_000), &[], 0);
    }
    assert_eq!(due(&mut outbox, 10_000), Some((Phase::Firing, vec![0])));
    for number in 100..130 {
        outbox.tell(began(number, i64::from(number) * 100_000), &[], 0);
    }
    assert_eq!(outbox.pending(WEBHOOK), 100);
    assert_eq!(count(&outbox, Phase::Firing, Fate::Dropped), 30);
    outbox.settle(WEBHOOK, DELIVERED, 10_000, 0.0);
    assert_eq!(
        due(&mut outbox, 10_000),
        Some((Phase::Firing, vec![31])),
        "0 was under way"
    );
    // The end of what nobody was told of is told to nobody.
    outbox.tell(ended(1, 100_000, 200_000), &[], 20_000);
    assert_eq!(outbox.pending(WEBHOOK), 99);
}

#[test]
fn a_group_is_bounded_and_so_is_what_is_known() {
    let settings = Settings {
        pending_max: 5_000,
        ..SETTINGS
    };
    let mut outbox = outbox(settings, &[WEBHOOK]);
    for number in 0..1_500 {
        outbox.tell(began(number, 0), &[], 0);
    }
    let (_, first) = due(&mut outbox, 10_000).unwrap();
    assert_eq!(
        (first.len(), outbox.pending(WEBHOOK)),
        (queue::GROUP_MAX, 1_000)
    );
    assert_eq!(outbox.metrics.too_many.get(), 500, "known_max");
    outbox.settle(WEBHOOK, DELIVERED, 10_000, 0.0);
    for number in 0..10 {
        outbox.tell(ended(number, 0, 9), &[], 10_000);
    }
    due(&mut outbox, 20_000).unwrap();
    outbox.settle(WEBHOOK, DELIVERED, 20_000, 0.0);
    for number in 2_000..2_010 {
        outbox.tell(began(number, 0), &[], 20_000);
        assert!(outbox.knows(incident(number).incident_id));
    }
    assert_eq!(
        outbox.metrics.too_many.get(),
        500,
        "what was over made room"
    );
    assert!(!outbox.knows(incident(0).incident_id));
}

#[test]
fn a_target_that_is_held_takes_nothing() {
    let mut outbox = outbox(SETTINGS, &[WEBHOOK]);
    outbox.tell(began(1, 0), &[], 0);
    assert!(outbox.hold(WEBHOOK) && !outbox.hold(WEBHOOK) && !outbox.hold(Target::Mail));
    assert_eq!((due(&mut outbox, 10_000), outbox.next_ms()), (None, None));
    outbox.release(WEBHOOK);
    assert!(due(&mut outbox, 10_000).is_some());
    assert!(!outbox.hold(WEBHOOK), "it is busy");
}
