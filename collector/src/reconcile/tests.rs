use super::Row;
use super::looks::{Differing, Look, judge};
use super::plan::{Column, DAY_S, View, plans, whole_days};
use super::report::{Report, WholeSince, text};

fn view(source: &str, target: &str) -> View {
    View {
        view: format!("{target}_view"),
        source: source.to_owned(),
        target: target.to_owned(),
        query: format!(
            "SELECT r.a AS a, r.t AS t, sumMap(r.m) AS m FROM crmscope.{source} AS r GROUP BY a, t"
        ),
        source_days: 7,
        target_days: 0,
        since_s: 0,
    }
}

fn columns(table: &str) -> Vec<Column> {
    [
        ("a", "LowCardinality(String)", 1),
        ("t", "DateTime('UTC')", 1),
        (
            "m",
            "SimpleAggregateFunction(sumMap, Map(Int16, UInt64))",
            0,
        ),
    ]
    .map(|(name, kind, key)| Column {
        table: table.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
        key,
    })
    .to_vec()
}

#[test]
fn a_level_above_is_recomputed_from_base_rows() {
    let views = [view("x_1m", "x_1h"), view("x_raw", "x_1m")];
    let columns = [columns("x_1m"), columns("x_1h")].concat();
    let plans = plans(&views, &columns).unwrap();
    let sql = plans[0].count(0, DAY_S, 5);
    assert!(
        sql.contains("FROM (SELECT r.a AS a, r.t AS t, sumMap(r.m) AS m FROM crmscope.x_raw AS r"),
        "{sql}"
    );
    assert!(
        !sql.contains("{{") && !sql.contains("crmscope.x_1m"),
        "{sql}"
    );
    assert_eq!(plans[0].kept_days, Some(7));
}

#[test]
fn a_roll_up_that_came_later_is_compared_from_then_on() {
    let mut late = view("x_raw", "x_1m");
    late.since_s = DAY_S / 2;
    let plans = plans(&[late], &columns("x_1m")).unwrap();
    let range =
        |from, to| format!("t >= toDateTime({from}, 'UTC') AND t < toDateTime({to}, 'UTC')");
    let sql = plans[0].count(0, DAY_S, 5);
    assert_eq!(sql.matches(&range(DAY_S / 2, DAY_S)).count(), 2, "{sql}");
    let sql = plans[0].count(DAY_S, 2 * DAY_S, 5);
    assert_eq!(sql.matches(&range(DAY_S, 2 * DAY_S)).count(), 2, "{sql}");
}

#[test]
fn a_view_that_is_not_understood_is_an_error_with_its_name() {
    let mut joined = view("x_raw", "x_1m");
    joined
        .query
        .push_str(" HAVING a IN (SELECT a FROM crmscope.y)");
    let error = plans(&[joined], &columns("x_1m")).unwrap_err();
    assert!(error.contains("x_1m_view"), "{error}");
}

#[test]
fn differing_cells_of_a_sketch_are_named() {
    let plans = plans(&[view("x_raw", "x_1m")], &columns("x_1m")).unwrap();
    let mut report = Report::default();
    let row = |stored: &str, recomputed: &str, stored_rows| Row {
        hash: 0,
        state: 0,
        key: vec!["a'1".to_owned(), "2026-11-28 00:00:00".to_owned()],
        stored_rows,
        recomputed_rows: 1,
        stored: vec![stored.to_owned()],
        recomputed: vec![recomputed.to_owned()],
    };
    report.add(&plans[0], &row("{-3:1,7:2}", "{-3:1,7:3,9:1}", 1));
    report.add(&plans[0], &row("", "{}", 0));
    let columns: Vec<&str> = report
        .differences
        .iter()
        .map(|one| one.column.as_str())
        .collect();
    assert_eq!(columns, ["m[7]", "m[9]", "*"]);
    assert!(
        text(&report).contains("x_1m a=\"a'1\""),
        "{}",
        text(&report)
    );
    assert_eq!(report.exit_code(), 1);
}

#[test]
fn what_came_later_is_said() {
    let report = Report {
        whole_since: vec![WholeSince {
            table: "x_1h".to_owned(),
            since: 1_790_000_000,
        }],
        ..Report::default()
    };
    let text = text(&report);
    assert!(
        text.starts_with("x_1h: compared from 2026-09-21 "),
        "{text}"
    );
    assert_eq!(report.exit_code(), 0);
}

#[test]
fn ranges_are_whole_days() {
    assert_eq!(whole_days(DAY_S + 1, DAY_S + 2), (DAY_S, 2 * DAY_S));
    assert_eq!(whole_days(DAY_S, 2 * DAY_S), (DAY_S, 2 * DAY_S));
}

#[test]
fn only_what_was_the_same_twice_is_wrong() {
    let rows = |rows: &[(u64, u64)]| -> Differing { rows.iter().copied().collect() };
    let before = rows(&[(1, 10), (2, 20), (3, 30), (9, 90)]);
    // 1 goes on changing, 2 is the same, 3 is right by now, 4 came later.
    let mut look = Look {
        rows: rows(&[(1, 11), (2, 20), (4, 40)]),
        differing: 3,
    };
    let verdict = judge(&before, &look);
    assert_eq!(verdict.same, rows(&[(2, 20)]));
    assert_eq!(verdict.changing, rows(&[(1, 11)]));
    assert_eq!(verdict.unseen, 0);
    // Of one that shows not all, nothing is known behind its last row.
    look.differing = 4;
    assert_eq!(judge(&before, &look).unseen, 1);
    look.rows.clear();
    assert_eq!(judge(&before, &look).unseen, 4);
}

#[test]
fn what_is_not_judged_is_no_difference_and_not_silent() {
    let mut report = Report {
        changing_rows: 5,
        ..Report::default()
    };
    assert_eq!((report.exit_code(), report.is_wrong()), (3, false));
    assert!(
        text(&report).contains("5 rows differed at each of 6 looks"),
        "{}",
        text(&report)
    );
    report.changing_rows = 0;
    report.unjudged_rows = 7;
    assert_eq!(report.exit_code(), 3);
    assert!(
        text(&report).contains("7 rows differed once"),
        "{}",
        text(&report)
    );
    report.unlisted_rows = 1;
    assert_eq!(report.exit_code(), 1);
    assert_eq!(Report::default().exit_code(), 0);
}
