//! What is packed comes back, and nothing hostile goes beyond the bounds.

mod hostile;
mod layers;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::limits::PIECE_MAX_BYTES;
use crate::pieces::pieces;
use crate::{Assembly, DeliveredFile, Packed};

fn file() -> impl Strategy<Value = DeliveredFile> {
    (0..16usize, "[a-zé/]{1,40}", vec(any::<u8>(), 0..3000))
        .prop_map(|(set, name, text)| DeliveredFile { set, name, text })
}

/// Hardly to be compressed, so that there are several pieces.
pub(super) fn noise(files: usize, bytes: usize) -> Vec<DeliveredFile> {
    let mut state = 1u64;
    let mut byte = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..files)
        .map(|number| DeliveredFile {
            set: 0,
            name: format!("noise/{number}.yml"),
            text: (0..bytes).map(|_| byte()).collect(),
        })
        .collect()
}

/// Put together again out of its pieces, in order.
pub(super) fn carried(packed: &Packed) -> Packed {
    let mut assembly = Assembly::default();
    let mut whole = None;
    for piece in pieces(packed) {
        assert!(piece.data.len() <= PIECE_MAX_BYTES && whole.is_none());
        whole = assembly.take(piece).unwrap();
    }
    whole.unwrap()
}

proptest! {
    #[test]
    fn what_is_packed_comes_back(files in vec(file(), 0..20)) {
        let packed = Packed::of(&files).unwrap();
        prop_assert_eq!(packed.version == 0, files.is_empty());
        let carried = carried(&packed);
        prop_assert_eq!(&carried, &packed);
        prop_assert_eq!(carried.files().unwrap(), files);
    }

    #[test]
    fn the_version_tells_any_other_files(
        mut files in vec(file(), 1..8),
        position in any::<prop::sample::Index>(),
        change in 0..4u8,
    ) {
        let before = Packed::of(&files).unwrap().version;
        prop_assert_eq!(Packed::of(&files.clone()).unwrap().version, before);
        let position = position.index(files.len());
        match change {
            0 => files[position].text.push(b'x'),
            1 => files[position].name.push('x'),
            2 => files[position].set = (files[position].set + 1) % 16,
            _ => drop(files.remove(position)),
        }
        prop_assert_ne!(Packed::of(&files).unwrap().version, before);
    }
}

#[test]
fn a_large_set_goes_in_pieces_and_an_empty_one_in_one() {
    let large = Packed::of(&noise(3, 250_000)).unwrap();
    assert_eq!(pieces(&large).count(), 3);
    assert_eq!(carried(&large), large);
    let empty = Packed::of(&[]).unwrap();
    assert_eq!(pieces(&empty).count(), 1);
    assert_eq!(carried(&empty), empty);
    assert_eq!(empty.files(), Ok(Vec::new()));
}

#[test]
fn a_set_that_was_cut_short_is_begun_anew() {
    let (large, other) = (noise(3, 250_000), noise(2, 200_000));
    let (large, other) = (Packed::of(&large).unwrap(), Packed::of(&other).unwrap());
    let mut assembly = Assembly::default();
    let mut first = pieces(&large);
    assert_eq!(assembly.take(first.next().unwrap()), Ok(None));
    let mut whole = None;
    for piece in pieces(&other) {
        whole = assembly.take(piece).unwrap();
    }
    assert_eq!(whole, Some(other));
    let late = assembly.take(first.next().unwrap()).unwrap_err();
    assert!(late.reason.contains("follow"), "{late}");
    assert_eq!(late.version, large.version);
}
