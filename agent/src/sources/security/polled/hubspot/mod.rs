//! The login history of HubSpot: attempts to log in, of the last 90 days.
//!
//! Owns what is asked and when. The API documents neither an order nor a filter by time, so a poll
//! looks through all pages, up to a bound, and holds what is new of them, the oldest first; that is
//! told in the order of time, with the window ([`Window`]) behind it. So the order of pages makes no
//! difference, and each attempt is told once, through restarts. More pages than the bound are an
//! error: what is behind them is not known.

mod config;
mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

pub use self::config::{Account, Config};
use self::page::{Attempt, Page, Refusal};
use super::connect::quoted;
use super::engine::{Chunk, Hand, Handed, PollError, Poller};
use super::http::{Ask, Place, Site, encoded};
use super::reader::Reader;
use super::secret;
use super::window::{Saved, Window, short};
use crate::sources::line_counts::LineCounts;
use crate::sources::security::{Fields, LogConfig, LogFormat};

/// Attempts of one page: as many as the API gives.
const PAGE_LIMIT: usize = 200;

/// Bytes of a page.
const PAGE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// New attempts that are held at once; the rest is looked for again.
const HELD_MAX: usize = 2000;

/// Bytes of them.
const HELD_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Attempts that are remembered. Positions of a lane share 2 MiB.
const ATTEMPTS_MAX: usize = 4096;

/// Events that are handed over at once.
const CHUNK_EVENTS: usize = 500;

/// An attempt this far ahead of this host's clock waits until then.
const AHEAD_MAX_MS: i64 = 60_000;

/// Where the daily limit is reached, the time until it is asked again.
const DAILY_WAIT: Duration = Duration::from_secs(1800);

/// Where another limit is reached.
const LIMIT_WAIT: Duration = Duration::from_secs(15);

/// A position as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    window: Saved,
}

/// Polls one account.
pub(super) struct HubSpotPoller {
    account: Account,
    site: Site,
    reader: Reader,
    window: Option<Window>,
    handed: Handed,
}

/// New attempts: the oldest, as many as there is room for.
#[derive(Default)]
struct Held {
    attempts: BTreeMap<Attempt, Value>,
    bytes: usize,
    /// The oldest that was dropped for want of room. Nothing from it on is held: what is told moves the
    /// window on, so it has to be older than all that is still to be told.
    ceiling: Option<Attempt>,
}

impl Held {
    fn add(&mut self, attempt: Attempt, record: Value) {
        if self.ceiling.as_ref().is_some_and(|least| attempt >= *least) {
            return;
        }
        // As much as it takes to be written down, about.
        let size = |record: &Value| record.to_string().len();
        self.bytes += size(&record);
        if let Some(same) = self.attempts.insert(attempt, record) {
            self.bytes -= size(&same);
        }
        while self.attempts.len() > HELD_MAX || self.bytes > HELD_MAX_BYTES {
            if self.attempts.len() == 1 {
                break;
            }
            let Some((newest, record)) = self.attempts.pop_last() else {
                break;
            };
            self.bytes -= size(&record);
            self.ceiling = Some(newest);
        }
    }
}

impl Poller for HubSpotPoller {
    type Config = Account;

    // An attempt takes 16 bytes in base64; the rest of a position is less than 512.
    const POSITIONS_MAX_BYTES: usize = 4 * (ATTEMPTS_MAX * 16 * 4 / 3 + 512);

    fn new(account: &Account, position: Option<&str>, _sharers: usize) -> Self {
        // The config was validated.
        let place = Place::parse("url", &account.url).expect("the config was validated");
        let reader = Reader::new("hubspot", &account.name, &mapping(&account.service));
        let mut poller = Self {
            site: Site::new(place, account.server_ca_file.clone()),
            reader: reader.expect("the mapping is this module's own"),
            window: None,
            handed: Handed::default(),
            account: account.clone(),
        };
        if let Some(position) = position {
            poller.restore(position);
        }
        poller
    }

    fn name(account: &Account) -> &str {
        &account.name
    }

    fn service(account: &Account) -> &str {
        &account.service
    }

    fn interval(account: &Account) -> Duration {
        Duration::from_millis(account.interval_ms)
    }

