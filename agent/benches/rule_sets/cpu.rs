//! CPU time of this thread, for figures that hold on a busy machine too.

/// µs of CPU for each of `count` things that `work` does, over several rounds.
pub(crate) fn us_each(count: usize, rounds: u32, mut work: impl FnMut()) -> f64 {
    work();
    let begun = now_us();
    for _ in 0..rounds {
        work();
    }
    (now_us() - begun) / f64::from(rounds) / count as f64
}

fn now_us() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e6 + now.tv_nsec as f64 / 1e3
}
