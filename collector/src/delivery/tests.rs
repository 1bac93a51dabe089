//! Sets of every kind are checked alike.

use std::path::Path;

use super::sets::{self, SetsError};
use super::{rules, settings};

/// A kind of set, made of its name, place and roles.
trait Kind: sets::SetConfig {
    fn of(name: &str, path: &str, roles: &[&str]) -> Self;
}

fn owned(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

impl Kind for rules::SetConfig {
    fn of(name: &str, path: &str, roles: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            directory: Path::new(path).to_owned(),
            roles: owned(roles),
            groups: Vec::new(),
        }
    }
}

impl Kind for settings::SetConfig {
    fn of(name: &str, path: &str, roles: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            file: Path::new(path).to_owned(),
            roles: Vec::new(),
            groups: owned(roles),
        }
    }
}

fn names_and_places_are_checked<K: Kind>() {
    let place = "/etc/crmscope/of-agents";
    let check = |sets: &[K]| sets::validate(10_000, sets);
    let good = K::of("crm-1.a_b", place, &["mail"]);
    assert_eq!(check(std::slice::from_ref(&good)), Ok(()));
    let taken = K::TAKEN_NAME.into_iter();
    for name in ["", "-a", "a b", "a/b", "é", &"a".repeat(65)]
        .into_iter()
        .chain(taken)
    {
        let refused = SetsError::Name {
            section: K::SECTION,
            name: name.to_owned(),
            taken: K::TAKEN_NAME,
        };
        assert_eq!(check(&[K::of(name, place, &[])]), Err(refused));
    }
    let twice = check(&[good.clone(), good]).unwrap_err().to_string();
    assert!(twice.contains("stands once"), "{twice}");
    let relative = check(&[K::of("a", "of-agents", &[])]).unwrap_err();
    let expected = format!(
        "{}.sets: a: the {} \"of-agents\" is no absolute path; write one such as {}",
        K::SECTION,
        K::PLACE.0,
        K::PLACE.1
    );
    assert_eq!(relative.to_string(), expected);
    let empty = check(&[K::of("a", place, &[""])]).unwrap_err().to_string();
    assert!(empty.contains("leave the list out"), "{empty}");
    let many: Vec<K> = (0..=K::SETS_MAX)
        .map(|number| K::of(&format!("s{number}"), place, &[]))
        .collect();
    assert_eq!(check(&many[1..]), Ok(()));
    let error = check(&many).unwrap_err().to_string();
    let (sets, max) = (K::SETS_MAX + 1, K::SETS_MAX);
    let expected = format!("{}.sets has {sets} sets; up to {max} can be", K::SECTION);
    assert_eq!(error, expected);
    for interval_ms in [199, 3_600_001] {
        let error = sets::validate::<K>(interval_ms, &[])
            .unwrap_err()
            .to_string();
        let expected = format!(
            "{}.check_interval_ms is {interval_ms}; it must be 200 to 3600000",
            K::SECTION
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn sets_of_every_kind_have_names_and_places() {
    names_and_places_are_checked::<rules::SetConfig>();
    names_and_places_are_checked::<settings::SetConfig>();
}
