//! What the splitting of statements must get right.

use super::*;

fn insert(sql: &str) -> (&str, String, &str) {
    match parse(sql.as_bytes(), true) {
        Ok(Some(Statement::Insert {
            head_end,
            format,
            data_start,
        })) => (&sql[..head_end], format, &sql[data_start..]),
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn finds_the_data_of_an_insert() {
    for (sql, head, format, data) in [
        (
            "INSERT INTO t FORMAT CSV\n1,2",
            "INSERT INTO t ",
            "CSV",
            "1,2",
        ),
        (
            "insert into t(a) format RowBinary\n\n\0",
            "insert into t(a) ",
            "RowBinary",
            "\n\0",
        ),
        (
            "INSERT INTO t FORMAT CSV 1,2",
            "INSERT INTO t ",
            "CSV",
            "1,2",
        ),
        (
            "INSERT INTO t VALUES (1)",
            "INSERT INTO t ",
            "Values",
            " (1)",
        ),
        (
            "INSERT INTO values VALUES(1)",
            "INSERT INTO values ",
            "Values",
            "(1)",
        ),
        (
            "INSERT INTO format.format FORMAT TSV\r\nx",
            "INSERT INTO format.format ",
            "TSV",
            "x",
        ),
        (
            "INSERT INTO `a FORMAT b` (`FORMAT c`) SETTINGS x='FORMAT d' FORMAT E\n",
            "INSERT INTO `a FORMAT b` (`FORMAT c`) SETTINGS x='FORMAT d' ",
            "E",
            "",
        ),
        (
            "INSERT INTO /* FORMAT X */ t -- VALUES\n FORMAT Y\nz",
            "INSERT INTO /* FORMAT X */ t -- VALUES\n ",
            "Y",
            "z",
        ),
        (
            "INSERT INTO TABLE FUNCTION file('x', 'CSV') VALUES (1)",
            "INSERT INTO TABLE FUNCTION file('x', 'CSV') ",
            "Values",
            " (1)",
        ),
        (
            "INSERT INTO {t:Identifier} (a) VALUES (1)",
            "INSERT INTO {t:Identifier} (a) ",
            "Values",
            " (1)",
        ),
    ] {
        assert_eq!(insert(sql), (head, format.to_owned(), data), "{sql}");
    }
}

#[test]
fn waits_until_the_text_tells() {
    for sql in [
        "INS",
        "INSERT",
        "INSERT INTO t",
        "INSERT INTO t FORMAT",
        "INSERT INTO t FORMAT Row",
        "INSERT INTO t FORMAT CSV\n",
        "SELECT 1",
    ] {
        assert_eq!(parse(sql.as_bytes(), false).unwrap(), None, "{sql}");
    }
    assert!(
        parse(b"INSERT INTO t FORMAT CSV\n1", false)
            .unwrap()
            .is_some()
    );
}

#[test]
fn tells_rows_from_the_rest() {
    let kind = |sql: &str| parse(sql.as_bytes(), true).unwrap().unwrap();
    for sql in [
        "SELECT 1",
        " /* x */ with a as (select 1) select * from a",
        "(SELECT 1) UNION ALL (SELECT 2)",
    ] {
        assert_eq!(kind(sql), Statement::Rows, "{sql}");
    }
    for sql in [
        "SHOW TABLES",
        "CREATE TABLE t (a Int8)",
        "INSERT INTO t SELECT 1",
        "INSERT INTO t (a) SELECT 'VALUES'",
        "INSERT INTO t SELECT values FROM format FORMAT CSV",
        "SELECTED",
    ] {
        assert_eq!(kind(sql), Statement::Whole, "{sql}");
    }
}

#[test]
fn refuses_a_second_statement_files_and_data_for_a_select() {
    assert!(parse(b"SELECT ';' ; -- end\n", true).is_ok());
    for sql in [
        "SELECT 1; DROP TABLE t",
        "INSERT INTO t SELECT 1; DROP TABLE t",
        "SELECT 1 INTO OUTFILE 'x'",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        "INSERT INTO t SELECT a FROM (SELECT * FROM input('a Int8')) FORMAT Arrow\n1;2",
    ] {
        assert!(parse(sql.as_bytes(), true).is_err(), "{sql}");
    }
}

#[test]
fn reads_the_output_format() {
    for (sql, format) in [
        ("SELECT 1 FORMAT JSON SETTINGS a=1", Some("JSON")),
        ("SELECT 1 SETTINGS a=1 format csv;", Some("csv")),
        ("SELECT 1 FORMAT `JSON`", Some("JSON")),
        ("SELECT 'FORMAT X', (format('{}', 1))", None),
        ("SELECT format FROM t", None),
        ("SELECT format x FROM format", None),
        ("SELECT format FROM t FORMAT \"XML\"", Some("XML")),
    ] {
        assert_eq!(output_format(sql.as_bytes()).as_deref(), format, "{sql}");
    }
}