    async fn poll(&mut self, hand: &Hand) -> Result<(), PollError> {
        if self.window.is_none() {
            let begin_ms = self.account.from.begin_ms(crate::clock::wall_ms());
            self.window = Some(Window::at(begin_ms, self.account.lookback()));
            self.give(hand, Chunk::default()).await?;
        }
        loop {
            let (held, trouble) = self.look_through().await?;
            let more = held.ceiling.is_some();
            self.tell(held, hand).await?;
            match trouble {
                Some(trouble) => return Err(trouble.into()),
                None if more => {}
                None => return Ok(()),
            }
        }
    }
}

/// Which member of an attempt is what.
fn mapping(service: &str) -> LogConfig {
    let some = |name: &str| Some(name.to_owned());
    LogConfig {
        format: LogFormat::Json,
        service: some(service),
        kind: some("app_login"),
        fields: Fields {
            time: some("loginAt"),
            user: some("email"),
            source_address: some("ipAddress"),
            outcome: some("loginSucceeded"),
            // The program by which a new client is told.
            detail: some("userAgent"),
            ..Fields::default()
        },
        ..LogConfig::default()
    }
}

impl HubSpotPoller {
    fn restore(&mut self, position: &str) {
        let restored = serde_json::from_str::<Position>(position).ok();
        let lookback = self.account.lookback();
        self.window = restored.and_then(|restored| Window::load(&restored.window, lookback));
        match self.window {
            Some(_) => self.handed.restored(position),
            None => tracing::warn!(
                source = "hubspot",
                account = self.account.name,
                "the position cannot be read: reading begins as at a first start"
            ),
        }
    }

    fn window(&mut self) -> Result<&mut Window, PollError> {
        let missing = || PollError::from("no window; this is a bug in crmscope-agent".to_owned());
        self.window.as_mut().ok_or_else(missing)
    }

    async fn give(&mut self, hand: &Hand, chunk: Chunk) -> Result<(), PollError> {
        let window = self.window()?.save();
        let position = serde_json::to_string(&Position { window }).unwrap_or_default();
        self.handed.give(hand, chunk, position).await
    }

    /// What is new on all pages, and what is wrong with some of it.
    async fn look_through(&mut self) -> Result<(Held, Option<String>), PollError> {
        let file = self.account.token_file.as_deref();
        let token = secret::of("token", file, self.account.token_variable.as_deref())?;
        let latest = crate::clock::wall_ms().saturating_add(AHEAD_MAX_MS);
        let mut held = Held::default();
        let mut trouble = None;
        let mut after: Option<String> = None;
        for _ in 0..self.account.pages_max {
            let page = self.page(&token, after.as_deref()).await?;
            let next = page.after()?.map(str::to_owned);
            if next.is_some() && next == after {
                return Err("the login history gives the same page again"
                    .to_owned()
                    .into());
            }
            for record in page.results {
                let Some(attempt) = Attempt::of(&record) else {
                    trouble = Some(
                        "an attempt has no id or no loginAt that is a time, and is not told"
                            .to_owned(),
                    );
                    continue;
                };
                if attempt.at_ms > latest {
                    trouble = Some(
                        "attempts are ahead of this host's clock and wait until then; see to the clock"
                            .to_owned(),
                    );
                } else if self.window()?.is_new(attempt.at_ms, short(&attempt.id)) {
                    held.add(attempt, record);
                }
            }
            if next.is_none() {
                return Ok((held, trouble));
            }
            after = next;
        }
        let bound = format!(
            "the login history has more than {} pages, and what is behind them is not known; raise pages_max",
            self.account.pages_max
        );
        Ok((held, Some(bound)))
    }

    async fn page(&mut self, token: &str, after: Option<&str>) -> Result<Page, PollError> {
        let mut path = format!("/account-info/v3/activity/login?limit={PAGE_LIMIT}");
        if let Some(after) = after {
            path.push_str("&after=");
            path.push_str(&encoded(after));
        }
        let ask = Ask {
            path: &path,
            bearer: Some(token),
            form: None,
            accept: "application/json",
        };
        let answer = timeout(
            self.account.deadline(),
            self.site.whole(ask, PAGE_MAX_BYTES),
        );
        let answer = answer.await.map_err(|_| {
            format!(
                "no page of the login history within {} ms; see the network, or raise deadline_ms",
                self.account.deadline_ms
            )
        })??;
        if answer.status != 200 {
            let refusal = Refusal::read(&answer.body);
            return Err(judge(answer.status, &refusal, answer.retry_after));
        }
        if answer.content_type != "application/json" {
            return Err(PollError::from(format!(
                "the login history comes as {}, which is no JSON; see url, and whether something stands in between",
                quoted(&answer.content_type)
            )));
        }
        Ok(Page::read(&answer.body)?)
    }

