use super::*;

#[test]
fn files_beyond_the_bound_are_an_error() {
    let mut bench = Bench::new(true);
    for number in 0..9 {
        bench.append(&format!("{number}.log"), "x\n");
    }
    let mut sink = Lines::default();
    let error = bench.tailer.poll(bench.now, &mut sink).unwrap_err();
    assert!(error.to_string().contains("max_files"), "{error}");
    assert_eq!(sink.lines.len(), 8);
}

/// Fails at a line, as a parser with a defect would.
#[derive(Default)]
struct Failing(Lines);

impl LineSink for Failing {
    fn ready(&self) -> bool {
        true
    }
    fn begin(&mut self, _stretch: &Stretch<'_>) {}
    fn line(&mut self, offset: u64, line: &[u8]) {
        assert!(line != b"bad", "a defect");
        self.0.line(offset, line);
    }
    fn lost(&mut self, _loss: &Loss<'_>) {}
}

#[test]
fn a_line_that_makes_the_parser_panic_is_passed_over_and_nothing_counts_twice() {
    let mut bench = Bench::new(true);
    bench.append("a.log", "one\nbad\ntwo\n");
    let mut sink = Failing::default();
    let poll = std::panic::AssertUnwindSafe(|| bench.tailer.poll(bench.now, &mut sink));
    assert!(std::panic::catch_unwind(poll).is_err());
    bench.poll_into(&mut sink.0);
    assert_eq!(sink.0.lines, ["one", "two"]);
}
