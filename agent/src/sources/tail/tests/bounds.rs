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
