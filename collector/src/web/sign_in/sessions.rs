//! Browsers that showed a token, and go on by a cookie. Kept in memory: a restart ends them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::tokens::{Digest, digest};

/// How long one lasts.
pub(in crate::web) const LASTS: Duration = Duration::from_secs(12 * 3600);
/// Most at once; the one that ends first goes.
const SESSIONS_MAX: usize = 1000;

#[derive(Debug)]
struct Session {
    /// The token that was shown: where it is not valid any more, neither is this.
    token: Digest,
    ends: Instant,
}

/// Sessions by the digest of their ids.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    sessions: Mutex<HashMap<Digest, Session>>,
}

impl Sessions {
    /// Begins one, and gives its id.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(super) fn begin(&self, token: Digest, now: Instant) -> Result<String, getrandom::Error> {
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.ends > now);
        if sessions.len() >= SESSIONS_MAX {
            let first = sessions.iter().min_by_key(|(_, session)| session.ends);
            if let Some(first) = first.map(|(id, _)| *id) {
                sessions.remove(&first);
            }
        }
        let ends = now + LASTS;
        sessions.insert(digest(id.as_bytes()), Session { token, ends });
        Ok(id)
    }

    /// The token with which this one began.
    pub(super) fn token(&self, id: &str, now: Instant) -> Option<Digest> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(&digest(id.as_bytes()))?;
        (session.ends > now).then_some(session.token)
    }

    /// Ends one.
    pub(super) fn end(&self, id: &str) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&digest(id.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_and_are_bounded() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin([1; 32], now).unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(sessions.token(&first, now), Some([1; 32]));
        assert_eq!(sessions.token("", now), None);
        assert_eq!(sessions.token(&first, now + LASTS), None);
        let later = now + Duration::from_secs(1);
        let others: Vec<String> = (0..SESSIONS_MAX)
            .map(|_| sessions.begin([2; 32], later).unwrap())
            .collect();
        assert_eq!(sessions.token(&first, later), None);
        assert_eq!(sessions.token(&others[0], later), Some([2; 32]));
        sessions.end(&others[0]);
        assert_eq!(sessions.token(&others[0], later), None);
    }
}
