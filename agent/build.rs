//! How the agent lies in memory.
//!
//! The kernel maps a program's file in pieces of 64 KiB, so a function that runs once brings its
//! neighbours along, and most of a program would be mapped although a quarter of it runs. The linker
//! puts the functions named in `layout/used.txt` side by side. A name that is missing there or means
//! nothing any more costs memory and nothing else; `layout/touched.c` makes the list anew. LLD, which
//! is Rust's own, and GNU ld understand the script.
//!
//! Addresses that are filled in at the start are listed in the packed form (DT_RELR), where the C library
//! of this machine reads it, which is from 2.36 on: the plain list is half a MiB, all of it read.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=layout/used.txt");
    let is_set = |name: &str, value: &str| std::env::var(name).is_ok_and(|set| set == value);
    if !is_set("PROFILE", "release") || !is_set("CARGO_CFG_TARGET_OS", "linux") {
        return Ok(());
    }
    let mut script = String::from("SECTIONS\n{\n.text_used : {\n");
    for function in std::fs::read_to_string("layout/used.txt")?.lines() {
        // What is unlikely to be called has a prefix of its own, and copies end in a number.
        writeln!(
            script,
            "*(.text.{function} .text.{function}.* .text.unlikely.{function} .text.unlikely.{function}.*)"
        )?;
    }
    script.push_str("}\n}\nINSERT BEFORE .text;\n");
    let path = Path::new(&std::env::var("OUT_DIR")?).join("layout.ld");
    std::fs::write(&path, script)?;
    let path = path.to_str().ok_or("the path of the build is no text")?;
    println!("cargo::rustc-link-arg-bin=crmscope-agent=-Wl,-T,{path}");
    if reads_packed_addresses() {
        println!("cargo::rustc-link-arg-bin=crmscope-agent=-Wl,-z,pack-relative-relocs");
    }
    Ok(())
}

/// Whether programs that are built here, for here, may have them.
fn reads_packed_addresses() -> bool {
    let is_for_here = std::env::var("HOST").ok() == std::env::var("TARGET").ok();
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    // Such as "glibc 2.36".
    let told = told.map_or_else(
        |_| String::new(),
        |out| String::from_utf8_lossy(&out.stdout).into_owned(),
    );
    let version = told
        .trim()
        .rsplit(' ')
        .next()
        .and_then(|version| version.split_once('.'));
    let number = |text: &str| text.parse::<u32>().ok();
    let version = version.and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    is_for_here && version.is_some_and(|version| version >= (2, 36))
}
