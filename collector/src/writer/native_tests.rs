use super::*;

fn body(block: Block) -> Vec<u8> {
    block.finish().1.to_vec()
}

#[test]
fn numbers_follow_name_and_type() {
    let mut block = Block::new(2, 8);
    block.u16("a", [1, 0x0203].into_iter());
    block.i8("b", [-1, 2].into_iter());
    assert_eq!(
        body(block),
        b"\x02\x02\x01a\x06UInt16\x01\x00\x03\x02\x01b\x04Int8\xff\x02"
    );
}

#[test]
fn low_cardinality_lists_each_text_once() {
    let mut block = Block::new(4, 8);
    block.text_runs("h", [("x", 2), ("yz", 1), ("x", 1)].into_iter());
    let mut want = b"\x01\x04\x01h\x16LowCardinality(String)".to_vec();
    for word in [1u64, 0x600, 2] {
        want.extend_from_slice(&word.to_le_bytes());
    }
    want.extend_from_slice(b"\x01x\x02yz");
    want.extend_from_slice(&4u64.to_le_bytes());
    want.extend_from_slice(&[0, 0, 1, 0]);
    assert_eq!(body(block), want);
}

#[test]
fn low_cardinality_widens_its_indexes() {
    let texts: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let mut block = Block::new(300, 8);
    block.text("h", texts.iter().map(String::as_str));
    let bytes = body(block);
    assert_eq!(bytes[bytes.len() - 2..], 299u16.to_le_bytes());
}

#[test]
fn nulls_stand_before_values_and_uuids_reverse_their_halves() {
    let mut block = Block::new(2, 9);
    block.nullable_u64_runs("n", [(None, 1), (Some(&[7u64][..]), 1)].into_iter());
    let bytes = body(block);
    assert_eq!(bytes[bytes.len() - 18..][..2], [1, 0]);
    assert_eq!(bytes[bytes.len() - 8..], 7u64.to_le_bytes());

    let mut block = Block::new(1, 16);
    let id = Id([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    block.uuid("u", [id].into_iter());
    let bytes = body(block);
    assert_eq!(
        bytes[bytes.len() - 16..],
        [7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8]
    );
}

#[test]
fn maps_have_offsets_keys_and_values() {
    let sketches = [
        Sketch::from_parts([(3, 5), (1, 4)], 0, 0),
        Sketch::default(),
    ];
    let mut block = Block::new(2, 9);
    block.sketches("m", sketches.iter());
    let bytes = body(block);
    let mut want = Vec::new();
    want.extend_from_slice(&2u64.to_le_bytes());
    want.extend_from_slice(&2u64.to_le_bytes());
    want.extend_from_slice(&[1, 0, 3, 0]);
    want.extend_from_slice(&4u64.to_le_bytes());
    want.extend_from_slice(&5u64.to_le_bytes());
    assert_eq!(bytes[bytes.len() - want.len()..], want);
}

#[test]
fn varints_take_seven_bits_a_byte() {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, 300);
    put_varint(&mut bytes, 127);
    assert_eq!(bytes, [0xac, 0x02, 0x7f]);
}
