//! The wire: an uncompressed payload of any bytes. What opens must round-trip.
#![no_main]

use crmscope_proto::v1::{Batch, Encoding};
use crmscope_proto::{Lane, open, seal};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((head, payload)) = data.split_first_chunk::<2>() else {
        return;
    };
    let envelope = Batch {
        agent_id: "fuzz".to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: Lane::Metrics.into(),
        sequence: 1,
        ..Batch::default()
    };
    let batch = Batch {
        items: u32::from(u16::from_le_bytes(*head)),
        encoding: Encoding::None.into(),
        payload_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        payload: payload.to_vec().into(),
        ..envelope.clone()
    };
    if let Ok(contents) = open(&batch) {
        assert_eq!(contents.items(), batch.items as usize);
        if let Ok(again) = seal(&contents, envelope) {
            assert_eq!(open(&again).as_ref(), Ok(&contents));
        }
    }
});
