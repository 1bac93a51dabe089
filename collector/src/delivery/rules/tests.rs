//! Who is given which sets, and what stays when something cannot be read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::delivery::offers::{Deliverable as _, Hosts, Labels};

fn rule(id: &str) -> String {
    format!(
        "title: {id}\nid: {id}\nlogsource:\n  product: linux\ndetection:\n  selection:\n    user: x\n  condition: selection\n"
    )
}

fn config(name: &str, directory: &Path, roles: &[&str], groups: &[&str]) -> SetConfig {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    SetConfig {
        name: name.to_owned(),
        directory: directory.to_owned(),
        roles: owned(roles),
        groups: owned(groups),
    }
}

fn set(name: &str, text: &str, roles: &[&str], groups: &[&str]) -> Set {
    let files = vec![(format!("{name}/a.yml"), text.as_bytes().to_vec())];
    Set::of(&config(name, Path::new("/x"), roles, groups), files, 1).unwrap()
}

fn hosts(all: &[(&str, &str, &str)]) -> Option<Arc<Hosts>> {
    let labels = |&(agent_id, role, group): &(&str, &str, &str)| {
        let (role, group) = (role.to_owned(), group.to_owned());
        (agent_id.to_owned(), Labels { role, group })
    };
    Some(Arc::new(all.iter().map(labels).collect()))
}

fn names(offers: &Offers, agent_id: &str) -> Vec<String> {
    offers.offer(agent_id).unwrap().sets.clone()
}

#[test]
fn a_host_has_every_set_that_is_for_its_role_and_group() {
    let sets = Arc::new(vec![
        set("all", &rule("all"), &[], &[]),
        set("mail", &rule("mail"), &["mail"], &[]),
        set("mail-paris", &rule("mail"), &["mail", "db"], &["paris"]),
    ]);
    let known = hosts(&[
        ("web-1", "web", "paris"),
        ("mail-1", "mail", "rome"),
        ("mail-2", "mail", "paris"),
        ("mail-3", "mail", "paris"),
    ]);
    let offers = Offers::of(Arc::clone(&sets), known, &Offers::default());
    assert_eq!(names(&offers, "web-1"), ["all"]);
    assert_eq!(names(&offers, "mail-1"), ["all", "mail"]);
    assert_eq!(names(&offers, "mail-2"), ["all", "mail", "mail-paris"]);
    assert_eq!(names(&offers, "nobody-knows"), ["all"]);
    let (one, other) = (offers.offer("mail-2"), offers.offer("mail-3"));
    assert!(Arc::ptr_eq(one.unwrap(), other.unwrap()), "packed once");
    // Of one id, the later set's rule is in force, which is no fault.
    let offer = offers.offer("mail-2").unwrap();
    assert_eq!((offer.rules, offer.refused), (2, 0));
    assert_eq!(offers.targets().count(), 4);
}

#[test]
fn nothing_is_said_before_it_is_known_or_without_sets() {
    let some = Arc::new(vec![
        set("all", &rule("all"), &[], &[]),
        set("mail", &rule("mail"), &["mail"], &[]),
    ]);
    let unknown = Offers::of(some, None, &Offers::default());
    assert!(
        unknown.offer("mail-1").is_none(),
        "its role is not known yet"
    );
    let all = Arc::new(vec![set("all", &rule("all"), &[], &[])]);
    let all = Offers::of(all, None, &Offers::default());
    assert_eq!(names(&all, "mail-1"), ["all"], "no host has another");
    let none = Offers::of(Arc::default(), hosts(&[("a", "", "")]), &Offers::default());
    assert!(none.offer("a").is_none());
    // With sets, but none for it: what it has is taken back.
    let other = Arc::new(vec![set("mail", &rule("mail"), &["mail"], &[])]);
    let other = Offers::of(other, hosts(&[("web", "web", "")]), &Offers::default());
    assert_eq!(other.offer("web").unwrap().packed.version, 0);
}

#[test]
fn sets_that_are_too_large_together_leave_what_was_given() {
    let text = |seed: u32| -> String {
        let mut state = seed;
        let mut letter = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(33 + u8::try_from(state >> 25).unwrap_or(0) % 90)
        };
        std::iter::repeat_with(|| format!("# {}\n", (0..70).map(|_| letter()).collect::<String>()))
            .take(3_400)
            .collect()
    };
    let of = |count: u32| -> Vec<Set> {
        (0..count)
            .map(|number| set(&format!("set-{number}"), &text(number), &[], &[]))
            .collect()
    };
    let small = Offers::of(Arc::new(of(2)), hosts(&[]), &Offers::default());
    let before = small.offer("a").unwrap().packed.version;
    // The same sets, of which one grew.
    let mut grown = of(2);
    for number in 3..9 {
        let name = format!("set-1/{number}.yml");
        grown[1].files.push((name, text(number).into_bytes()));
    }
    let offers = Offers::of(Arc::new(grown), hosts(&[]), &small);
    assert_eq!(offers.offer("a").unwrap().packed.version, before);
    assert!(
        offers.unfit[0].starts_with("the sets set-0, set-1 together: "),
        "{:?}",
        offers.unfit
    );
}

#[test]
fn a_set_is_read_again_when_its_files_change_and_stays_where_they_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("rules");
    let config = config("crm", &directory, &[], &[]);
    let missing = Set::read(&config, None).unwrap_err();
    assert!(missing.contains("no such directory"), "{missing}");
    fs::create_dir_all(directory.join("auth/tests")).unwrap();
    fs::write(directory.join("auth/a.yml"), rule("a")).unwrap();
    fs::write(directory.join("auth/tests/a.yml"), "no rule").unwrap();
    fs::write(directory.join("b.yml"), "title: b\n").unwrap();
    let set = Set::read(&config, None).unwrap().unwrap();
    let names: Vec<&str> = set.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["crm/auth/a.yml", "crm/b.yml"]);
    assert_eq!((set.taken, set.refused), (1, 1));
    assert!(
        set.faults[0]
            .to_string()
            .starts_with("delivered crm/b.yml:1: ")
    );
    assert_eq!(Set::read(&config, Some(&set)), Ok(None));
    fs::write(directory.join("b.yml"), rule("b")).unwrap();
    let again = Set::read(&config, Some(&set)).unwrap().unwrap();
    assert_eq!((again.taken, again.refused), (2, 0));
    fs::write(directory.join("c.yml"), vec![b'#'; 300_000]).unwrap();
    let large = Set::read(&config, Some(&again)).unwrap_err();
    assert!(large.contains("c.yml"), "{large}");
    fs::write(directory.join("c.yml"), "").unwrap();
    fs::write(directory.join("d\ne.yml"), "").unwrap();
    assert!(Set::read(&config, Some(&again)).is_err(), "no such name");
}
