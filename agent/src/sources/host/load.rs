//! The short files: /proc/loadavg, /proc/uptime, /proc/sys/fs/file-nr and /proc/pressure/*.

use crmscope_proto::catalog::HostMetric;

use super::text::{Fields, Malformed, digits, first_line, hundredths, lines};
use super::values::HostValues;

/// `0.58 0.52 0.32 1/88 12374`: loads, ready/existing tasks, last process id.
pub(super) fn parse_loadavg(text: &[u8], values: &mut HostValues) -> Result<(), Malformed> {
    let mut fields = Fields::new(first_line(text).ok_or("it is cut off")?);
    for load in [HostMetric::Load1, HostMetric::Load5, HostMetric::Load15] {
        let word = fields.word().ok_or("fewer than 3 loads")?;
        values.set(load, hundredths(word).ok_or("a load is not a number")?);
    }
    let tasks = fields.word().ok_or("no tasks")?;
    let slash = memchr::memchr(b'/', tasks).ok_or("no slash in the tasks")?;
    let existing = digits(&tasks[slash + 1..]).ok_or("the tasks are not a number")?;
    values.set(HostMetric::Tasks, existing);
    Ok(())
}

/// `1782.03 3127.18`: seconds since boot, seconds idle.
pub(super) fn parse_uptime(text: &[u8], values: &mut HostValues) -> Result<(), Malformed> {
    let line = first_line(text).ok_or("it is cut off")?;
    let seconds = Fields::new(line).word().and_then(hundredths);
    let uptime = seconds.ok_or("the uptime is not a number")?;
    values.set(HostMetric::Uptime, uptime.saturating_mul(10));
    Ok(())
}

/// `485 0 2466170`: allocated, free among them, limit.
pub(super) fn parse_file_nr(text: &[u8], values: &mut HostValues) -> Result<(), Malformed> {
    let mut fields = Fields::new(first_line(text).ok_or("it is cut off")?);
    let mut number = || fields.number().ok_or("fewer than 3 numbers");
    let (allocated, free, max) = (number()?, number()?, number()?);
    values.set(
        HostMetric::FileDescriptorsUsed,
        allocated.saturating_sub(free),
    );
    values.set(HostMetric::FileDescriptorsMax, max);
    Ok(())
}

/// What one file of /proc/pressure fills in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pressure {
    /// Name under /proc/pressure.
    pub(super) file: &'static str,
    some: HostMetric,
    /// For the CPU the kernel prints it since 5.13, always 0 for the host as a whole.
    full: Option<HostMetric>,
}

/// The files of /proc/pressure.
pub(super) const PRESSURES: [Pressure; 3] = [
    Pressure {
        file: "cpu",
        some: HostMetric::PressureCpuSome,
        full: None,
    },
    Pressure {
        file: "memory",
        some: HostMetric::PressureMemorySome,
        full: Some(HostMetric::PressureMemoryFull),
    },
    Pressure {
        file: "io",
        some: HostMetric::PressureIoSome,
        full: Some(HostMetric::PressureIoFull),
    },
];

impl Pressure {
    /// `some avg10=0.29 avg60=1.20 avg300=1.60 total=25874553`, then the same for `full`. What is
    /// not understood stays unset: the figures are optional.
    pub(super) fn parse(self, text: &[u8], values: &mut HostValues) {
        for line in lines(text) {
            let metric = match line {
                [b's', b'o', b'm', b'e', b' ', ..] => Some(self.some),
                [b'f', b'u', b'l', b'l', b' ', ..] => self.full,
                _ => None,
            };
            let total = memchr::memmem::rfind(line, b"total=");
            if let (Some(metric), Some(total)) = (metric, total)
                && let Some(microseconds) = digits(&line[total + b"total=".len()..])
            {
                values.set(metric, microseconds);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_files_are_understood() {
        let mut values = HostValues::default();
        parse_loadavg(b"0.58 10.52 0.32 1/88 12374\n", &mut values).unwrap();
        parse_uptime(b"1782.03 3127.18\n", &mut values).unwrap();
        parse_file_nr(b"485\t5\t9223372036854775807\n", &mut values).unwrap();
        for (metric, want) in [
            (HostMetric::Load1, 58),
            (HostMetric::Load5, 1_052),
            (HostMetric::Load15, 32),
            (HostMetric::Tasks, 88),
            (HostMetric::Uptime, 1_782_030),
            (HostMetric::FileDescriptorsUsed, 480),
            (HostMetric::FileDescriptorsMax, i64::MAX.cast_unsigned()),
        ] {
            assert_eq!(values.get(metric), Some(want), "{metric:?}");
        }
    }

    #[test]
    fn cut_or_hostile_short_files_are_errors() {
        type Parser = fn(&[u8], &mut HostValues) -> Result<(), Malformed>;
        let cases: [(Parser, &[&[u8]]); 3] = [
            (
                parse_loadavg,
                &[
                    b"",
                    b"\n",
                    b"0.58 0.52 0.32 1/88",
                    b"0.5 0.52 0.32 1/88 1\n",
                    b"0.58 0.52 0.32 88 1\n",
                    b"a b c d\n",
                    b"0.58 0.52 0.32 1/\n",
                ],
            ),
            (
                parse_uptime,
                &[b"", b"1782.03", b"1782\n", b"-1.00 2\n", b"\xff\n"],
            ),
            (
                parse_file_nr,
                &[
                    b"",
                    b"485\t0\t24",
                    b"485 0\n",
                    b"485 x 1\n",
                    b"1 2 99999999999999999999\n",
                ],
            ),
        ];
        for (parser, texts) in cases {
            for text in texts {
                let result = parser(text, &mut HostValues::default());
                assert!(result.is_err(), "{}", text.escape_ascii());
            }
        }
    }

    #[test]
    fn pressure_gives_totals_and_skips_what_it_does_not_know() {
        let text = b"some avg10=0.29 avg60=1.20 avg300=1.60 total=25874553
full avg10=0.00 avg60=0.00 avg300=0.00 total=17
";
        let mut values = HostValues::default();
        for pressure in PRESSURES {
            pressure.parse(text, &mut values);
        }
        assert_eq!(values.get(HostMetric::PressureCpuSome), Some(25_874_553));
        assert_eq!(values.get(HostMetric::PressureMemoryFull), Some(17));
        assert_eq!(values.get(HostMetric::PressureIoSome), Some(25_874_553));
        for hostile in [
            &b""[..],
            b"some\n",
            b"some total=\n",
            b"some total=x\n",
            b"some total=12",
            b"full total=-1\n",
        ] {
            let mut values = HostValues::default();
            PRESSURES[1].parse(hostile, &mut values);
            assert_eq!(values, HostValues::default(), "{}", hostile.escape_ascii());
        }
    }
}
