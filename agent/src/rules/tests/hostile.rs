//! Rules and lines that want to take long, or much memory.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::*;

/// In a debug build, beside other builds.
const QUICK: Duration = Duration::from_secs(10);

fn refused(text: &str) -> String {
    let begun = Instant::now();
    let loaded = loaded(&[("rule.yml", text)]);
    println!("{} bytes: {:?}", text.len(), begun.elapsed());
    assert!(begun.elapsed() < QUICK, "{:?}", begun.elapsed());
    assert_eq!((loaded.rules, loaded.refused), (0, 1));
    loaded.faults[0].reason.clone()
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = String::from("title: laughs\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let inner = format!("*a{}", level - 1);
        let _ = writeln!(
            text,
            "a{level}: &a{level} [{}]",
            [inner.as_str(); 10].join(", ")
        );
    }
    text += "detection:\n  selection: *a9\n  condition: selection\n";
    assert!(refused(&text).contains("aliases"), "{}", refused(&text));
}

#[test]
fn deep_documents_are_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        for depth in [40, 5_000, 50_000] {
            let text = format!(
                "title: deep\ndetection:\n  selection: {}x{}\n  condition: selection\n",
                open.repeat(depth),
                close.repeat(depth)
            );
            let _ = refused(&text[..text.len().min(250_000)]);
        }
    }
    let dashes = "- ".repeat(100_000);
    let _ = refused(&format!("title: deep\ndetection:\n  {dashes}x\n"));
    let steps: String = (0..500)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    let _ = refused(&format!("title: deep\n{steps}"));
    // The largest conditions that are taken, where stacks are small.
    for condition in [
        format!("{}a", "not ".repeat(250)),
        format!("{}a{}", "(".repeat(60), ")".repeat(60)),
        format!("{}a", "a and not ".repeat(80)),
        format!("{}a", "a or ".repeat(120)),
    ] {
        let detection = format!("  a:\n    user: x\n  condition: {condition}");
        let text = rule("deep", "product: linux", &detection);
        let ask = move || {
            let loaded = loaded(&[("rule.yml", &text)]);
            assert_eq!(loaded.rules + loaded.refused, 1);
            let mut record = Record::of("", false);
            record.text(&["user"], "x");
            if let Some(set) = loaded.set {
                let _ = matches(&set, Class::Auth, "sshd", &record);
            }
        };
        let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        small.spawn(ask).unwrap().join().unwrap();
    }
    let nots = "not ".repeat(5_000);
    let text = rule(
        "deep",
        "product: linux",
        &format!("  a:\n    kind: x\n  condition: {nots}a"),
    );
    let _ = refused(&text);
    let brackets = format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000));
    let text = rule(
        "deep",
        "product: linux",
        &format!("  a:\n    kind: x\n  condition: {brackets}"),
    );
    let _ = refused(&text);
}

#[test]
fn expressions_that_compile_to_much_are_refused() {
    for expression in [
        "(a{1000}){1000}",
        r"\w{2000}",
        "((((((((((a{5}){5}){5}){5}){5}){5}){5}){5}){5}){5})",
        &format!("{}a{}", "(".repeat(100), ")".repeat(100)),
        &"a|".repeat(2_100),
    ] {
        let detection = format!("  a:\n    cs-uri|re: '{expression}'\n  condition: a");
        let text = rule("bomb", "category: webserver", &detection);
        let _ = refused(&text);
    }
    let many: String = (0..65)
        .map(|number| format!("      - 'a{number}.*b'\n"))
        .collect();
    let detection = format!("  a:\n    cs-uri|re:\n{many}  condition: a");
    assert!(refused(&rule("many", "category: webserver", &detection)).contains("expressions"));
    let long = "x".repeat(5_000);
    let detection = format!("  a:\n    cs-uri: {long}\n  condition: a");
    assert!(refused(&rule("long", "category: webserver", &detection)).contains("5000 bytes"));
    let wild = "a*".repeat(100);
    let detection = format!("  a:\n    cs-uri: '{wild}'\n  condition: a");
    assert!(refused(&rule("wild", "category: webserver", &detection)).contains("wildcards"));
}

