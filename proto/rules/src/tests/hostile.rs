//! Sets that want to be more than they may.

use bytes::Bytes;
use crmscope_proto::v1::RulesPiece;

use super::noise;
use crate::limits::{
    DELIVERED_FILES_MAX, DELIVERED_MAX_BYTES, FILE_MAX_BYTES, FILE_NAME_MAX_BYTES, PACKED_MAX_BYTES,
};
use crate::pieces::pieces;
use crate::{Assembly, DeliveredFile, PackError, Packed};

fn piece() -> RulesPiece {
    pieces(&Packed::of(&noise(1, 1000)).unwrap())
        .next()
        .unwrap()
}

fn file(name: &str, text: Vec<u8>) -> DeliveredFile {
    let name = name.to_owned();
    DeliveredFile { set: 0, name, text }
}

#[test]
fn what_is_beyond_a_bound_is_not_packed() {
    let max_bytes = usize::try_from(FILE_MAX_BYTES).unwrap();
    let many = |count: usize, text: &[u8]| -> Vec<DeliveredFile> {
        let name = |number| file(&number_name(number), text.to_vec());
        (0..count).map(name).collect()
    };
    type IsRight = fn(&PackError) -> bool;
    let cases: [(Vec<DeliveredFile>, IsRight); 7] = [
        (many(DELIVERED_FILES_MAX + 1, b""), |error| {
            matches!(error, PackError::Files(_))
        }),
        (many(17, &vec![b'a'; max_bytes]), |error| {
            matches!(error, PackError::Bytes(_))
        }),
        (noise(5, 250_000), |error| {
            matches!(error, PackError::Frame(_))
        }),
        (vec![file("a", vec![b'a'; max_bytes + 1])], |error| {
            matches!(error, PackError::File { .. })
        }),
        (vec![file("", Vec::new())], |error| {
            matches!(error, PackError::Name(_))
        }),
        (vec![file("a\nb", Vec::new())], |error| {
            matches!(error, PackError::Name(_))
        }),
        (
            vec![file(&"a".repeat(FILE_NAME_MAX_BYTES + 1), Vec::new())],
            |error| matches!(error, PackError::Name(_)),
        ),
    ];
    for (files, is_right) in cases {
        let error = Packed::of(&files).unwrap_err();
        assert!(is_right(&error), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

fn number_name(number: usize) -> String {
    format!("{number}.yml")
}

#[test]
fn pieces_that_announce_too_much_or_do_not_fit_are_refused() {
    let max = u32::try_from(PACKED_MAX_BYTES).unwrap();
    let files_max = u32::try_from(DELIVERED_MAX_BYTES).unwrap();
    let good = piece();
    for bad in [
        RulesPiece {
            frame_bytes: max + 1,
            ..good.clone()
        },
        RulesPiece {
            frame_bytes: u32::MAX,
            files_bytes: u32::MAX,
            ..good.clone()
        },
        RulesPiece {
            files_bytes: files_max + 1,
            ..good.clone()
        },
        RulesPiece {
            offset: 1,
            ..good.clone()
        },
        RulesPiece {
            offset: u32::MAX,
            ..good.clone()
        },
        RulesPiece {
            frame_bytes: good.frame_bytes - 1,
            ..good.clone()
        },
        RulesPiece {
            data: Bytes::new(),
            ..good.clone()
        },
    ] {
        let mut assembly = Assembly::default();
        let error = assembly.take(bad).unwrap_err();
        assert_eq!(error.version, good.version);
        // The next one is not harmed.
        assert!(assembly.take(good.clone()).unwrap().is_some());
    }
}

#[test]
fn a_frame_unfolds_to_no_more_than_it_announces() {
    // Zeros without end, in a few bytes.
    let frame: Bytes = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap().into();
    assert!(frame.len() < 16 << 10);
    for files_bytes in [10, DELIVERED_MAX_BYTES, usize::MAX] {
        let packed = Packed {
            version: 1,
            files_bytes,
            frame: frame.clone(),
        };
        assert!(packed.files().is_err(), "{files_bytes}");
    }
}

#[test]
fn many_files_of_nothing_are_refused_before_they_are_much_memory() {
    // A key and a length of 0, two bytes a file.
    let raw = [0x0a, 0x00].repeat(DELIVERED_MAX_BYTES / 2);
    let packed = Packed {
        version: 1,
        files_bytes: raw.len(),
        frame: zstd::bulk::compress(&raw, 3).unwrap().into(),
    };
    assert_eq!(
        packed.files(),
        Err(PackError::Files(DELIVERED_FILES_MAX + 1))
    );
}

#[test]
fn any_damage_is_noticed() {
    let good = Packed::of(&noise(2, 300)).unwrap();
    let files = good.files().unwrap();
    for position in 0..good.frame.len() {
        let mut frame = good.frame.to_vec();
        frame[position] ^= 0x20;
        let damaged = Packed {
            frame: frame.into(),
            ..good.clone()
        };
        assert!(damaged.files().is_err() || damaged.files() == Ok(files.clone()));
    }
    let other = Packed {
        version: good.version ^ 1,
        ..good
    };
    assert!(matches!(other.files(), Err(PackError::Version { .. })));
}
