//! Small batches that unfold to as much as they can, each opened in a process of its own.

use super::*;

/// What opening one batch may take at its peak, bytes: what `limits` promises. A batch is opened,
/// used and freed before the next of its stream, so the bound holds for each stream.
const MEMORY_MAX_BYTES: usize = 128 * 1024 * 1024;

/// The same for the host, whose rows are widest.
fn folded_host(rows: usize) -> SeriesBlock {
    SeriesBlock {
        kind: SeriesKind::Host as u32,
        labels: Vec::new(),
        columns: (1..=u32::try_from(HostMetric::COUNT).unwrap())
            .map(|metric| Column {
                metric,
                values: vec![1],
            })
            .collect(),
        ..folded(rows)
    }
}

/// So many times the field with nothing in it: two bytes each on the wire, much more in memory.
fn empty_fields(number: u8) -> Vec<u8> {
    [number << 3 | 2, 0].repeat(PAYLOAD_MAX_BYTES / 2)
}

/// The field of the payload that holds so many empty fields.
fn nested(number: u8, inner: u8) -> Vec<u8> {
    let mut raw = vec![number << 3 | 2];
    let content = [inner << 3 | 2, 0].repeat(PAYLOAD_MAX_BYTES / 2 - 8);
    prost::encode_length_delimiter(content.len(), &mut raw).unwrap();
    raw.extend(content);
    raw
}

fn long_strings(entries: usize) -> Vec<String> {
    vec!["x".repeat(STRING_MAX_BYTES); entries]
}

/// The payload of a bomb, and the items it announces.
fn bomb(name: &str) -> (Vec<u8>, usize) {
    let all = BATCH_MAX_ITEMS;
    let message = |payload: Payload| payload.encode_to_vec();
    match name {
        "zeros" => (vec![0; PAYLOAD_MAX_BYTES], 0),
        "empty_strings" => (empty_fields(1), 0),
        "empty_series" => (empty_fields(2), 0),
        "empty_events" => (empty_fields(4), 0),
        "empty_heartbeats" => (empty_fields(5), 0),
        "empty_drops" => (empty_fields(6), 0),
        "empty_exemplars" => (empty_fields(8), 0),
        "empty_sampling" => (empty_fields(9), 0),
        "long_exemplars" => {
            let exemplar = RequestExemplar {
                kind: 1,
                service: 1,
                route: 1,
                method: 1,
                network: 1,
                ..RequestExemplar::default()
            };
            let payload = Payload {
                dictionary: long_strings(1),
                exemplars: vec![exemplar; all],
                ..Payload::default()
            };
            (message(payload), all)
        }
        "long_networks" => {
            let block = ClientBlock {
                windows: vec![0; all],
                services: vec![1; all],
                networks: vec![1; all],
                requests: vec![0; all],
                client_errors: vec![0; all],
                server_errors: vec![0; all],
                bytes: vec![0; all],
                in_other_maxima: vec![0; all],
            };
            let payload = Payload {
                dictionary: long_strings(1),
                clients: Some(block),
                ..Payload::default()
            };
            (message(payload), all)
        }
        "sketch_entries" => {
            // Two sketches a row, each of buckets that all differ.
            let rows = 400;
            let steps: Vec<i32> = (0..rows)
                .flat_map(|_| (0..1201).map(|step| i32::from(step > 0)))
                .collect();
            let block = RequestBlock {
                buckets: vec![0; rows],
                services: vec![0; rows],
                routes: vec![0; rows],
                methods: vec![0; rows],
                status_classes: vec![0; rows],
                requests: vec![0; rows],
                bytes: vec![0; rows],
                latency_sums_us: vec![0; rows],
                latency_maxima_us: vec![0; rows],
                sketch_lengths: vec![1201; rows],
                sketch_indexes: steps.clone(),
                sketch_counts: vec![1; steps.len()],
                upstream_sums_us: vec![0; rows],
                upstream_maxima_us: vec![0; rows],
                upstream_lengths: vec![1201; rows],
                upstream_counts: vec![1; steps.len()],
                upstream_indexes: steps,
            };
            let payload = Payload {
                requests: Some(block),
                ..Payload::default()
            };
            (message(payload), rows)
        }
        "empty_columns" => (nested(2, 5), 1),
        "empty_lane_states" => (nested(5, 6), 1),
        "folded_columns" => (
            message(Payload {
                series: vec![folded(all - 1); 20],
                ..Payload::default()
            }),
            (all - 1) * 20,
        ),
        "folded_host" => {
            let block = folded_host(all);
            let payload = Payload {
                series: vec![block],
                ..Payload::default()
            };
            (message(payload), all)
        }
        "single_host_rows" => {
            let block = folded_host(1);
            let blocks = PAYLOAD_MAX_BYTES / (block.encoded_len() + 3);
            let payload = Payload {
                series: vec![block; blocks],
                ..Payload::default()
            };
            (message(payload), blocks)
        }
        "long_labels" => {
            let mut block = folded(1);
            block.kind = SeriesKind::Filesystem as u32;
            block.labels = vec![1; 3];
            block.columns.truncate(FilesystemMetric::COUNT);
            let payload = Payload {
                dictionary: long_strings(1),
                series: vec![block; all],
                ..Payload::default()
            };
            (message(payload), all)
        }
        "long_routes" => {
            let block = RequestBlock {
                buckets: vec![0; all],
                services: vec![1; all],
                routes: vec![1; all],
                methods: vec![1; all],
                status_classes: vec![0; all],
                requests: vec![0; all],
                bytes: vec![0; all],
                latency_sums_us: vec![0; all],
                latency_maxima_us: vec![0; all],
                sketch_lengths: vec![0; all],
                ..RequestBlock::default()
            };
            let payload = Payload {
                dictionary: long_strings(1),
                requests: Some(block),
                ..Payload::default()
            };
            (message(payload), all)
        }
        "long_events" => {
            let event = SecurityEvent {
                event_id: vec![0; 16],
                kind: 1,
                service: 1,
                method: 1,
                ..SecurityEvent::default()
            };
            let payload = Payload {
                dictionary: long_strings(1),
                security_events: vec![event; all],
                ..Payload::default()
            };
            (message(payload), all)
        }
        other => panic!("no bomb {other}"),
    }
}

