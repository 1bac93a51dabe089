//! What the fuzzer of the spool calls: any bytes as the files of a lane, raw or as records that are
//! whole and say anything.

use std::path::Path;
use std::sync::Arc;

use crmscope_proto::payload::Contents;
use crmscope_proto::v1::Heartbeat;
use crmscope_proto::{Id, Lane};

use super::disk::{Disk, FirstDisk, RealDisk, write_all_at};
use super::{Config, Origin, Record, Spool};

/// Where the spool is, in memory.
const ROOT: &str = "/spool";

/// A part of the bytes: two of length, then so many.
fn part<'a>(data: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, rest)) = data.split_first_chunk::<2>() else {
        return std::mem::take(data);
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (part, rest) = rest.split_at(length);
    *data = rest;
    part
}

/// Records with right checksums: three bytes of flags and lengths, two numbers, checkpoint, batch.
fn records(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<19>() {
        let number = |at: usize| {
            head[at..at + 8]
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let (checkpoint, rest) = rest.split_at(usize::from(head[1]).min(rest.len()));
        let (batch, rest) = rest.split_at(usize::from(head[2]).min(rest.len()));
        bytes = rest;
        let record = Record {
            sequence: number(3),
            created_ms: number(11).cast_signed(),
            items: u32::from(head[0]),
            continues: head[0] & 1 != 0,
            drops: head[0] & 2 != 0,
            checkpoint: checkpoint.to_vec(),
            batch: batch.to_vec(),
            head: None,
        };
        record.write_to(&mut out);
    }
    out.extend_from_slice(bytes);
    out
}

fn write(disk: &dyn Disk, path: &Path, bytes: &[u8]) {
    let file = disk.create(path).expect("memory takes a file");
    write_all_at(file.as_ref(), bytes.to_vec().into(), 0).expect("memory takes the bytes");
}

fn read_all(spool: &mut Spool, lane: Lane) -> Vec<Record> {
    spool.rewind();
    spool
        .read(lane, 0, usize::MAX, usize::MAX)
        .expect("memory can be read")
}

/// Opens a spool with these files: the first byte says which and how, parts follow.
///
/// # Panics
/// When damage stops the start, numbers do not ascend, one is given out again, or another start
/// finds other records.
pub fn open(data: &[u8]) {
    let Some((&choice, mut data)) = data.split_first() else {
        return;
    };
    let disk: Arc<dyn Disk> = Arc::new(FirstDisk::new(Arc::new(RealDisk)));
    let root = Path::new(ROOT);
    let lane = Lane::BY_URGENCY[usize::from(choice) % 4];
    let directory = root.join(lane.name());
    let form = |bytes: &[u8]| match choice & 4 {
        0 => bytes.to_vec(),
        _ => records(bytes),
    };
    if choice & 8 != 0 {
        write(disk.as_ref(), &root.join("spool_id"), part(&mut data));
    }
    if choice & 16 != 0 {
        write(
            disk.as_ref(),
            &directory.join("state"),
            &form(part(&mut data)),
        );
    }
    let mut first = 1;
    while !data.is_empty() {
        let name = directory.join(format!("{first:020}.segment"));
        write(disk.as_ref(), &name, &form(part(&mut data)));
        first += 2;
    }
    let reopen = || {
        let (spool, _) = Spool::open_on(Arc::clone(&disk), root, Config::default())
            .expect("damage never stops the start");
        spool
    };
    let mut spool = reopen();
    let before = read_all(&mut spool, lane);
    let ascend = |records: &[Record]| records.is_sorted_by(|a, b| a.sequence < b.sequence);
    assert!(ascend(&before));
    let origin = Origin {
        agent_id: "fuzz".to_owned(),
        boot_id: Id([1; 16]),
        start_id: Id([2; 16]),
    };
    let contents = Contents {
        heartbeats: vec![Heartbeat::default()],
        ..Contents::default()
    };
    if spool.append(&origin, lane, &contents, None, 1).is_err() {
        return;
    }
    let after = read_all(&mut spool, lane);
    assert!(
        ascend(&after) && after.len() > before.len(),
        "{} and {}",
        before.len(),
        after.len()
    );
    assert_eq!(after[..before.len()], before, "what waited stays");
    drop(spool);
    assert_eq!(read_all(&mut reopen(), lane), after, "at the next start");
}
