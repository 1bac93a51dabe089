//! Decimal numbers of JSON lines, scaled without a detour through floating point.
//!
//! Pure. Promises that what overflows or is no number is `None`, whatever its length.

/// Digits that are kept: more do not fit, and no clock has more.
const DIGITS_MAX: u32 = 18;

/// `number` times ten to the `power`, rounded half away from zero. Takes what JSON does, and a
/// leading `+`.
pub(super) fn decimal(text: &[u8], power: i32) -> Option<i64> {
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut significant: i64 = 0;
    let mut kept = 0;
    let mut read = 0;
    let mut shift = power;
    let mut fraction = false;
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                read += 1;
                if kept < DIGITS_MAX {
                    significant = significant * 10 + i64::from(byte - b'0');
                    kept += u32::from(significant != 0);
                    shift -= i32::from(fraction);
                } else {
                    shift += i32::from(!fraction);
                }
            }
            b'.' if !fraction && read > 0 => fraction = true,
            b'e' | b'E' if read > 0 => {
                shift = shift.saturating_add(exponent(after)?);
                rest = b"";
                break;
            }
            _ => return None,
        }
        rest = after;
    }
    if read == 0 || !rest.is_empty() {
        return None;
    }
    let value = scaled(significant, shift)?;
    Some(if negative { -value } else { value })
}

/// The digits behind an `e`. Far beyond what fits, one is as good as another.
fn exponent(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0i32, |number, byte| {
        (number * 10 + i32::from(byte - b'0')).min(100_000)
    });
    Some(sign * number)
}

/// A value that is not negative, shifted by decimal places.
fn scaled(value: i64, shift: i32) -> Option<i64> {
    let factor = || 10i64.checked_pow(shift.unsigned_abs());
    if value == 0 {
        return Some(0);
    }
    if shift >= 0 {
        return value.checked_mul(factor()?);
    }
    let Some(factor) = factor() else {
        return Some(0);
    };
    Some(value / factor + i64::from(value % factor >= factor - factor / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_scaled_exactly() {
        for (text, power, value) in [
            ("0", 6, Some(0)),
            ("1", 6, Some(1_000_000)),
            ("0.000164337", 6, Some(164)),
            ("0.0000005", 6, Some(1)),
            ("0.00000049", 6, Some(0)),
            ("-1.5", 0, Some(-2)),
            ("+2", 0, Some(2)),
            ("1763865000.1234567", 3, Some(1_763_865_000_123)),
            ("1.763865e9", 3, Some(1_763_865_000_000)),
            ("1E-7", 6, Some(0)),
            ("5e-7", 6, Some(1)),
            ("12345678901234567890", -3, Some(12_345_678_901_234_568)),
            ("0.000000000000000000000000000001", 6, Some(0)),
            ("00000000000000000000000000000007", 0, Some(7)),
            ("0e999999999999", 6, Some(0)),
            ("1e-999999999999", 6, Some(0)),
            ("1e999999999999", 6, None),
            ("9300000000000000000", 0, None),
            ("922337203685477580", 1, Some(9_223_372_036_854_775_800)),
            ("1.", 0, Some(1)),
            ("", 0, None),
            ("-", 0, None),
            (".5", 0, None),
            ("1e", 0, None),
            ("1e+", 0, None),
            ("1.2.3", 0, None),
            ("0x10", 0, None),
            ("NaN", 0, None),
            ("Infinity", 0, None),
            ("1 ", 0, None),
        ] {
            assert_eq!(decimal(text.as_bytes(), power), value, "{text} e{power}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..60), power in -9..10i32) {
            let _ = decimal(&text, power);
        }

        #[test]
        fn integers_and_their_fractions_agree(number in -1_000_000_000_000i64..1_000_000_000_000) {
            prop_assert_eq!(decimal(number.to_string().as_bytes(), 6), Some(number * 1_000_000));
            prop_assert_eq!(decimal(format!("{number}e-3").as_bytes(), 3), Some(number));
        }
    }
}
