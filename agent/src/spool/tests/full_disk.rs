//! A disk without room: what waits can still be acknowledged, and that makes room.

use std::process::Command;

use super::*;

const MOUNTED: &str = "CRMSCOPE_TEST_FULL_DISK";

/// Runs itself again in a mount namespace of its own, on a file system of 6 MiB.
#[test]
fn acknowledging_frees_a_full_disk() {
    if let Some(path) = std::env::var_os(MOUNTED) {
        return on_a_small_disk(Path::new(&path));
    }
    let directory = tempfile::tempdir().unwrap();
    let name = "spool::tests::full_disk::acknowledging_frees_a_full_disk";
    let mount = "mount -t tmpfs -o size=6m crmscope \"$CRMSCOPE_TEST_FULL_DISK\" || exit 77; exec \"$0\" --exact --nocapture \"$1\"";
    let run = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", mount])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(MOUNTED, directory.path())
        .output();
    match run {
        Ok(run) if run.status.success() => {
            assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"));
        }
        Ok(run) if String::from_utf8_lossy(&run.stdout).contains("running 1 test") => panic!(
            "{}{}",
            String::from_utf8_lossy(&run.stdout),
            String::from_utf8_lossy(&run.stderr)
        ),
        _ => println!("skipped: no mount namespace may be made here"),
    }
}

fn on_a_small_disk(path: &Path) {
    let (mut spool, _) = open_spool(path);
    let mut random = fastrand::Rng::with_seed(8);
    let mut appended = 0;
    // Down to the last block.
    for rows in [5_000, 100, 1] {
        let rows = bulk(&mut random, rows);
        while spool
            .append(&origin(), Lane::Requests, &rows, None, 1_000)
            .is_ok()
        {
            appended += 1;
        }
    }
    let read = sequences(&all_of(&mut spool, Lane::Requests));
    assert_eq!(read, (1..=appended).collect::<Vec<_>>());
    spool.acknowledge(Lane::Requests, appended - 1).unwrap();
    let rows = bulk(&mut random, 5_000);
    spool
        .append(&origin(), Lane::Requests, &rows, None, 1_000)
        .unwrap();
    drop(spool);
    let (mut spool, lost) = open_spool(path);
    assert!(lost.is_empty(), "{lost:?}");
    assert_eq!(
        sequences(&all_of(&mut spool, Lane::Requests)),
        [appended, appended + 1]
    );
}
