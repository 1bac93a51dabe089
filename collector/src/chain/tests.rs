//! Histories as agents make them are whole whatever happened to them on the way; any one that somebody
//! changed is not.

use std::collections::BTreeMap;

use crmscope_proto::Id;
use crmscope_proto::chain::{Digest, Head, Link, VERSION, rows_digest};
use crmscope_proto::payload::SecurityRow;
use crmscope_proto::v1::SecurityEvent;

use super::finding::{Finding, Kind, Report, Summary};
use super::walk::{
    Asked, Found, Outcome, Recorded, Spool, Step, StoredLink, StoredRows, Teller, Walk, Witness,
};

const NOW_MS: i64 = 1_790_000_000_000;
const HOUR_MS: i64 = 3_600_000;

const ASKED: Asked = Asked {
    now_ms: NOW_MS,
    has_beginning: false,
    has_end: false,
    in_flight_ms: 900_000,
};

/// What is stored of one spool.
#[derive(Clone, Debug, Default)]
struct History {
    steps: BTreeMap<u64, Step>,
    rows: BTreeMap<u64, Vec<SecurityRow>>,
    drops: Vec<(u64, u64)>,
    settled: u64,
    heads: BTreeMap<u64, Head>,
}

fn row(random: &mut fastrand::Rng) -> SecurityRow {
    SecurityRow {
        event: SecurityEvent {
            event_id: random.u128(..).to_be_bytes().to_vec(),
            time_ms: NOW_MS - HOUR_MS,
            user: format!("user-{}", random.u8(..)),
            count: 1,
            ..SecurityEvent::default()
        },
        kind: "ssh_login".to_owned(),
        ..SecurityRow::default()
    }
}

fn stored(rows: &[SecurityRow]) -> Option<StoredRows> {
    (!rows.is_empty()).then(|| StoredRows {
        rows: rows.len() as u64,
        digest: rows_digest(rows),
        newest_ms: NOW_MS - HOUR_MS,
    })
}

impl History {
    /// Batches of an agent that did not know chains at first, with drops, lost ends and dead letters.
    fn random(random: &mut fastrand::Rng) -> Self {
        let mut history = Self::default();
        let batches = random.u64(8..40);
        let unchained = random.u64(0..4);
        let mut head = Head::default();
        for sequence in 1..=batches {
            let rows: Vec<SecurityRow> = (0..random.u64(1..5)).map(|_| row(random)).collect();
            let rejected = sequence > unchained && random.u8(0..12) == 0;
            let link = Link {
                version: VERSION,
                agent_id: "crm-web-01".to_owned(),
                boot_id: Id([u8::from(sequence > batches / 2); 16]),
                spool_id: Id([3; 16]),
                sequence,
                created_ms: NOW_MS - 2 * HOUR_MS + sequence.cast_signed(),
                rows: rows.len() as u64,
                rows_digest: rows_digest(&rows),
                previous: head,
            };
            let chained = sequence > unchained;
            let fate = random.u8(0..10);
            if chained && fate == 0 {
                // Lost from the agent's disk with its link: the next follows the one before.
                history.drops.push((sequence, sequence));
                continue;
            }
            if chained {
                head = link.head();
                history.heads.insert(sequence, head);
            }
            if fate == 1 {
                // Dropped for want of room; the last ones are never, so that the end is known.
                if sequence + 2 < batches {
                    history.drops.push((sequence, sequence));
                    continue;
                }
            }
            let found = match rejected {
                true => Found::Rejected,
                false => Found::Matched,
            };
            let stored_link = StoredLink {
                digest: Some(link.digest()),
                found,
                received_ms: NOW_MS - HOUR_MS,
                link,
            };
            let items = rows.len() as u64;
            let rows = if rejected { Vec::new() } else { rows };
            let step = Step {
                sequence,
                links: chained.then_some(stored_link).into_iter().collect(),
                rows: stored(&rows),
                recorded: Some(Recorded { items, rejected }),
                witnesses: Vec::new(),
            };
            history.settled = sequence;
            history.steps.insert(sequence, step);
            history.rows.insert(sequence, rows);
        }
        history
    }

    /// A heartbeat or Kafka told of this head.
    fn tell(&mut self, sequence: u64, teller: Teller) {
        let head = self.heads[&sequence];
        let step = self.steps.entry(sequence).or_insert_with(|| Step {
            sequence,
            ..Step::default()
        });
        step.witnesses.push(Witness { head, teller });
    }

