use proptest::prelude::*;

use super::*;

fn sieve(files: &[String]) -> Loaded {
    let text = files.join("---\n");
    let loaded = loaded(&[("web.yml", &text)]);
    assert_eq!(loaded.faults, Vec::new());
    loaded
}

fn web(id: &str, detection: &str) -> String {
    rule(id, "category: webserver", detection)
}

#[test]
fn a_line_passes_when_a_rule_could_match_it() {
    let loaded = sieve(&[
        web(
            "path",
            "  selection:\n    cs-uri-stem|contains: /Probe.php\n    cs-method: GET\n  condition: selection",
        ),
        web(
            "status",
            "  selection:\n    sc-status: 429\n  condition: selection",
        ),
        web(
            "both",
            "  selection:\n    sc-status: [401, 403]\n    cs-uri|contains: /api/\n  filter:\n    cs-uri|contains: /health\n  condition: selection and not filter",
        ),
        web(
            "words",
            "  keywords:\n    - '${jndi:'\n    - 'class.*loader'\n  condition: keywords",
        ),
        web(
            "regex",
            "  selection:\n    cs-uri-query|re: '(?i)(un|dis)ion.{0,9}sel+ect'\n  condition: selection",
        ),
        web(
            "agent",
            "  selection:\n    cs-user-agent|startswith: SqlMap\n  condition: selection",
        ),
    ]);
    let set = loaded.set.unwrap();
    let sieve = set.sieve().unwrap();
    assert_eq!(sieve.rules_of_every_line(), 0, "{sieve:?}");
    let passes = |line: &str, target: &str, status| {
        sieve.lets_through(line.as_bytes(), target.as_bytes(), status, &mut Vec::new())
    };
    assert!(passes("", "/a/pRoBe.PHP?x", 200));
    assert!(
        !passes("/probe.php", "/", 200),
        "only the target is looked at"
    );
    assert!(passes("", "/", 429) && !passes("429", "/429", 428));
    assert!(passes("", "/api/x", 403) && !passes("", "/api/x", 200) && !passes("", "/", 401));
    assert!(passes("x ${JNDI:ldap", "/", 200) && passes("CLASS.a.loader", "/", 200));
    assert!(passes("", "/?q=SELECT", 200) && !passes("", "/?q=disunion", 200));
    assert!(passes("\"sqlMAP/1\"", "/", 200));
    assert!(!passes("GET /contacts", "/contacts", 200));
    assert!(!passes("", "", 0) && !passes("", "", u16::MAX));
    assert!(
        passes(r#"{"a":"\u0073qlmap"}"#, "/", 200),
        "JSON may write it in other words"
    );
}

#[test]
fn rules_without_a_text_or_a_status_are_told() {
    for (detection, every_line) in [
        (
            "  selection:\n    cs-method: POST\n  condition: selection",
            true,
        ),
        (
            "  selection:\n    cs-uri|contains: [abc, xy]\n  condition: selection",
            true,
        ),
        (
            "  selection:\n    cs-uri|contains: abc\n  condition: not selection",
            true,
        ),
        (
            "  a:\n    cs-uri|contains: abc\n  b:\n    cs-method: PUT\n  condition: a or b",
            true,
        ),
        (
            "  a:\n    cs-uri|contains: abc\n  b:\n    cs-method: PUT\n  condition: a and b",
            false,
        ),
        (
            "  a:\n    cs-uri|contains: abc\n  b:\n    cs-method: PUT\n  condition: all of them",
            false,
        ),
        (
            "  a:\n    cs-uri|contains: abc\n  b:\n    cs-method: PUT\n  condition: 1 of them",
            true,
        ),
        (
            "  a:\n    kind: web_request\n    c-ip|cidr: 10.0.0.0/8\n  condition: a",
            true,
        ),
        ("  a:\n    sc-status|gte: 500\n  condition: a", true),
        ("  a:\n    sc-status: '429'\n  condition: a", false),
        ("  a:\n    cs-uri|re: '^/a?b?$'\n  condition: a", true),
        (
            "  a:\n    cs-uri|contains|all: [ab, abc]\n  condition: a",
            false,
        ),
        ("  a:\n    cs-uri: null\n  condition: a", true),
        // When it happened stands in no text of the line.
        (
            "  a:\n    local_time|hour: [22, 23]\n    local_weekday: sunday\n  condition: a",
            true,
        ),
        (
            "  a:\n    cs-uri|contains: abc\n  b:\n    local_time|hour: 23\n  c:\n    local_weekday: sunday\n  condition: a and (b or c)",
            false,
        ),
        ("  a:\n    cs-uri|contains: 'ümläut'\n  condition: a", true),
        ("  a:\n    cs-uri|contains: 'ümlaut'\n  condition: a", false),
    ] {
        let set = sieve(&[web("a", detection)]).set.unwrap();
        let found = set.sieve().unwrap().rules_of_every_line() == 1;
        assert_eq!(found, every_line, "{detection}");
    }
}

const WORDS: [&str; 12] = [
    "/.env", "union", "select", "%27", "../", "${jndi:", "admin", "wp-login", "sleep(", "/api/",
    "id=1", "x",
];

fn any_detection() -> impl Strategy<Value = String> {
    let word = || prop::sample::select(&WORDS[..]);
    let field =
        prop::sample::select(&["cs-uri", "cs-uri-query", "cs-uri-stem", "cs-user-agent"][..]);
    let modifier =
        prop::sample::select(&["contains", "startswith", "endswith", "contains|all", "re"][..]);
    let item = (field, modifier, prop::collection::vec(word(), 2..4)).prop_map(
        |(field, modifier, words)| {
            let words: Vec<String> = words
                .iter()
                .map(|word| match modifier {
                    "re" => regex::escape(word),
                    _ => (*word).to_owned(),
                })
                .map(|word| format!("'{word}'"))
                .collect();
            format!("    {field}|{modifier}: [{}]\n", words.join(", "))
        },
    );
    let status = prop::sample::select(
        &[
            "",
            "    sc-status: 404\n",
            "    sc-status: [401, 429]\n",
            "    local_time|hour: [1, 2]\n",
        ][..],
    );
    let condition = prop::sample::select(
        &[
            "a and b",
            "a or b",
            "a and not b",
            "1 of them",
            "all of them",
            "a or keywords",
        ][..],
    );
    (item.clone(), item, status, word(), condition).prop_map(
        |(a, b, status, keyword, condition)| {
            format!(
                "  a:\n{a}{status}  b:\n{b}  keywords:\n    - '{keyword}'\n  condition: {condition}"
            )
        },
    )
}

proptest! {
    /// Whatever the rules and the line are, no line that a rule matches is held back.
    #[test]
    fn nothing_that_matches_is_held_back(
        detections in prop::collection::vec(any_detection(), 1..6),
        words in prop::collection::vec(prop::sample::select(&WORDS[..]), 0..4),
        agent in prop::sample::select(&WORDS[..]),
        upper in any::<bool>(),
        status in prop::sample::select(&[200_u16, 401, 404, 429][..]),
        hour in 0..4_i64,
    ) {
        let rules: Vec<String> = detections
            .iter()
            .enumerate()
            .map(|(number, detection)| web(&format!("r{number}"), detection))
            .collect();
        let set = sieve(&rules).set.unwrap();
        let mut target = format!("/{}?{}", words.join("/"), words.join("&"));
        if upper {
            target = target.to_uppercase();
        }
        let line = format!("10.0.0.1 \"GET {target} HTTP/1.1\" {status} 0 \"-\" \"{agent}\"");
        let (stem, query) = target.split_once('?').unwrap();
        let mut record = Record::of(&line, false);
        record.text(&["cs-uri"], &target);
        record.text(&["cs-uri-stem"], stem);
        record.text(&["cs-uri-query"], query);
        record.text(&["cs-user-agent"], agent);
        record.number(&["sc-status"], status.into());
        record.happened(hour * 3_600_000, set.clock());
        let matched = matches(&set, Class::Web, "nginx", &record);
        let passes = set.sieve().unwrap().lets_through(line.as_bytes(), target.as_bytes(), status, &mut Vec::new());
        prop_assert!(passes || matched.is_empty(), "{line}: {matched:?}");
    }
}
