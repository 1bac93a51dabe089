//! What the spool says of its own size.

use super::*;
use crate::spool::Usage;

#[test]
fn usage_tells_what_was_appended_and_the_lane_nearest_to_its_quota() {
    let directory = tempfile::tempdir().unwrap();
    let (mut spool, _) = open_spool(directory.path());
    assert_eq!(spool.usage().appended_bytes, 0);

    // The same in two lanes: the one with the smaller quota is nearer to it.
    let mut random = seeded();
    let contents = bulk(&mut random, 1_000);
    for lane in [Lane::Presence, Lane::Metrics] {
        spool
            .append(&origin(), lane, &contents, None, 1_000)
            .unwrap();
    }
    let bytes = |lane| -> (u64, u64) {
        let segments = segments_of(directory.path(), lane);
        let on_disk = segments.iter().map(|path| path.metadata().unwrap().len());
        let records = all_of(&mut open_reader(directory.path()), lane);
        let batches = records.iter().map(|record| record.batch.len() as u64);
        (on_disk.sum(), batches.sum())
    };
    let usage = spool.usage();
    drop(spool);
    let (presence, metrics) = (bytes(Lane::Presence), bytes(Lane::Metrics));
    let expected = Usage {
        appended_bytes: presence.1 + metrics.1,
        fullest_used_bytes: presence.0,
        fullest_max_bytes: Config::default().presence_max_bytes,
    };
    assert_eq!(usage, expected);

    // Appended is what this process appended; held is what the disk holds.
    let (mut spool, _) = open_spool(directory.path());
    assert_eq!(
        spool.usage(),
        Usage {
            appended_bytes: 0,
            ..expected
        }
    );
    spool
        .append(
            &origin(),
            Lane::Metrics,
            &bulk(&mut random, 8_000),
            None,
            1_000,
        )
        .unwrap();
    let usage = spool.usage();
    assert!(usage.appended_bytes > 8 * metrics.1 / 2, "{usage:?}");
    assert_eq!(usage.fullest_max_bytes, Config::default().metrics_max_bytes);
}

fn open_reader(path: &Path) -> Spool {
    open_spool(path).0
}