    fn walk_with(&self, asked: Asked, wanted: &[Digest]) -> Outcome {
        let spool = Spool {
            agent_id: "crm-web-01".to_owned(),
            spool_id: Id([3; 16]).to_string(),
            settled_sequence: self.settled,
            stopped: false,
        };
        let mut walk = Walk::new(asked, spool, self.drops.clone(), wanted);
        self.steps.values().for_each(|step| walk.step(step));
        walk.end()
    }

    fn walk(&self) -> Outcome {
        self.walk_with(ASKED, &[])
    }

    fn kinds(&self) -> Vec<Kind> {
        let findings = self.walk().findings;
        findings.iter().map(|finding| finding.kind).collect()
    }

    fn chained(&self) -> Vec<u64> {
        let chained = self.steps.values().filter(|step| !step.links.is_empty());
        chained.map(|step| step.sequence).collect()
    }

    fn link(&mut self, sequence: u64) -> &mut StoredLink {
        &mut self.steps.get_mut(&sequence).unwrap().links[0]
    }

    fn change_rows(&mut self, sequence: u64, change: impl FnOnce(&mut Vec<SecurityRow>)) {
        let rows = self.rows.get_mut(&sequence).unwrap();
        change(rows);
        let rows = stored(rows);
        self.steps.get_mut(&sequence).unwrap().rows = rows;
    }

    /// All links from here on, as somebody would compute them who owns the tables.
    fn chain_anew(&mut self, from: u64) {
        let mut before: Option<Head> = None;
        for sequence in self.chained() {
            let rows = self.rows[&sequence].clone();
            let stored = self.link(sequence);
            if sequence >= from {
                if let Some(before) = before {
                    stored.link.previous = before;
                }
                if stored.found != Found::Rejected {
                    stored.link.rows = rows.len() as u64;
                    stored.link.rows_digest = rows_digest(&rows);
                }
                stored.digest = Some(stored.link.digest());
            }
            before = Some(stored.link.head());
        }
    }
}

