//! Who may send: by certificate where TLS is spoken, else by token.
//!
//! Promises: with TLS, nobody sends without a certificate that names one agent, that is good and not
//! refused, and then only as that agent.

use std::sync::Arc;

use tokio::sync::watch;
use tonic::metadata::MetadataMap;

use super::auth::Tokens;
use super::peer::Peer;
use crate::error::{Code, Error};
use crate::identity::certificate::Certified;
use crate::identity::revocations::{Refused, Revocations};

/// How connections are judged.
#[derive(Debug)]
pub struct Admission(Kind);

#[derive(Debug)]
enum Kind {
    /// Without TLS, one token for all.
    Tokens(Tokens),
    /// With TLS.
    Certificates(watch::Receiver<Arc<Revocations>>),
}

/// Somebody who may not send: a word for the counter, and what to tell.
#[derive(Debug)]
pub(super) struct NotAdmitted(pub(super) &'static str, pub(super) Error);

impl Admission {
    /// By tokens that agents show, as without TLS.
    #[must_use]
    pub const fn by_tokens(tokens: Tokens) -> Self {
        Self(Kind::Tokens(tokens))
    }

    /// By certificates, as far as they are not refused.
    pub(crate) const fn by_certificates(refused: watch::Receiver<Arc<Revocations>>) -> Self {
        Self(Kind::Certificates(refused))
    }

    /// Lets a stream in; with TLS, says as whom.
    pub(super) fn admit(
        &self,
        peer: &Peer,
        metadata: &MetadataMap,
    ) -> Result<Option<Certified>, NotAdmitted> {
        match &self.0 {
            Kind::Tokens(tokens) => match tokens.check(metadata) {
                Ok(()) => Ok(None),
                Err(refusal) => {
                    let error = Error::new(Code::Unauthenticated, refusal.message());
                    Err(NotAdmitted(refusal.reason(), error))
                }
            },
            Kind::Certificates(_) => self.by_certificate(peer).map(Some),
        }
    }

    /// Who a connection is by its certificate.
    ///
    /// # Errors
    /// When it shows none, or one that is not good.
    pub(crate) fn certified(&self, peer: &Peer) -> Result<Certified, Error> {
        self.by_certificate(peer)
            .map_err(|NotAdmitted(_, error)| error)
    }

    fn by_certificate(&self, peer: &Peer) -> Result<Certified, NotAdmitted> {
        let unauthenticated =
            |reason, text: String| NotAdmitted(reason, Error::new(Code::Unauthenticated, text));
        let certificate = peer.certificate.as_deref().ok_or_else(|| {
            let text = "no certificate: enrol with a token (`crmscope-collector token create`), or set identity.certificate_file";
            unauthenticated("no_certificate", text.to_owned())
        })?;
        let certified = certificate
            .as_ref()
            .map_err(|unnamed| unauthenticated("unnamed", unnamed.to_string()))?;
        self.still(certified)?;
        Ok(certified.clone())
    }

    /// Whether a certificate is not refused by now.
    pub(super) fn still(&self, certified: &Certified) -> Result<(), NotAdmitted> {
        let Kind::Certificates(revocations) = &self.0 else {
            return Ok(());
        };
        let agent = &certified.agent_id;
        let refused = revocations.borrow().check(certified);
        refused.map_err(|refused| {
            let (reason, code, text) = match refused {
                Refused::Revoked => (
                    "revoked",
                    Code::PermissionDenied,
                    format!("certificates of agent {agent} are revoked"),
                ),
                Refused::Before => (
                    "revoked",
                    Code::PermissionDenied,
                    format!(
                        "this certificate of agent {agent} was revoked; newer ones are good: enrol with a token made by `crmscope-collector token create --agent {agent}`"
                    ),
                ),
                Refused::NotKnown => (
                    "revocations",
                    Code::Unavailable,
                    "the collector does not know yet which certificates are revoked: it waits for ClickHouse".to_owned(),
                ),
            };
            NotAdmitted(reason, Error::new(code, text))
        })
    }

    /// Becomes ready whenever other certificates are refused.
    pub(super) fn changes(&self) -> Option<watch::Receiver<Arc<Revocations>>> {
        match &self.0 {
            Kind::Tokens(_) => None,
            Kind::Certificates(revocations) => Some(revocations.clone()),
        }
    }
}