/// Names the bomb to the process that opens it.
const BOMB_VARIABLE: &str = "CRMSCOPE_TEST_BOMB";

/// Peak of this process's resident memory, bytes, since it was last reset.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.unwrap().parse::<usize>().unwrap() * 1024
}

/// Does nothing unless started by [`assert_defused`], in a process of its own.
#[test]
fn bomb_in_its_own_process() {
    let Ok(name) = std::env::var(BOMB_VARIABLE) else {
        return;
    };
    let batch = {
        let (raw, items) = bomb(&name);
        assert!(raw.len() <= PAYLOAD_MAX_BYTES, "{name}: {}", raw.len());
        compressed(&raw, items)
    };
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak_bytes();
    let error = open(&batch).err().map(|error| error.to_string());
    let took = peak_bytes() - before;
    println!(
        "took={took} sent={} error={}",
        batch.payload.len(),
        error.unwrap_or_default()
    );
}

fn assert_defused(name: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bombs::bomb_in_its_own_process", "--nocapture"])
        .env(BOMB_VARIABLE, name)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{name}: {stdout}");
    let took = stdout
        .split("took=")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|bytes| bytes.parse::<usize>().ok());
    let report = stdout.lines().find(|line| line.contains("took="));
    println!("{name}: {}", report.unwrap_or_default());
    assert!(
        took.unwrap() <= MEMORY_MAX_BYTES,
        "{name} takes more than {MEMORY_MAX_BYTES} bytes: {}",
        report.unwrap_or_default()
    );
}

#[test]
fn bombs_of_zeros_stay_bounded() {
    assert_defused("zeros");
}

#[test]
fn bombs_of_folded_columns_stay_bounded() {
    assert_defused("folded_columns");
    assert_defused("folded_host");
}

#[test]
fn bombs_of_empty_strings_stay_bounded() {
    assert_defused("empty_strings");
}

#[test]
fn bombs_of_empty_series_stay_bounded() {
    assert_defused("empty_series");
}

#[test]
fn bombs_of_empty_columns_stay_bounded() {
    assert_defused("empty_columns");
}

#[test]
fn bombs_of_empty_events_stay_bounded() {
    assert_defused("empty_events");
}

#[test]
fn bombs_of_empty_heartbeats_stay_bounded() {
    assert_defused("empty_heartbeats");
}

#[test]
fn bombs_of_empty_lane_states_stay_bounded() {
    assert_defused("empty_lane_states");
}

#[test]
fn bombs_of_empty_drop_ranges_stay_bounded() {
    assert_defused("empty_drops");
}

#[test]
fn bombs_of_single_host_rows_stay_bounded() {
    assert_defused("single_host_rows");
}

#[test]
fn bombs_of_long_labels_stay_bounded() {
    assert_defused("long_labels");
}

#[test]
fn bombs_of_long_routes_stay_bounded() {
    assert_defused("long_routes");
}

#[test]
fn bombs_of_long_event_words_stay_bounded() {
    assert_defused("long_events");
}

#[test]
fn bombs_of_exemplars_stay_bounded() {
    assert_defused("empty_exemplars");
    assert_defused("empty_sampling");
    assert_defused("long_exemplars");
}

#[test]
fn bombs_of_long_networks_stay_bounded() {
    assert_defused("long_networks");
}

#[test]
fn bombs_of_full_sketches_stay_bounded() {
    assert_defused("sketch_entries");
}
