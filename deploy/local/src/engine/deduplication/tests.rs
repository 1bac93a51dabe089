//! Folders and logs as MergeTree leaves them.

use std::path::{Path, PathBuf};

use super::parts::Part;
use super::take_back_orphans;

struct Table {
    data: tempfile::TempDir,
    folder: PathBuf,
}

impl Table {
    fn new(parts: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let folder = data
            .path()
            .join("store/0ab/0ab00000-0000-4000-8000-000000000000");
        std::fs::create_dir_all(folder.join("deduplication_logs")).unwrap();
        for part in parts {
            std::fs::create_dir_all(folder.join(part)).unwrap();
        }
        Self { data, folder }
    }

    fn log(&self, number: u32) -> PathBuf {
        self.folder
            .join(format!("deduplication_logs/deduplication_log_{number}.txt"))
    }

    fn write(&self, number: u32, text: &str) {
        std::fs::write(self.log(number), text).unwrap();
    }

    fn take_back(&self) -> usize {
        take_back_orphans(self.data.path()).unwrap()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_note_without_part_is_taken_back_once() {
    let table = Table::new(&["all_1_1_0", "detached"]);
    table.write(1, "1\tall_1_1_0\tall_a\n1\tall_2_2_0\tall_b\n");
    assert_eq!(table.take_back(), 1);
    assert_eq!(
        read(&table.log(1)),
        "1\tall_1_1_0\tall_a\n1\tall_2_2_0\tall_b\n2\tall_2_2_0\tall_b\n"
    );
    assert_eq!(table.take_back(), 0);
}

#[test]
fn a_note_stays_when_its_part_was_merged_or_mutated() {
    let table = Table::new(&["20261128_1_5_1", "20261128_6_6_0_8", "20261129_7_7_0"]);
    let text = "1\t20261128_3_3_0\ta\n1\t20261128_6_6_0\tb\n1\t20261129_7_7_0\tc\n";
    table.write(1, text);
    assert_eq!(table.take_back(), 0);
    assert_eq!(read(&table.log(1)), text);
}

#[test]
fn only_a_part_of_the_same_partition_and_number_keeps_a_note() {
    let table = Table::new(&[
        "20261128_1_5_1",
        "20261128_7_9_1",
        "tmp_insert_20261128_6_6_0",
        "delete_tmp_20261128_6_6_0",
    ]);
    table.write(
        1,
        "1\t20261129_3_3_0\ta\n1\t20261128_6_6_0\tb\n1\t20261128_10_10_0\tc\n1\t20261128_9_9_0\td\n",
    );
    assert_eq!(table.take_back(), 3);
    assert!(
        read(&table.log(1))
            .ends_with("2\t20261129_3_3_0\ta\n2\t20261128_6_6_0\tb\n2\t20261128_10_10_0\tc\n")
    );
}

#[test]
fn files_are_read_in_the_order_of_their_numbers_and_the_newest_is_appended_to() {
    let table = Table::new(&["all_9_9_0"]);
    table.write(9, "1\tall_4_4_0\ta\n1\tall_9_9_0\tb\n");
    table.write(10, "2\tall_4_4_0\ta\n1\tall_11_11_0\tc\n");
    assert_eq!(table.take_back(), 1);
    assert_eq!(
        read(&table.log(10)),
        "2\tall_4_4_0\ta\n1\tall_11_11_0\tc\n2\tall_11_11_0\tc\n"
    );
}

#[test]
fn a_piece_of_a_line_is_cut_off() {
    let table = Table::new(&["all_1_1_0"]);
    table.write(1, "1\tall_1_1_0\ta\n1\tall_2_2");
    assert_eq!(table.take_back(), 0);
    assert_eq!(read(&table.log(1)), "1\tall_1_1_0\ta\n");
    table.write(1, "1\tall");
    assert_eq!(table.take_back(), 0);
    assert_eq!(read(&table.log(1)), "");
}

#[test]
fn a_data_directory_without_tables_or_notes_is_left_alone() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(take_back_orphans(empty.path()).unwrap(), 0);
    let table = Table::new(&["all_1_1_0"]);
    assert_eq!(table.take_back(), 0);
    table.write(1, "nonsense\n1\tall_2_2_0\ta\n");
    assert_eq!(table.take_back(), 0);
    assert_eq!(read(&table.log(1)), "nonsense\n1\tall_2_2_0\ta\n");
}

#[test]
fn names_of_parts() {
    for good in [
        "all_1_1_0",
        "20261128_1_5_1_9",
        "0a1b_0_0_0",
        "202611-1_3_4_2",
    ] {
        assert!(Part::parse(good.as_bytes()).is_some(), "{good}");
    }
    for bad in [
        "",
        "all",
        "all_1_1",
        "all_2_1_0",
        "_1_1_0",
        "all_1_1_0_2_3",
        "all_1_-1_0",
        "all_+1_1_0",
        "tmp_merge_all_1_2_1",
        "moving",
        "deduplication_logs",
        "all_99999999999999999999_1_0",
    ] {
        assert!(Part::parse(bad.as_bytes()).is_none(), "{bad}");
    }
}
