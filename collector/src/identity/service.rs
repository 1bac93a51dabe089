//! Where agents ask for certificates.
//!
//! Promises: what is granted was written down as asked for before, so that of two who use the last of
//! a token at once at most one gets it; a renewal needs nothing but the certificate of the connection,
//! so it works while ClickHouse is away.

use std::sync::Arc;
use std::time::Instant;

use crmscope_proto::check_agent_id;
use crmscope_proto::v1::enrolment_server::Enrolment as Service;
use crmscope_proto::v1::{EnrolReply, EnrolRequest, RenewRequest};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::authority::{Asked, Authority, Signed};
use super::store::{self, Enrolment, Kind, TokenRow};
use super::tokens::{Refusal, judge, judge_uses};
use crate::clock::now_ms;
use crate::error::{Code, Error};
use crate::ingest::seldom::Seldom;
use crate::ingest::{Admission, Peer};
use crate::presence::hosts;
use crate::storage::Storage;
use crate::tls::Acceptor;

/// What was only asked for keeps others out for so long: longer than an insert may take.
const ASKED_MS: i64 = 600_000;
/// Enrolments at once; each asks ClickHouse a few things.
const AT_ONCE_MAX: usize = 16;
/// Longest id or secret of a token that is looked at, bytes.
const TOKEN_PART_MAX_BYTES: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kinds {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Default)]
struct Metrics {
    issued: Family<Kinds, Counter>,
    refused: Family<Reason, Counter>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Registrar {
    storage: Storage,
    authority: Authority,
    acceptor: Acceptor,
    admission: Arc<Admission>,
    places: Arc<Semaphore>,
    metrics: Metrics,
    refusals: Arc<Seldom>,
}

impl Registrar {
    pub(crate) fn new(
        storage: Storage,
        authority: Authority,
        acceptor: Acceptor,
        admission: Arc<Admission>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::default();
        registry.register(
            "certificates_issued",
            "Certificates made for agents",
            metrics.issued.clone(),
        );
        registry.register(
            "enrolments_refused",
            "Requests for a certificate that were refused, by reason",
            metrics.refused.clone(),
        );
        Self {
            storage,
            authority,
            acceptor,
            admission,
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            metrics,
            refusals: Arc::default(),
        }
    }

    fn refuse(&self, refusal: &Refusal, peer: &Peer, agent_id: &str) {
        let reason = refusal.reason();
        self.metrics.refused.get_or_create(&Reason { reason }).inc();
        if let Some(suppressed) = self.refusals.admit(Instant::now()) {
            let agent_id = agent_id.escape_debug();
            tracing::warn!(%peer, %agent_id, reason, suppressed, "enrolment refused");
        }
    }

    async fn enrol_asked(&self, asked: EnrolRequest, peer: &Peer) -> Result<EnrolReply, Error> {
        check_agent_id(&asked.agent_id)
            .map_err(|error| Error::new(Code::InvalidArgument, format!("agent_id: {error}")))?;
        let key = Asked::read(&asked.request_der)?;
        let (id, secret) = (asked.token_id.as_str(), asked.token_secret.as_str());
        let refused = |refusal: Refusal| {
            self.refuse(&refusal, peer, &asked.agent_id);
            Error::from(refusal)
        };
        let is_token = |text: &str| {
            text.len() <= TOKEN_PART_MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if id.is_empty() || !is_token(id) || !is_token(secret) {
            return Err(refused(Refusal::Unknown));
        }
        let rows = store::tokens(&self.storage, id).await?;
        let now = now_ms();
        let row = judge(rows.first(), secret, &asked.agent_id, now).map_err(refused)?;
        let peer_text = peer.to_string();
        let wish = Enrolment {
            agent_id: &asked.agent_id,
            kind: Kind::Asked,
            token_id: id,
            key_sha256: &key.key_sha256,
            expires_ms: 0,
            peer: &peer_text,
        };
        store::write_enrolment(&self.storage, &wish, now).await?;
        let uses = store::uses(&self.storage, &wish, now - ASKED_MS).await?;
        judge_uses(row, uses, &asked.agent_id).map_err(refused)?;
        let signed = self.authority.sign(&asked.agent_id, &key, now)?;
        self.expect(row, &asked.agent_id, now).await?;
        let granted = Enrolment {
            kind: Kind::Enrolled,
            expires_ms: signed.ends_ms,
            ..wish
        };
        store::write_enrolment(&self.storage, &granted, now).await?;
        self.issued("enrolled");
        tracing::info!(agent_id = asked.agent_id, %peer, token_id = id, "agent enrolled");
        Ok(self.reply(&signed))
    }

    /// An agent that enrolled is expected from then on, as what the token says.
    async fn expect(&self, row: &TokenRow, agent_id: &str, now: i64) -> Result<(), Error> {
        let unless_empty = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let change = hosts::Change {
            role: unless_empty(&row.role),
            host_group: unless_empty(&row.host_group),
            expected_since_ms: None,
            retired_at_ms: Some(None),
        };
        let by = format!("enrolment token {}", row.token_id);
        hosts::change(&self.storage, &[agent_id.to_owned()], &change, (&by, now))
            .await
            .map(|_| ())
            .map_err(|error| Error::new(Code::Unavailable, format!("{error:#}")))
    }

    async fn renew_asked(&self, asked: RenewRequest, peer: &Peer) -> Result<EnrolReply, Error> {
        let certified = self.admission.certified(peer)?;
        let key = Asked::read(&asked.request_der)?;
        let now = now_ms();
        let signed = self.authority.sign(&certified.agent_id, &key, now)?;
        let renewal = Enrolment {
            agent_id: &certified.agent_id,
            kind: Kind::Renewed,
            token_id: "",
            key_sha256: &key.key_sha256,
            expires_ms: signed.ends_ms,
            peer: &peer.to_string(),
        };
        // The certificate stands for itself; what is missing is a line of the audit.
        if let Err(error) = store::write_enrolment(&self.storage, &renewal, now).await {
            tracing::warn!(agent_id = certified.agent_id, %error, "a renewal is not written down");
        }
        self.issued("renewed");
        tracing::info!(agent_id = certified.agent_id, "certificate renewed");
        Ok(self.reply(&signed))
    }

    fn issued(&self, kind: &'static str) {
        self.metrics.issued.get_or_create(&Kinds { kind }).inc();
    }

    fn reply(&self, signed: &Signed) -> EnrolReply {
        let mut authorities = self.acceptor.authorities();
        let own = self.authority.certificate();
        // Where the collector's certificate comes from elsewhere and shows nobody above it, agents go
        // on to believe whom they believed.
        if !authorities.is_empty() && !authorities.contains(&own) {
            authorities.push(own);
        }
        let bytes = |all: &[rustls::pki_types::CertificateDer<'_>]| {
            all.iter().map(|one| one.to_vec()).collect()
        };
        EnrolReply {
            chain_der: bytes(&signed.chain),
            authorities_der: bytes(&authorities),
        }
    }
}

#[tonic::async_trait]
impl Service for Registrar {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolReply>, Status> {
        let peer = Peer::of(&request);
        let Ok(_place) = self.places.try_acquire() else {
            let text = format!("{AT_ONCE_MAX} agents enrol at once: try again");
            return Err(Error::new(Code::ResourceExhausted, text).into());
        };
        let reply = self.enrol_asked(request.into_inner(), &peer).await?;
        Ok(Response::new(reply))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<EnrolReply>, Status> {
        let peer = Peer::of(&request);
        let reply = self.renew_asked(request.into_inner(), &peer).await?;
        Ok(Response::new(reply))
    }
}
