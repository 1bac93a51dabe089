use proptest::prelude::*;

use super::*;

/// What is found of four paths.
fn found(line: &str) -> Result<[Value<'_>; 4], Unread> {
    let mut values = [Value::Missing; 4];
    find(line.as_bytes(), &["a", "b.c", "b.d.e", "f"], &mut values)?;
    Ok(values)
}

fn text(value: Value<'_>) -> String {
    let mut texts = Texts::default();
    let place = texts.place(value);
    String::from_utf8(texts.get(place).to_vec()).unwrap()
}

#[test]
fn values_are_found_by_path() {
    use Value::{Bare, Escaped, Missing, Text};
    let all = [Bare(b"1"), Text(b"x"), Bare(b"true"), Missing];
    for (line, values) in [
        (r#"{"a":1,"b":{"c":"x","d":{"e":true}}}"#, all),
        (
            r#" { "b" : { "d" : { "e" : true } , "c" : "x" } , "a" : 1 } "#,
            all,
        ),
        (r#"{"a":1,"b.c":"x","b.d.e":true}"#, all),
        (r#"{"a":1,"b":{"c":"x","d.e":true}}"#, all),
        (
            r#"{"z":[{"a":2},"}",["\"]"]],"a":1,"b":{"q":{},"c":"x","d":{"e":true}}}"#,
            all,
        ),
        (
            r#"{"a":2,"a":1,"b":{"c":"y"},"b":{"c":"x","d":{"e":true}}}"#,
            all,
        ),
        (r#"{"\u0061":1,"b":{"c":"x","d":{"\u0065":true}}}"#, all),
        ("{}", [Missing; 4]),
        (r#"{"a":null,"b":7,"f":[1]}"#, [Missing; 4]),
        (r#"{"b":[{"c":1}]}"#, [Missing; 4]),
        (r#"{"a":{"c":1},"c":2,"e":3,"d":{"e":4}}"#, [Missing; 4]),
        (r#"{"":1,"b":{"":{"e":1}},"b.":{"c":1}}"#, [Missing; 4]),
        (
            r#"{"a":"q\"\\"}"#,
            [Escaped(br#"q\"\\"#), Missing, Missing, Missing],
        ),
        (r#"{"a":NaN}"#, [Bare(b"NaN"), Missing, Missing, Missing]),
    ] {
        assert_eq!(found(line), Ok(values), "{line}");
    }
}

#[test]
fn what_is_no_object_is_an_error() {
    let deep = format!(r#"{{"x":{}}}"#, "[".repeat(1000));
    let nested = format!(
        r#"{{"x":{}1{}}}"#,
        "[".repeat(DEPTH_MAX),
        "]".repeat(DEPTH_MAX)
    );
    assert!(found(&nested).is_ok());
    for line in [
        "",
        "null",
        "[1]",
        "{",
        r#"{"a""#,
        r#"{"a":"#,
        r#"{"a":1"#,
        r#"{"a":1,"#,
        r#"{"a":1,}"#,
        r#"{"a":"x}"#,
        r#"{"a":"x\"}"#,
        r#"{"a":"x\"#,
        r#"{a:1}"#,
        r#"{"a" 1}"#,
        r#"{"a":1 2}"#,
        r#"{"a":,"b":1}"#,
        r#"{"a":1}x"#,
        r#"{"a":1}{"a":1}"#,
        r#"{"x":[}"#,
        r#"{"x":["}]}"#,
        &deep,
    ] {
        assert!(found(line).is_err(), "{line}");
    }
}

#[test]
fn escapes_are_undone() {
    for (json, plain) in [
        (r#""plain é""#, "plain é"),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u0000\u0041\u00e9\u20AC""#, "\0Aé€"),
        (r#""\ud83d\ude00!""#, "😀!"),
        (r#""\ud83d!""#, "\u{fffd}!"),
        (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
        (r#""\ude00\u0041""#, "\u{fffd}A"),
        (r#""\q\u12""#, "\u{fffd}\u{fffd}12"),
        (r#""\uzzzz\ud83d\u00""#, "\u{fffd}zzzz\u{fffd}\u{fffd}00"),
    ] {
        let line = format!(r#"{{"a":{json}}}"#);
        assert_eq!(text(found(&line).unwrap()[0]), plain, "{json}");
    }
}

#[test]
fn statuses_and_counts() {
    for (value, status) in [
        (Value::Bare(b"200"), Some(200)),
        (Value::Text(b"404"), Some(404)),
        (Value::Bare(b"-1"), Some(0)),
        (Value::Bare(b"1000"), None),
        (Value::Bare(b"true"), None),
        (Value::Text(b""), None),
        (Value::Missing, None),
    ] {
        assert_eq!(value.status(), status, "{value:?}");
    }
    assert_eq!(Value::Bare(b"-1").unsigned(0), None);
    assert_eq!(Value::Bare(b"1e400").unsigned(0), None);
}

proptest! {
    #[test]
    fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut values = [Value::Missing; 4];
        let _ = find(&line, &["a", "b.c", "b.d.e", "f"], &mut values);
    }

    /// Bytes that are mostly JSON's own get further into the reader.
    #[test]
    fn no_json_like_text_panics(line in r#"\{["abcdef.{}:,\\u0d8\[\] 1]{0,60}"#) {
        if let Ok(values) = found(&line) {
            for value in values {
                text(value);
            }
        }
    }

    /// What serde_json writes is read as serde_json means it.
    #[test]
    fn texts_agree_with_serde_json(a in ".{0,30}", key in ".{0,8}", other in ".{0,30}", e in ".{0,30}") {
        let line = serde_json::json!({ key: other, "b": { "d": { "e": e } }, "a": a }).to_string();
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        let values = found(&line).unwrap();
        let expected = |pointer: &str| read.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        prop_assert_eq!(text(values[0]), expected("/a"));
        prop_assert_eq!(text(values[2]), expected("/b/d/e"));
    }
}
