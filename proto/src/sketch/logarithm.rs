//! The natural logarithm, in place of the one of the C library.
//!
//! That one lies in a library of its own, of which half a mebibyte is mapped for this function
//! alone. The method is fdlibm's (`e_log.c`): less than one unit in the last place.

/// ln 2 in two parts, of which the first is short enough to be multiplied without loss.
const LN2_HIGH: f64 = 0.6931471803691238;
const LN2_LOW: f64 = 1.9082149292705877e-10;

/// Of the polynomial that stands for (ln(1+s) - ln(1-s)) / s - 2, in even powers of s.
const COEFFICIENTS: [f64; 7] = [
    0.6666666666666735,
    0.3999999999940942,
    0.2857142874366239,
    0.22222198432149784,
    0.1818357216161805,
    0.15313837699209373,
    0.14798198605116586,
];

/// Of a number that is finite and at least 1.
pub(super) const fn ln(value: f64) -> f64 {
    // value = 2^exponent * (1 + fraction), with 1 + fraction between the roots of 1/2 and of 2.
    const ROOT_OF_HALF: u64 = 0x3fe6_a09e_0000_0000;
    let bits = value.to_bits() + (1f64.to_bits() - ROOT_OF_HALF);
    #[allow(clippy::cast_precision_loss, reason = "at most 2046")]
    let exponent = (bits >> 52) as f64 - 1023.0;
    let mantissa = bits & ((1 << 52) - 1);
    let fraction = f64::from_bits(mantissa + ROOT_OF_HALF) - 1.0;
    let half_square = 0.5 * fraction * fraction;
    let s = fraction / (2.0 + fraction);
    let z = s * s;
    let w = z * z;
    let [c1, c2, c3, c4, c5, c6, c7] = COEFFICIENTS;
    let even = w * (c2 + w * (c4 + w * c6));
    let odd = z * (c1 + w * (c3 + w * (c5 + w * c7)));
    s * (half_square + even + odd) + exponent * LN2_LOW - half_square
        + fraction
        + exponent * LN2_HIGH
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "latencies in tests are small and positive"
)]
mod tests {
    use super::super::{GAMMA, INDEX_MAX, index};
    use super::ln;

    #[test]
    fn it_is_the_logarithm() {
        let mut value = 1.0f64;
        while value < 2f64.powi(64) {
            let (here, known) = (ln(value), value.ln());
            assert!(
                (here - known).abs() <= 2.0 * f64::EPSILON * known,
                "{value}"
            );
            value *= 1.000_37;
        }
    }

    /// Agents of before, and whoever computes in SQL, went by the C library's.
    #[test]
    fn every_latency_is_in_the_bucket_that_the_known_logarithm_says() {
        let known = |latency_us: u64| (latency_us as f64).ln() / GAMMA.ln();
        for bucket in 0..=INDEX_MAX {
            let bound = GAMMA.powi(i32::from(bucket)) as u64;
            for latency_us in bound.saturating_sub(3).max(2)..=bound + 3 {
                let expected = known(latency_us).ceil().min(f64::from(INDEX_MAX));
                assert_eq!(f64::from(index(latency_us)), expected, "{latency_us} µs");
            }
        }
        for latency_us in 2..1_000_000 {
            assert_eq!(f64::from(index(latency_us)), known(latency_us).ceil());
        }
    }
}
