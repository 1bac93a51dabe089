//! Which partition an agent's batches are in.
//!
//! Kafka's own rule for keys (murmur2 of the key, modulo the number of partitions), computed here
//! with the number that the topics were made with. Promises that an agent stays where it is, also
//! while somebody adds partitions, and that other clients' default rule finds the same place.

/// Partition of an agent's records in a topic of `partitions`.
#[must_use]
pub fn partition_of(agent_id: &str, partitions: i32) -> i32 {
    let positive = murmur2(agent_id.as_bytes()) & 0x7fff_ffff;
    let partitions = u32::try_from(partitions).unwrap_or(1).max(1);
    i32::try_from(positive % partitions).unwrap_or(0)
}

/// Kafka's variant of murmur2, with its seed.
fn murmur2(key: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    const SHIFT: u32 = 24;
    // The length is mixed in modulo 2³², as Kafka does.
    let mut hash = SEED ^ u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let word = word
            .iter()
            .rev()
            .fold(0, |word, &b| word << 8 | u32::from(b));
        let mut mixed = word.wrapping_mul(FACTOR);
        mixed ^= mixed >> SHIFT;
        hash = hash.wrapping_mul(FACTOR) ^ mixed.wrapping_mul(FACTOR);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest
            .iter()
            .rev()
            .fold(0, |word, &b| word << 8 | u32::from(b));
        hash = hash.wrapping_mul(FACTOR);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(FACTOR);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of Kafka's own test of its function.
    #[test]
    fn the_hash_is_kafkas() {
        for (key, want) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), want, "{key}");
        }
    }

    #[test]
    fn every_partition_is_used_and_none_beyond() {
        let mut used = [0; 8];
        for agent in 0..1000 {
            let partition = partition_of(&format!("crm-web-{agent}"), 8);
            used[usize::try_from(partition).unwrap()] += 1;
        }
        assert!(used.iter().all(|&agents| agents > 60), "{used:?}");
        assert_eq!(partition_of("a", 1), 0);
        assert_eq!(partition_of("a", 0), 0);
    }
}