fn seeded() -> fastrand::Rng {
    let seed = std::env::var("CRMSCOPE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("CRMSCOPE_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

#[test]
fn what_nobody_changed_is_whole() {
    let mut random = seeded();
    for _ in 0..2_000 {
        let mut history = History::random(&mut random);
        let heads: Vec<u64> = history.heads.keys().copied().collect();
        for &sequence in &heads {
            if random.bool() {
                history.tell(sequence, Teller::Heartbeat);
            }
            if random.u8(0..5) == 0 {
                history.tell(sequence, Teller::Kafka);
            }
        }
        let outcome = history.walk();
        assert_eq!(outcome.findings, [], "{history:#?}");
        let summary = &outcome.summary;
        let chained = history.chained();
        if chained.is_empty() {
            continue;
        }
        assert_eq!(summary.links, chained.len() as u64);
        assert_eq!(Some(&summary.head_sequence), chained.last(), "{summary:#?}");
        let stored = summary.links + summary.not_chained + summary.dropped;
        // A heartbeat may tell of one that was dropped after the last that settled.
        let told = history
            .steps
            .values()
            .filter(|step| !step.witnesses.is_empty());
        let known = told
            .map(|step| step.sequence)
            .chain([history.settled])
            .max();
        assert_eq!(Some(stored), known, "{summary:#?} {history:#?}");
        // A part of it is whole as well, and any head that it has is found in it.
        let part = Asked {
            has_beginning: true,
            has_end: true,
            ..ASKED
        };
        let mut cut = history.clone();
        let (from, to) = (
            random.u64(1..=history.settled),
            random.u64(1..=history.settled),
        );
        cut.steps
            .retain(|sequence, _| (from..=to.max(from)).contains(sequence));
        assert_eq!(
            cut.walk_with(part, &[]).findings,
            [],
            "{from} {to} {cut:#?}"
        );
        let wanted = chained.last().map(|sequence| history.heads[sequence].link);
        let met = history.walk_with(ASKED, wanted.as_slice()).met;
        assert_eq!(met.first(), wanted.as_ref());
    }
}

/// What somebody does to the tables. Returns what must be found, or `None` where it cannot be done here.
fn attack(history: &mut History, random: &mut fastrand::Rng) -> Option<&'static [Kind]> {
    let chained = history.chained();
    let with_rows: Vec<u64> = chained
        .iter()
        .copied()
        .filter(|sequence| !history.rows[sequence].is_empty())
        .collect();
    let &at = with_rows.get(random.usize(0..with_rows.len().max(1)))?;
    let last = *chained.last()?;
    let place = chained.iter().position(|sequence| *sequence == at)?;
    Some(match random.u8(0..14) {
        0 => {
            history.change_rows(at, |rows| rows[0].event.user.push('x'));
            &[Kind::RowsEdited]
        }
        1 => {
            history.change_rows(at, |rows| drop(rows.pop()));
            &[Kind::RowsDeleted]
        }
        2 => {
            let forged = row(random);
            history.change_rows(at, |rows| rows.push(forged));
            &[Kind::RowsInserted]
        }
        3 => {
            // One comes for another.
            let forged = row(random);
            history.change_rows(at, |rows| rows[0] = forged);
            &[Kind::RowsEdited]
        }
        4 => {
            // Rows and link; sometimes the ledger's row too.
            let next = chained.get(place + 1).copied();
            let names = next.is_some_and(|next| history.link(next).link.previous.sequence == at);
            let step = history.steps.get_mut(&at)?;
            (step.links, step.rows) = (Vec::new(), None);
            if random.bool() {
                history.steps.remove(&at);
            }
            if place == 0 && !names {
                // Between those that are not chained and a dropped one, only a heartbeat knows that it was.
                history.tell(at, Teller::Heartbeat);
            }
            &[Kind::BatchesDeleted, Kind::BatchesUnlinked]
        }
        5 => {
            history.link(at).link.created_ms += 1;
            &[Kind::LinkEdited]
        }
        6 => {
            // The rows and their digest, and so the link too.
            history.change_rows(at, |rows| rows[0].event.user.push('x'));
            let digest = rows_digest(&history.rows[&at]);
            let stored = history.link(at);
            stored.link.rows_digest = digest;
            stored.digest = Some(stored.link.digest());
            // The last one has no other behind it that would name it.
            let next = chained.get(place + 1).copied();
            let names = next.is_some_and(|next| history.link(next).link.previous.sequence == at);
            if !names {
                // Nor does one behind a dropped range.
                history.tell(at, Teller::Heartbeat);
                &[Kind::HeadDiffers]
            } else {
                &[
                    Kind::LinkDoesNotFollow,
                    Kind::HeadDiffers,
                    Kind::BatchesDeleted,
                ]
            }
        }
        7 => {
            let other = *chained.get(place + 1)?;
            // Two change their places.
            let (a, b) = (history.steps[&at].clone(), history.steps[&other].clone());
            let (mut x, mut y) = (b, a);
            (x.sequence, y.sequence) = (at, other);
            for step in [&mut x, &mut y] {
                step.links[0].link.sequence = step.sequence;
            }
            history.steps.insert(at, x);
            history.steps.insert(other, y);
            &[Kind::LinkEdited]
        }
        8 => {
            // The end.
            let kept = chained.get(place.checked_sub(1)?)?;
            history.steps.retain(|sequence, _| sequence <= kept);
            &[Kind::BatchesDeleted]
        }
        9 => {
            // The end, and everything that counts it; but its heartbeats are there.
            history.tell(last, Teller::Heartbeat);
            let kept = *chained.get(place.checked_sub(1)?)?;
            let witness = history.steps[&last].witnesses.clone();
            history.steps.retain(|sequence, _| *sequence <= kept);
            history.settled = kept;
            let step = Step {
                sequence: last,
                witnesses: witness,
                ..Step::default()
            };
            history.steps.insert(last, step);
            &[Kind::Silenced]
        }
        10 => {
            // The end is sealed anew, as whoever owns the tables can; Kafka knows another one.
            history.tell(last, Teller::Kafka);
            history.change_rows(at, |rows| rows[0].event.user.push('x'));
            history.chain_anew(at);
            &[Kind::HeadDiffers, Kind::LinkDoesNotFollow]
        }
        11 => {
            let copy = history.link(at).clone();
            history.steps.get_mut(&at)?.links.push(copy);
            &[Kind::LinkRepeated]
        }
        12 => {
            // A batch that no agent sealed, at the end.
            let sequence = history.settled + 1;
            let rows = vec![row(random)];
            let step = Step {
                sequence,
                rows: stored(&rows),
                recorded: random.bool().then_some(Recorded {
                    items: 1,
                    rejected: false,
                }),
                ..Step::default()
            };
            history.steps.insert(sequence, step);
            &[Kind::RowsOfNoBatch, Kind::BatchesUnlinked]
        }
        _ => {
            // The beginning.
            let first = *chained.first()?;
            let &next = chained.get(place + 1)?;
            history
                .steps
                .retain(|sequence, _| *sequence < first || *sequence >= next);
            &[Kind::BatchesDeleted]
        }
    })
}

#[test]
fn whatever_somebody_changed_is_found() {
    let mut random = seeded();
    let mut made = 0;
    let mut seen: BTreeMap<Kind, u64> = BTreeMap::new();
    while made < 5_000 {
        let mut history = History::random(&mut random);
        assert_eq!(history.kinds(), []);
        let Some(expected) = attack(&mut history, &mut random) else {
            continue;
        };
        made += 1;
        let kinds = history.kinds();
        let named = kinds.iter().any(|kind| expected.contains(kind));
        assert!(
            named,
            "{expected:?} expected, {kinds:?} found: {history:#?}"
        );
        for kind in kinds {
            *seen.entry(kind).or_default() += 1;
        }
    }
    println!("{seen:?}");
    assert!(seen.len() >= 9, "{seen:?}");
}

#[test]
fn a_batch_that_was_sealed_lately_is_on_its_way_and_one_of_long_ago_was_silenced() {
    let mut history = History::random(&mut fastrand::Rng::with_seed(3));
    let (next, mut head) = (history.settled + 1, Head::default());
    head.sequence = next;
    for (age_ms, silenced) in [(60_000, false), (3_600_000, true)] {
        head.created_ms = NOW_MS - age_ms;
        let step = Step {
            sequence: next,
            witnesses: vec![Witness {
                head,
                teller: Teller::Heartbeat,
            }],
            ..Step::default()
        };
        history.steps.insert(next, step);
        let outcome = history.walk();
        let kinds: Vec<Kind> = outcome
            .findings
            .iter()
            .map(|finding| finding.kind)
            .collect();
        assert_eq!(kinds.contains(&Kind::Silenced), silenced, "{outcome:?}");
        assert_eq!(outcome.summary.in_flight, u64::from(!silenced));
    }
}

#[test]
fn what_went_for_its_age_is_no_deletion() {
    let mut random = fastrand::Rng::with_seed(4);
    let mut history = History::random(&mut random);
    history.drops.clear();
    history.steps.retain(|_, step| !step.links.is_empty());
    let chained = history.chained();
    let old_ms = NOW_MS - 410 * 24 * HOUR_MS;
    for &sequence in &chained {
        history.link(sequence).received_ms = old_ms;
        let step = history.steps.get_mut(&sequence).unwrap();
        step.rows = None;
        step.recorded = None;
    }
    // Of gaps nothing can be said that old either.
    let outcome = history.walk();
    let kept: Vec<&Finding> = outcome
        .findings
        .iter()
        .filter(|finding| finding.first_sequence > chained[0])
        .collect();
    assert!(kept.is_empty(), "{kept:#?}");
    assert!(outcome.summary.rows_expired > 0);
}

#[test]
fn a_spool_without_a_chain_is_shown_as_such() {
    let mut history = History::default();
    for sequence in 1..=3 {
        let step = Step {
            sequence,
            recorded: Some(Recorded {
                items: 2,
                rejected: false,
            }),
            ..Step::default()
        };
        history.steps.insert(sequence, step);
    }
    history.settled = 3;
    let outcome = history.walk();
    assert_eq!(
        (outcome.findings.len(), outcome.summary.not_chained),
        (0, 3)
    );
    assert_eq!(outcome.unnamed_items, 6);
    let report = Report {
        chains: vec![outcome.summary],
        ..Report::default()
    };
    let text = super::text(&report);
    assert!(
        text.contains("NOT CHAINED") && text.contains("1 spools are not chained"),
        "{text}"
    );
}

#[test]
fn names_are_text_and_every_kind_has_a_remedy() {
    let finding = |kind| Finding {
        agent_id: "\u{1b}[2Jx\n".to_owned(),
        spool_id: "\u{7}".to_owned(),
        first_sequence: 3,
        last_sequence: 4,
        kind,
        created_ms: NOW_MS,
        detail: "\u{1b}".to_owned(),
    };
    let report = Report {
        chains: vec![Summary {
            agent_id: "\u{1b}[2Jx".to_owned(),
            links: 1,
            findings: 1,
            ..Summary::default()
        }],
        findings: vec![finding(Kind::RowsEdited), finding(Kind::Silenced)],
        rows_without_batch: [("\u{1b}y".to_owned(), 2)].into(),
        ..Report::default()
    };
    let text = super::text(&report);
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{7}'),
        "{text:?}"
    );
    assert!(text.contains("batches 3 to 4, about 2026-09-21"), "{text}");
    assert!(
        text.contains("BROKEN") && text.contains("system.query_log"),
        "{text}"
    );
}
