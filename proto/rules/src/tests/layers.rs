//! Which of two rules of one id is in force, and what counts for which side.

use std::path::Path;

use crate::check::Count;
use crate::limits::RULES_MAX;
use crate::{Checked, DeliveredFile, Layer, Reading, pack};

fn rule(id: &str, user: &str) -> String {
    format!(
        "title: {id}\nid: {id}\nlogsource:\n  product: linux\ndetection:\n  selection:\n    user: {user}\n  condition: selection\n"
    )
}

fn read(files: &[(Layer, &str, String)]) -> Checked {
    let mut reading = Reading::default();
    for (layer, name, text) in files {
        let path = Path::new(name);
        reading.file(*layer, path, path, text.as_bytes());
    }
    reading.finish()
}

/// Id and layer of each rule, in order.
fn taken(checked: &Checked) -> Vec<(&str, Layer)> {
    let all = checked.candidates.iter();
    let mut taken: Vec<_> = all.map(|of| (of.id.as_str(), of.layer)).collect();
    taken.sort_unstable();
    taken
}

#[test]
fn the_hosts_own_goes_before_a_delivered_one_in_whatever_order_they_are_read() {
    let layers = [
        Layer::Delivered(0),
        Layer::Delivered(15),
        Layer::Own(0),
        Layer::Own(1),
    ];
    for first in layers {
        for second in layers {
            let checked = read(&[
                (first, "a.yml", rule("a", "x")),
                (second, "b.yml", rule("a", "y")),
            ]);
            let refused = checked.own.refused + checked.delivered.refused;
            assert_eq!(refused, usize::from(first == second));
            assert_eq!(taken(&checked), [("a", first.max(second))]);
        }
    }
}

#[test]
fn each_side_has_its_own_account() {
    let checked = read(&[
        (Layer::Own(0), "own.yml", rule("a", "x")),
        (Layer::Delivered(0), "set/a.yml", rule("a", "y")),
        (Layer::Delivered(0), "set/b.yml", "title: b\n".to_owned()),
    ]);
    assert_eq!(
        (checked.own, checked.delivered),
        (
            Count {
                taken: 1,
                refused: 0
            },
            Count {
                taken: 1,
                refused: 1
            }
        )
    );
    assert!(!checked.delivered.is_broken());
    let [fault] = checked.faults.as_slice() else {
        panic!("{:?}", checked.faults)
    };
    assert!(fault.delivered);
    assert!(
        fault.to_string().starts_with("delivered set/b.yml:1: "),
        "{fault}"
    );
    let broken = pack::checked(&[DeliveredFile {
        set: 0,
        name: "set/a.yml".to_owned(),
        text: b"title: a\n".to_vec(),
    }]);
    assert!(broken.delivered.is_broken() && !broken.own.is_broken());
    assert!(!Count::default().is_broken(), "without a file");
}

#[test]
fn the_hosts_own_never_want_for_room() {
    let many: Vec<String> = (0..=RULES_MAX)
        .map(|number| rule(&format!("delivered-{number}"), "x"))
        .collect();
    let checked = read(&[
        (Layer::Own(0), "own.yml", rule("own", "x")),
        (Layer::Delivered(0), "set/many.yml", many.join("---\n")),
    ]);
    assert_eq!(checked.candidates.len(), RULES_MAX);
    assert_eq!(checked.own.refused, 0);
    assert_eq!(checked.delivered.refused, 2);
    assert!(taken(&checked).contains(&("own", Layer::Own(0))));
}
