//! Answers that are kept for a moment: many people look at the same page.
//!
//! Promises: a question that several ask at once is asked of ClickHouse once; what is kept is bounded
//! in bytes, and chosen by how often it is asked for (TinyLFU); an error is never kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::future::Cache as Store;

use super::answer::Answer;
use super::fault::Fault;
use super::question::Question;

/// Of a time that is over so long, little comes any more, ms.
const SETTLED_MS: i64 = 10 * 60_000;

/// An answer, and how long it is good for.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) answer: Arc<Answer>,
    lasts: Duration,
}

/// The answers.
#[derive(Debug)]
pub(crate) struct Cache {
    store: Store<String, Kept>,
}

struct Lasting;

impl Expiry<String, Kept> for Lasting {
    fn expire_after_create(&self, _: &String, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.lasts)
    }
}

impl Cache {
    pub(crate) fn new(max_bytes: u64) -> Self {
        let store = Store::builder()
            .max_capacity(max_bytes)
            .weigher(|key: &String, kept: &Kept| {
                u32::try_from(key.len() + kept.answer.weight()).unwrap_or(u32::MAX)
            })
            .expire_after(Lasting)
            .build();
        Self { store }
    }

    /// The kept answer, or the one that `ask` gives; whether it was there, or somebody else asked.
    pub(crate) async fn get(
        &self,
        question: &Question<'_>,
        ask: impl Future<Output = Result<Answer, Fault>>,
    ) -> Result<(Arc<Answer>, bool), Fault> {
        let lasts = lasts(question);
        let asked = async {
            Ok::<_, Fault>(Kept {
                answer: Arc::new(ask.await?),
                lasts,
            })
        };
        let entry = self.store.entry(question.key()).or_try_insert_with(asked);
        match entry.await {
            Ok(entry) => Ok((Arc::clone(&entry.value().answer), !entry.is_fresh())),
            Err(fault) => Err((*fault).clone()),
        }
    }

    /// Answers and bytes that are kept.
    pub(crate) async fn size(&self) -> (u64, u64) {
        self.store.run_pending_tasks().await;
        (self.store.entry_count(), self.store.weighted_size())
    }
}

/// How long the answer to a question is good for: a look at now changes with every second, less to the
/// eye the longer its range; of the past, late batches are all that comes.
fn lasts(question: &Question<'_>) -> Duration {
    const HOUR_MS: i64 = 3_600_000;
    let (length_ms, is_past) = match question.range_ms() {
        Some((from_ms, to_ms)) => (to_ms - from_ms, to_ms + SETTLED_MS < question.now_ms),
        None => {
            let seconds = question.window_seconds().unwrap_or(3600);
            (seconds.saturating_mul(1000), false)
        }
    };
    let seconds = match (is_past, length_ms) {
        (false, ..=HOUR_MS) => 1,
        (false, length_ms) if length_ms <= 24 * HOUR_MS => 2,
        (false, _) => 5,
        (true, length_ms) if length_ms <= 24 * HOUR_MS => 60,
        (true, _) => 300,
    };
    Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::catalog::Catalog;
    use super::super::fault::Code;
    use super::*;

    const NOW: i64 = 1_795_946_400_000;

    fn question<'a>(catalog: &'a Catalog, range: &[(&str, &str)]) -> Question<'a> {
        let pairs = range.iter().map(|(name, value)| (*name, *value));
        let pairs = pairs.chain([("agent", "a"), ("step_seconds", "3600")]);
        let pairs: Vec<(String, String)> = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Question::read(catalog.find("host_timeline").unwrap(), &pairs, NOW).unwrap()
    }

    fn answer(rows: usize) -> Answer {
        Answer {
            query: "host_timeline",
            parameters: serde_json::Map::new(),
            columns: Vec::new(),
            rows: vec![b'x'; rows].into(),
            next_offset: None,
            asked_ms: 0,
            took_ms: 0,
        }
    }

    #[test]
    fn the_past_is_good_for_longer_than_the_present() {
        let catalog = Catalog::read().unwrap();
        let of = |range: &[(&str, &str)]| lasts(&question(&catalog, range)).as_secs();
        assert_eq!(of(&[]), 1);
        assert_eq!(of(&[("from", "-6h")]), 2);
        assert_eq!(of(&[("from", "-30d")]), 5);
        assert_eq!(of(&[("from", "-6h"), ("to", "-5m")]), 2);
        assert_eq!(of(&[("from", "-6h"), ("to", "-1h")]), 60);
        assert_eq!(of(&[("from", "-60d"), ("to", "-7d")]), 300);
    }

    #[tokio::test]
    async fn many_who_ask_at_once_are_one() {
        let (catalog, asked) = (Catalog::read().unwrap(), AtomicU32::new(0));
        let cache = Cache::new(1 << 20);
        let one = question(&catalog, &[]);
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(answer(10))
        };
        let (a, b, c) = tokio::join!(
            cache.get(&one, ask()),
            cache.get(&one, ask()),
            cache.get(&one, ask())
        );
        let cached = [a, b, c].map(|got| got.unwrap().1);
        assert_eq!(cached.iter().filter(|cached| !**cached).count(), 1);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(cache.size().await.0, 1);
    }

    #[tokio::test]
    async fn errors_are_not_kept_and_bytes_are_bounded() {
        let catalog = Catalog::read().unwrap();
        let cache = Cache::new(100_000);
        let one = question(&catalog, &[]);
        let fault = Fault::new(Code::Unavailable, "away");
        let failed = cache.get(&one, async { Err(fault.clone()) }).await;
        assert_eq!(failed.unwrap_err(), fault);
        assert!(!cache.get(&one, async { Ok(answer(1)) }).await.unwrap().1);
        for hours in 1..200 {
            let from = format!("-{hours}h");
            let one = question(&catalog, &[("from", &from)]);
            cache.get(&one, async { Ok(answer(5000)) }).await.unwrap();
        }
        let (entries, bytes) = cache.size().await;
        assert!(entries > 0 && bytes <= 100_000, "{entries} {bytes}");
    }
}