    /// Tells attempts in the order of time.
    async fn tell(&mut self, held: Held, hand: &Hand) -> Result<(), PollError> {
        let now_ms = crate::clock::wall_ms();
        let mut chunk = Chunk::default();
        for (attempt, record) in held.attempts {
            if self.window()?.admit(attempt.at_ms, short(&attempt.id)) {
                let mut counts = std::mem::take(&mut chunk.counts);
                chunk
                    .events
                    .extend(self.event(&attempt, record, now_ms, &mut counts));
                chunk.counts = counts;
            }
            if chunk.events.len() >= CHUNK_EVENTS {
                self.hand_over(hand, std::mem::take(&mut chunk)).await?;
            }
        }
        self.hand_over(hand, chunk).await
    }

    fn event(
        &mut self,
        attempt: &Attempt,
        mut record: Value,
        now_ms: i64,
        counts: &mut LineCounts,
    ) -> Option<super::reader::Polled> {
        // Of some attempts only the user's number is known.
        let named = record.get("email").and_then(Value::as_str);
        if named.is_none_or(str::is_empty)
            && let Some(number) = record
                .get("userId")
                .filter(|number| number.is_number())
                .cloned()
        {
            record["email"] = number;
        }
        self.reader.read(&record, &attempt.id, now_ms, counts)
    }

    /// Every attempt up to these was told.
    async fn hand_over(&mut self, hand: &Hand, chunk: Chunk) -> Result<(), PollError> {
        let trimmed = self.window()?.trim_to(ATTEMPTS_MAX);
        self.give(hand, chunk).await?;
        let error = "more attempts than can be told apart were made at once";
        trimmed.map_err(|_| PollError::from(error.to_owned()))
    }
}

/// What is wrong, and what helps.
fn judge(status: u16, refusal: &Refusal, retry_after: Option<Duration>) -> PollError {
    let mut named = format!("status {status}");
    for word in [&refusal.category, &refusal.policy_name] {
        if !word.is_empty() {
            named.push_str(", ");
            named.push_str(word);
        }
    }
    let mut retry_after = retry_after;
    let message = match status {
        401 => format!(
            "HubSpot refuses the token ({named}); put the access token of the private app into token_file"
        ),
        403 => format!(
            "the private app may not read the login history ({named}); give it the scope account-info.security.read"
        ),
        429 => {
            let usual = match &*refusal.policy_name {
                "DAILY" => DAILY_WAIT,
                _ => LIMIT_WAIT,
            };
            let wait = retry_after.unwrap_or(usual);
            retry_after = Some(wait);
            format!(
                "HubSpot's limit of requests is reached ({named}); it is asked again in {} s at the earliest: raise interval_ms, as all apps of the account share the limit",
                wait.as_secs()
            )
        }
        404 => format!("there is no login history at this address ({named}); correct url"),
        300..=399 => {
            format!("HubSpot is elsewhere ({named}), and redirects are not followed; correct url")
        }
        500.. => format!("HubSpot cannot answer now ({named})"),
        _ => format!("HubSpot refuses the request ({named})"),
    };
    PollError {
        message,
        retry_after,
    }
}

/// The largest position of an account.
#[cfg(test)]
pub(super) fn full_position() -> String {
    let window = super::tests::full_window(ATTEMPTS_MAX).save();
    serde_json::to_string(&Position { window }).unwrap_or_default()
}

/// What the fuzzer calls: any bytes as a page, and as a refusal.
///
/// # Panics
/// When a bound does not hold.
#[cfg(any(feature = "fuzzing", test))]
pub fn read_pages(data: &[u8]) {
    let refusal = Refusal::read(data);
    let error = judge(429, &refusal, None).message;
    assert!(crate::fuzzing::is_printable(&error), "{error:?}");
    let Ok(page) = Page::read(data) else {
        return;
    };
    let after = page.after().ok().flatten();
    assert!(after.is_none_or(|after| after.len() <= 1024));
    let mut reader = Reader::new("hubspot", "fuzz", &mapping("fuzz"));
    let reader = reader.as_mut().expect("the mapping is this module's own");
    for record in &page.results {
        if let Some(attempt) = Attempt::of(record) {
            let mut counts = LineCounts::default();
            reader.read(record, &attempt.id, attempt.at_ms, &mut counts);
        }
    }
}
