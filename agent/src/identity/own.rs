//! A certificate that the agent enrolled for, and renews.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::enrolment::EnrolmentToken;
use rustls::ClientConfig;
use tokio::sync::Mutex;
use tonic::transport::Endpoint;

use super::enrol::{self, Given};
use super::files::{Files, Kept};
use super::tls::{self, Trust};
use super::{Config, Fault, RETRY_FIRST, RETRY_MAX};
use crate::clock::wall_ms;

/// What is in force.
struct InForce {
    config: Arc<ClientConfig>,
    begins_ms: i64,
    ends_ms: i64,
    /// How much sooner than it has to be it is renewed, of 1.
    spread: f64,
}

#[derive(Default)]
struct State {
    in_force: Option<InForce>,
    /// A token that the collector refused for good; it is not shown again.
    refused_token: Option<String>,
}

/// See the module.
pub(super) struct Own {
    files: Files,
    agent_id: String,
    endpoint: Endpoint,
    token_file: PathBuf,
    authority_file: PathBuf,
    /// One enrolment at a time, whoever needs it.
    state: Mutex<State>,
    /// Told when there is something new to renew.
    enrolled: tokio::sync::Notify,
}

impl Own {
    pub(super) fn new(
        config: &Config,
        state_dir: &Path,
        agent_id: &str,
        endpoint: Endpoint,
    ) -> Self {
        Self {
            files: Files::new(state_dir),
            agent_id: agent_id.to_owned(),
            endpoint,
            token_file: config.token_file.clone(),
            authority_file: config.authority_file.clone(),
            state: Mutex::default(),
            enrolled: tokio::sync::Notify::new(),
        }
    }

    pub(super) async fn ready(&self) -> Result<Arc<ClientConfig>, Fault> {
        let mut state = self.state.lock().await;
        if state.in_force.is_none() {
            state.in_force = self.read()?;
            self.enrolled.notify_one();
        }
        let now_ms = wall_ms();
        let good = state
            .in_force
            .as_ref()
            .filter(|in_force| in_force.ends_ms > now_ms)
            .map(|in_force| Arc::clone(&in_force.config));
        let token = match (enrol::token(&self.token_file), &good) {
            (Ok(token), _) => token,
            // What is there works, so a bad token is nothing to stop for.
            (Err(_), Some(_)) => None,
            (Err(error), None) => return Err(Fault::Setup(error)),
        };
        // A token that was not used yet is somebody's wish that the agent enrol anew.
        let fresh = token.filter(|token| {
            let is_new = self.files.used_token().as_deref() != Some(token.id());
            let is_refused = state.refused_token.as_deref() == Some(token.id());
            good.is_none() || (is_new && !is_refused)
        });
        match (fresh, good) {
            (None, Some(config)) => Ok(config),
            (None, None) => Err(Fault::Setup(self.missing(state.in_force.as_ref()))),
            (Some(token), good) => match self.enrol(&mut state, &token).await {
                Ok(config) => Ok(config),
                Err(fault) => {
                    if let Fault::Refused(_) = fault {
                        state.refused_token = Some(token.id().to_owned());
                    }
                    let Some(config) = good else {
                        return Err(fault);
                    };
                    tracing::warn!(
                        token_id = token.id(),
                        ?fault,
                        "not enrolled anew; the certificate that is there stays"
                    );
                    Ok(config)
                }
            },
        }
    }

    fn missing(&self, in_force: Option<&InForce>) -> String {
        let file = self.token_file.display();
        let what = match in_force {
            Some(_) => "this agent's certificate has expired",
            None => "this agent has no certificate yet",
        };
        format!(
            "{what}: make a token with `crmscope-collector token create --agent {}` and put it into {file} (identity.token_file)",
            self.agent_id
        )
    }

    /// What the disk has.
    fn read(&self) -> Result<Option<InForce>, Fault> {
        let kept = self.files.identity().map_err(Fault::Setup)?;
        kept.map(|kept| self.in_force(kept)).transpose()
    }

    fn in_force(&self, kept: Kept) -> Result<InForce, Fault> {
        let (begins_ms, ends_ms) = (kept.begins_ms, kept.ends_ms);
        let config = tls::client(
            &self.trust().map_err(Fault::Setup)?,
            Some((kept.chain, kept.key)),
        )
        .map_err(|error| {
            let directory = self.files.directory().display();
            Fault::Setup(format!("{directory}: {error}"))
        })?;
        Ok(InForce {
            config,
            begins_ms,
            ends_ms,
            spread: fastrand::f64(),
        })
    }

    /// Whom to believe once enrolled: the file of the configuration, else what the collector named when
    /// it was believed, else the system.
    fn trust(&self) -> Result<Trust, String> {
        if self.authority_file.as_os_str().is_empty()
            && let Some(pem) = self.files.authorities()?
        {
            let roots = tls::roots(&pem)
                .map_err(|error| format!("{}: {error}", self.files.directory().display()))?;
            return Ok(Trust::Roots(Arc::new(roots)));
        }
        tls::of_file_or_system(&self.authority_file)
    }

