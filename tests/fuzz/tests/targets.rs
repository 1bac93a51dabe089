//! Targets and their seeds do not rot: every target is a program for the fuzzer, and takes its seeds.

#![allow(clippy::unwrap_used, reason = "test code outside of test functions")]

use std::fs;
use std::path::{Path, PathBuf};

/// One target.
type Target = (&'static str, fn(&[u8]));

/// Those of each package, and where they are.
const PACKAGES: [(&str, &[Target]); 2] = [
    ("crmscope_agent", &crmscope_agent::fuzzing::TARGETS),
    ("crmscope_collector", &crmscope_collector::fuzzing::TARGETS),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<_> = entries.map(|entry| stem(entry.path())).collect();
    names.sort();
    names
}

#[test]
fn every_target_is_a_program_of_the_fuzzer() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut known = Vec::new();
    for (package, targets) in PACKAGES {
        for (name, _) in targets {
            let path = format!("fuzz_targets/{name}.rs");
            let bin =
                format!("name = \"{name}\"\npath = \"{path}\"\nrequired-features = [\"engine\"]\n");
            assert!(manifest.contains(&bin), "Cargo.toml has no {name}");
            let text = fs::read_to_string(root().join(path)).unwrap();
            let code: Vec<&str> = text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with("//!"))
                .collect();
            let call = format!(
                "libfuzzer_sys::fuzz_target!(|data: &[u8]| {package}::fuzzing::run(\"{name}\", data));"
            );
            assert_eq!(code, ["#![no_main]", &call], "{name}");
            known.push((*name).to_owned());
        }
    }
    known.sort();
    assert_eq!(names(&root().join("fuzz_targets")), known);
    assert_eq!(names(&root().join("corpus")), known);
}

#[test]
fn every_target_takes_its_seeds() {
    for (name, target) in PACKAGES.into_iter().flat_map(|(_, targets)| targets) {
        let seeds = root().join("corpus").join(name);
        let mut taken = 0;
        for entry in fs::read_dir(&seeds).unwrap() {
            let entry = entry.unwrap();
            // The fuzzer's own finds stand beside them, where it ran.
            if !entry.file_name().to_string_lossy().starts_with("seed_") {
                continue;
            }
            let path = entry.path();
            println!("{}", path.display());
            target(&fs::read(&path).unwrap());
            taken += 1;
        }
        assert!(taken > 0, "{name} has no seeds in {}", seeds.display());
    }
    // What targets wrote, each into a folder of this process.
    let own = format!("-{}-", std::process::id());
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("crmscope-fuzz-") && name.contains(&own) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
