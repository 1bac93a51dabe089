//! The charts of ClickHouse's own `/dashboard`.

use std::collections::BTreeSet;

use crmscope_tests::Stack;

use super::run;

/// Charts without rows on a stack that is well and a minute old, and why that is right.
const EMPTY_WHEN_WELL: [(&str, &str); 9] = [
    (
        "Dead letters [by why nobody could read them]",
        "all could be read",
    ),
    ("Findings first seen [by level]", "no rule found anything"),
    ("Incidents that began [by kind]", "no incident"),
    ("Lost batches [by reason]", "none was lost"),
    ("Proven of hosts [share of judged time]", "no hour is over"),
    (
        "Proven of services [share of judged time that each target answered somewhere, at least]",
        "no hour is over",
    ),
    (
        "Security batches that were not stored as sealed",
        "all were",
    ),
    (
        "Sources of agents that failed or took too long [runs, by source]",
        "on most machines none does",
    ),
    (
        "What agents left out to stay within their budgets [seconds, by subject]",
        "on most machines nothing",
    ),
];

/// Runs each with a step of a minute, and of an hour, which reads other tables.
pub(super) fn all_answer(stack: &Stack) {
    let charts = stack
        .query::<(String, String)>("SELECT title, query FROM dashboards ORDER BY title")
        .unwrap();
    let titles: BTreeSet<&str> = charts.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(titles.len(), charts.len(), "two charts of one title");
    for (title, _) in EMPTY_WHEN_WELL {
        assert!(titles.contains(title), "there is no chart {title}");
    }
    assert!(charts.len() >= 45, "{} charts", charts.len());
    for (title, sql) in &charts {
        for step in ["60", "3600"] {
            let sql = sql.replace("{rounding:UInt32}", &format!("toUInt32({step})"));
            let answer = run(stack, title, &sql);
            println!("{title}, {step} s: {} rows", answer.len());
            let may_be_empty = EMPTY_WHEN_WELL.iter().any(|(known, _)| known == title);
            assert!(may_be_empty || has_value(&answer), "{title}: {answer:?}");
        }
    }
}

/// Whether any figure is one.
fn has_value(answer: &[String]) -> bool {
    answer.iter().any(|line| {
        line.split('\t')
            .skip(1)
            .any(|cell| cell.parse::<f64>().is_ok_and(f64::is_finite))
    })
}
