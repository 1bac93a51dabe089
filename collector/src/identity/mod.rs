//! Who agents are: enrolment tokens, certificates, and what becomes of them.
//!
//! Owns `crmscope-collector authority`, `token` and `certificate`. Picture: [`authority`] signs,
//! [`tokens`] says who may have a first certificate, [`service`] is where agents ask for one,
//! [`certificate`] reads who somebody is, [`revocations`] who is refused; [`store`] keeps it all in
//! ClickHouse, so that every collector knows the same. Promises: a secret is stored as its digest only;
//! a token for one agent makes one certificate for one key; nobody gets the name of an agent that is
//! there, but by a token for that agent; no two names are read out of one certificate. Leaves TLS to
//! [`crate::tls`] and streams to [`crate::ingest`].

pub mod authority;
pub(crate) mod certificate;
mod config;
pub mod create;
pub(crate) mod revocations;
pub(crate) mod service;
pub mod show;
mod store;
pub mod tokens;

pub use self::config::{AuthorityConfig, IdentityError};
pub(crate) use self::config::{Pattern, patterns};

/// SHA-256 of the authority that the collector's own certificate is shown with: what an enrolment token
/// pins. None where it is shown without one.
///
/// # Errors
/// When the certificates cannot be read.
pub fn pin(config: &crate::ingest::Config) -> Result<Option<[u8; 32]>, crate::tls::TlsError> {
    use crate::tls::files::{Named, is_authority, sha256};
    let file = Named::new("ingest.tls.certificate_file", &config.tls.certificate_file);
    let chain = file.certificates()?;
    let mut above = chain.iter().skip(1).filter(|one| is_authority(one));
    Ok(above.next_back().map(|one| sha256(one)))
}