    async fn enrol(
        &self,
        state: &mut State,
        token: &EnrolmentToken,
    ) -> Result<Arc<ClientConfig>, Fault> {
        let key_pem = self.pending().map_err(Fault::Setup)?;
        let trust = match (token.authority_sha256(), self.authority_file.as_os_str()) {
            (Some(sha256), file) if file.is_empty() => Trust::Pin(sha256),
            _ => tls::of_file_or_system(&self.authority_file).map_err(Fault::Setup)?,
        };
        let client = tls::client(&trust, None).map_err(Fault::Setup)?;
        let asked = (token, self.agent_id.as_str(), key_pem.as_str());
        let given = enrol::enrol(self.endpoint.clone(), client, asked).await?;
        let config = self.take(state, &key_pem, &given)?;
        // Where it cannot be kept the agent asks once more after a restart, which changes nothing.
        if let Err(error) = self.files.keep_used_token(token.id()) {
            tracing::warn!(error, "which token was used is not kept");
        }
        state.refused_token = None;
        tracing::info!(
            agent_id = self.agent_id,
            "enrolled: this agent has a certificate"
        );
        self.enrolled.notify_one();
        Ok(config)
    }

    /// The key that was asked with before, or a new one; it is on disk before anybody hears of it.
    fn pending(&self) -> Result<String, String> {
        if let Some(pem) = self.files.pending()? {
            return Ok(pem);
        }
        let pem = enrol::key_pem()?;
        self.files.keep_pending(&pem)?;
        Ok(pem)
    }

    /// Puts a certificate into force, on disk first.
    fn take(
        &self,
        state: &mut State,
        key_pem: &str,
        given: &Given,
    ) -> Result<Arc<ClientConfig>, Fault> {
        // What does not go with the key, or cannot be read, never gets onto the disk.
        let trial = tls::client(
            &Trust::Pin([0; 32]),
            Some((given.chain.clone(), kept_key(key_pem)?)),
        );
        trial.map_err(|error| Fault::Setup(format!("the collector's answer: {error}")))?;
        self.files
            .keep(key_pem, &given.chain, &given.authorities)
            .map_err(Fault::Setup)?;
        let in_force = self.read()?.ok_or_else(|| {
            Fault::Setup(format!(
                "{}: the certificate is gone",
                self.files.directory().display()
            ))
        })?;
        let config = Arc::clone(&in_force.config);
        state.in_force = Some(in_force);
        Ok(config)
    }

    /// Renews whenever two thirds of a certificate's time are over, for ever.
    pub(super) async fn run(&self) {
        let mut retry = RETRY_FIRST;
        loop {
            let due = {
                let state = self.state.lock().await;
                let now_ms = wall_ms();
                // One that has ended renews nothing: the agent has to enrol.
                let good = state.in_force.as_ref().filter(|own| own.ends_ms > now_ms);
                good.map(|own| due(own.begins_ms..own.ends_ms, own.spread, now_ms))
            };
            match due {
                None => self.enrolled.notified().await,
                Some(wait) if !wait.is_zero() => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.enrolled.notified() => {}
                    }
                }
                Some(_) => match self.renew().await {
                    Ok(()) => retry = RETRY_FIRST,
                    Err(fault) => {
                        tracing::warn!(
                            ?fault,
                            retry_s = retry.as_secs(),
                            "the certificate is not renewed yet"
                        );
                        // Agents that enrolled together do not come back together.
                        tokio::time::sleep(retry.mul_f64(fastrand::f64().mul_add(0.5, 0.5))).await;
                        retry = (retry * 2).min(RETRY_MAX);
                    }
                },
            }
        }
    }

    async fn renew(&self) -> Result<(), Fault> {
        let mut state = self.state.lock().await;
        let Some(in_force) = &state.in_force else {
            return Ok(());
        };
        let client = Arc::clone(&in_force.config);
        let key_pem = self.pending().map_err(Fault::Setup)?;
        let given = enrol::renew(self.endpoint.clone(), client, &key_pem).await?;
        self.take(&mut state, &key_pem, &given)?;
        tracing::info!("certificate renewed; connections use it from the next one on");
        Ok(())
    }
}

fn kept_key(key_pem: &str) -> Result<rustls::pki_types::PrivateKeyDer<'static>, Fault> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|_| Fault::Setup("the key cannot be read".to_owned()))
}

/// How long until a certificate is to be renewed: after two thirds of its time, or up to a tenth of it
/// earlier, so that agents that enrolled together do not come together. Longer waits are cut, as wall
/// clocks are set.
fn due(good_ms: Range<i64>, spread: f64, now_ms: i64) -> Duration {
    const LOOK_EVERY: Duration = Duration::from_secs(600);
    let lifetime = good_ms.end.saturating_sub(good_ms.start);
    let lifetime = Duration::from_millis(u64::try_from(lifetime).unwrap_or(0));
    let after = lifetime.mul_f64(spread.mul_add(-0.1, 2.0 / 3.0));
    let over = now_ms.saturating_sub(good_ms.start);
    let over = Duration::from_millis(u64::try_from(over).unwrap_or(0));
    after.saturating_sub(over).min(LOOK_EVERY)
}

#[cfg(test)]
mod due_tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_before_its_last_third() {
        let hour_ms = 3_600_000;
        for spread in [0.0, 0.5, 1.0] {
            let good_ms = 5..5 + 168 * hour_ms;
            assert!(!due(good_ms.clone(), spread, 5 + 95 * hour_ms).is_zero());
            assert!(due(good_ms, spread, 5 + 113 * hour_ms).is_zero());
        }
        assert_eq!(due(0..9000, 0.0, 8000), Duration::ZERO);
        assert_eq!(due(0..9000, 0.0, 5000), Duration::from_secs(1));
        assert_eq!(due(0..i64::MAX, 1.0, 0), Duration::from_secs(600));
        assert_eq!(due(i64::MIN..i64::MAX, 1.0, 0), Duration::ZERO);
        assert_eq!(due(Range { start: 0, end: -5 }, 0.0, 10), Duration::ZERO);
    }
}