#[test]
fn files_beyond_bounds_and_of_other_bytes_are_refused() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "large.yml", vec![b' '; 256 * 1024 + 1]);
    write(folder.path(), "bytes.yml", b"title: a\nid: \xff\n");
    write(folder.path(), "null.yml", b"title: \0\n");
    let text = rule("ok", "product: linux", "  a:\n    kind: x\n  condition: a");
    write(folder.path(), "ok.yml", text);
    let loaded = load(&[folder.path().to_owned()], &surroundings()).unwrap();
    assert_eq!((loaded.rules, loaded.refused), (1, 3));
    let faults = faults(&loaded);
    assert_eq!((faults[0].0.as_str(), faults[0].1), ("bytes.yml", 2));
    assert_eq!((faults[1].0.as_str(), faults[1].1), ("large.yml", 0));
    assert_eq!(faults[2].0, "null.yml");

    let mut deep = folder.path().to_owned();
    for _ in 0..10 {
        deep.push("d");
    }
    fs::create_dir_all(&deep).unwrap();
    let error = load(&[folder.path().to_owned()], &surroundings()).unwrap_err();
    assert!(error.contains("deeper"), "{error}");
}

/// The dearest expressions that are taken, and the longest text.
#[test]
fn the_worst_event_takes_a_bounded_time() {
    // More rules than the bound of all expressions takes.
    let texts: Vec<String> = (0..30)
        .map(|rule_number| {
            let expressions: String = (0..6)
                .map(|number| match number % 3 {
                    0 => format!("      - '([a-z]*x){{{}}}[0-9]'\n", 20 + rule_number),
                    1 => format!("      - '(\\w*x){{{}}}[0-9]'\n", 1 + rule_number % 5),
                    _ => format!("      - '(x+x?){{{}}}[0-9]'\n", 10 + rule_number),
                })
                .collect();
            let detection = format!("  a:\n    cs-uri|re:\n{expressions}  condition: a");
            rule(
                &format!("worst-{rule_number}"),
                "category: webserver",
                &detection,
            )
        })
        .collect();
    let loaded = loaded(&[("worst.yml", &texts.join("---\n"))]);
    assert!(loaded.rules > 1 && loaded.refused > 5, "{}", loaded.rules);
    assert!(loaded.faults[0].reason.contains("expressions of all rules"));
    let set = loaded.set.unwrap();
    let line = "x".repeat(1024 * 1024);
    let begun = Instant::now();
    let mut record = Record::of(&line, false);
    record.text(&["cs-uri"], &line);
    assert!(matches(&set, Class::Web, "nginx", &record).is_empty());
    let took = begun.elapsed();
    println!("the worst event took {took:?}");
    assert!(took < QUICK, "{took:?}");
}

#[test]
fn texts_of_strangers_are_data() {
    let selection = |value: &str| {
        let detection = format!("  a:\n    user: '{value}'\n  condition: a");
        loaded(&[("a.yml", &rule("a", "product: linux", &detection))])
            .set
            .unwrap()
    };
    let ask = |set: &RuleSet, user: &str| {
        let mut record = Record::of("", false);
        record.text(&["user"], user);
        !matches(set, Class::Auth, "sshd", &record).is_empty()
    };
    let root = selection("root");
    for user in [
        "x from 6.6.6.6 port 22",
        "root\0",
        "root*",
        "%user%",
        "",
        "r?ot",
        "\u{fffd}root",
    ] {
        assert!(!ask(&root, user), "{user:?}");
    }
    assert!(ask(&root, "ROOT"));

    let long = "a".repeat(1024 * 1024);
    assert!(!ask(&root, &long));
}
