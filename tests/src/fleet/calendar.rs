//! Times as logs have them, in UTC.

/// Year, month from 1, day from 1, and second of the day.
fn civil(unix_s: u32) -> (u32, usize, u32, u32) {
    let (days, second) = (unix_s / 86_400, unix_s % 86_400);
    let (mut year, mut day) = (1970, days);
    let leap = |year: u32| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let length = |year: u32| if leap(year) { 366 } else { 365 };
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    (year, month, day + 1, second)
}

/// Unix seconds as nginx writes them.
pub(super) fn nginx_time(unix_s: u32) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (year, month, day, second) = civil(unix_s);
    let month = MONTHS[month - 1];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// Unix milliseconds as rsyslog writes them.
pub(super) fn syslog_time(unix_ms: u64) -> String {
    let (year, month, day, second) = civil(u32::try_from(unix_ms / 1000).unwrap());
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millis = unix_ms % 1000;
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}000+00:00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_programs_write_them() {
        assert_eq!(nginx_time(0), "01/Jan/1970:00:00:00 +0000");
        assert_eq!(nginx_time(951_868_799), "29/Feb/2000:23:59:59 +0000");
        assert_eq!(nginx_time(951_868_800), "01/Mar/2000:00:00:00 +0000");
        assert_eq!(nginx_time(1_798_761_599), "31/Dec/2026:23:59:59 +0000");
        assert_eq!(
            syslog_time(951_868_799_042),
            "2000-02-29T23:59:59.042000+00:00"
        );
    }
}
