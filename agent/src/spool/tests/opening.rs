//! A spool that is there and cannot be opened: the agent goes on, and takes it up later as it was.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::simulated::{SimulatedDisk, Trouble};
use super::*;
use crate::outbox::Outbox;
use crate::spool::{Opening, SpoolError, SpoolState};

fn opening(disk: &SimulatedDisk) -> Opening {
    let path = Path::new("/state");
    let agent_id = origin().agent_id;
    Opening::on(
        Arc::new(disk.clone()),
        path,
        Config::default(),
        &agent_id,
        true,
    )
}

fn heartbeat(beat: u64) -> Heartbeat {
    Heartbeat {
        beat,
        ..Heartbeat::default()
    }
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

#[test]
fn a_spool_that_cannot_be_read_is_taken_up_as_it_was() {
    for (trouble, state) in [
        (Trouble::Unreadable(Errno::ACCESS), SpoolState::Unreadable),
        (Trouble::Unreadable(Errno::IO), SpoolState::Unreadable),
        (Trouble::Stalled, SpoolState::Stalled),
    ] {
        let disk = SimulatedDisk::new(fastrand::Rng::with_seed(1));
        let opened = opening(&disk).open().unwrap().unwrap();
        let outbox = Outbox::new(opened.spool, opened.lost, origin());
        let position = Some(b"here".to_vec());
        outbox.append(Lane::Requests, &beat(1), position).unwrap();
        outbox.beat(heartbeat(1)).unwrap();
        let id = outbox.spool_id().unwrap();
        drop(outbox);

        disk.trouble(Some(trouble));
        let mut opening = opening(&disk);
        assert!(opening.open().unwrap().is_none(), "{trouble:?}");
        let outbox = Outbox::closed(opening, origin()).with_aside().unwrap();
        assert_eq!(outbox.spool_state(), state);
        assert_eq!(outbox.spool_id(), None);
        assert_eq!(outbox.checkpoint(Lane::Requests), None);
        assert!(outbox.append(Lane::Requests, &beat(2), None).is_err());
        outbox.beat(heartbeat(2)).unwrap();
        outbox.sync_due(later());
        assert_eq!(outbox.spool_state(), state, "still");
        outbox.beat(heartbeat(3)).unwrap();
        let aside = outbox.aside().unwrap();
        let sent =
            |outbox: &Outbox, lane| beats(&outbox.read(lane, 0, usize::MAX, usize::MAX).unwrap());
        assert_eq!(sent(aside, Lane::Presence), [(1, 2), (2, 3)]);

        disk.trouble(None);
        outbox.sync_due(later() + Duration::from_secs(3600));
        assert_eq!(outbox.spool_state(), SpoolState::Good, "{trouble:?}");
        assert_eq!(outbox.spool_id(), Some(id));
        assert_eq!(outbox.checkpoint(Lane::Requests).unwrap(), b"here");
        outbox.append(Lane::Requests, &beat(2), None).unwrap();
        outbox.beat(heartbeat(4)).unwrap();
        assert_eq!(sent(&outbox, Lane::Requests), [(1, 1), (2, 2)]);
        assert_eq!(sent(&outbox, Lane::Presence), [(1, 1), (2, 4)]);
        assert_eq!(
            sent(outbox.aside().unwrap(), Lane::Presence),
            [(1, 2), (2, 3)]
        );
    }
}

#[test]
fn a_spool_that_may_be_there_is_not_replaced_by_a_new_one() {
    for errno in [Errno::ACCESS, Errno::IO] {
        let disk = SimulatedDisk::new(fastrand::Rng::with_seed(1));
        disk.trouble(Some(Trouble::Unreadable(errno)));
        assert!(opening(&disk).open().unwrap().is_none());
        assert_eq!(disk.used(), 0);
    }
}

#[test]
fn who_may_not_make_a_first_spool_is_told_at_once() {
    let disk = SimulatedDisk::new(fastrand::Rng::with_seed(1));
    disk.trouble(Some(Trouble::Forbidden));
    let error = opening(&disk).open().unwrap_err();
    assert!(matches!(error, SpoolError::Disk { .. }), "{error}");
}

#[test]
fn batches_of_another_agent_that_show_late_stay_where_they_are() {
    let disk = SimulatedDisk::new(fastrand::Rng::with_seed(1));
    let opened = opening(&disk).open().unwrap().unwrap();
    let other = Origin {
        agent_id: "crm-web-02".to_owned(),
        ..origin()
    };
    let outbox = Outbox::new(opened.spool, opened.lost, other);
    outbox.beat(heartbeat(1)).unwrap();
    drop(outbox);
    disk.trouble(Some(Trouble::Unreadable(Errno::IO)));
    let mut opening = opening(&disk);
    assert!(opening.open().unwrap().is_none());
    disk.trouble(None);
    let outbox = Outbox::closed(opening, origin()).with_aside().unwrap();
    outbox.sync_due(later());
    assert_eq!(outbox.spool_state(), SpoolState::Unreadable);
    assert_eq!(outbox.spool_id(), None);
    outbox.beat(heartbeat(1)).unwrap();
    assert_eq!(outbox.aside().unwrap().queued_batches(), 1);
}
