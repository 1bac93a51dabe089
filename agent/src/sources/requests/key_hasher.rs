//! The hash of small keys of numbers.

use std::hash::Hasher;

/// Mixes the few small numbers of a key. Clients choose none of them freely but parts of a network,
/// and tables of networks are so small that keys which collide cost little.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number.cast_unsigned());
    }

    fn write_u128(&mut self, number: u128) {
        let [high, low] = [(number >> 64) as u64, number as u64];
        self.write_u64(high);
        self.write_u64(low);
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio in 64 bits, as in Fibonacci hashing.
        self.0 = (self.0.rotate_left(23) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
