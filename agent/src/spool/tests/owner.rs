//! A spool changes hands only when nothing in it waits for the one before.

use super::*;
use crate::spool::owner::{pinned, settle};

fn start(state_dir: &Path, agent_id: &str, named: bool) -> Result<(Spool, Origin), String> {
    let (mut spool, lost) = open_spool(&state_dir.join("spool"));
    assert!(lost.is_empty(), "{lost:?}");
    let agent_id =
        settle(state_dir, &mut spool, agent_id, named).map_err(|error| error.to_string())?;
    let origin = Origin {
        agent_id,
        ..origin()
    };
    Ok((spool, origin))
}

#[test]
fn the_agent_id_of_the_first_start_stays_when_none_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let (_, origin) = start(directory.path(), "crm-web-01", false).unwrap();
    assert_eq!(origin.agent_id, "crm-web-01");
    assert_eq!(pinned(directory.path()).as_deref(), Some("crm-web-01"));
    let (_, origin) = start(directory.path(), "renamed-host", false).unwrap();
    assert_eq!(origin.agent_id, "crm-web-01");
}

#[test]
fn another_agent_id_waits_until_the_batches_of_the_first_are_sent() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, origin) = start(directory.path(), "old", true).unwrap();
    let id = spool.spool_id();
    for number in 1..=2 {
        let position = Some(b"here".to_vec());
        spool
            .append(&origin, Lane::Requests, &beat(number), position, 1_000)
            .unwrap();
    }
    drop(spool);
    // Also when the file is gone: the batches know whose they are.
    fs::remove_file(directory.path().join("agent_id")).unwrap();
    let error = start(directory.path(), "new", true).unwrap_err();
    for part in ["`new`", "`old`", "2 batches", "start once with", "remove "] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let (mut spool, origin) = start(directory.path(), "renamed-host", false).unwrap();
    assert_eq!(origin.agent_id, "old");
    all_of(&mut spool, Lane::Requests);
    spool.acknowledge(Lane::Requests, 2).unwrap();
    drop(spool);

    let (spool, origin) = start(directory.path(), "new", true).unwrap();
    assert_eq!(origin.agent_id, "new");
    assert_eq!(pinned(directory.path()).as_deref(), Some("new"));
    assert_ne!(spool.spool_id(), id, "numbers count by agent id");
    assert_eq!(state(&spool, Lane::Requests).next_sequence, 1);
    assert_eq!(spool.checkpoint(Lane::Requests), b"here");
    let id = spool.spool_id();
    drop(spool);
    let (spool, _) = start(directory.path(), "new", true).unwrap();
    assert_eq!(spool.spool_id(), id);
    assert_eq!(spool.checkpoint(Lane::Requests), b"here");
}

#[test]
fn a_spool_that_was_given_up_is_no_hindrance() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, origin) = start(directory.path(), "old", true).unwrap();
    spool
        .append(&origin, Lane::Requests, &beat(1), None, 1_000)
        .unwrap();
    drop(spool);
    fs::remove_dir_all(directory.path().join("spool")).unwrap();
    let (_, origin) = start(directory.path(), "new", true).unwrap();
    assert_eq!(origin.agent_id, "new");
}
