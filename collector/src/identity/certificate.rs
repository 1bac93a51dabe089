//! Who an agent is by its certificate.

use std::fmt;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::Pattern;

/// Names of a certificate that are looked at.
const NAMES_MAX: usize = 32;

/// What a certificate says, once TLS has checked who signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certified {
    /// Whose it is.
    pub(crate) agent_id: String,
    /// When it was made, Unix ms.
    pub(crate) begins_ms: i64,
    /// Until when it is good, Unix ms.
    pub(crate) ends_ms: i64,
}

/// A certificate that names no agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unnamed {
    /// It is none.
    Unreadable,
    /// No name in it is one of an agent.
    NoName,
    /// It names several agents, so it could be used as any of them.
    Names,
}

impl fmt::Display for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "the certificate cannot be read",
            Self::NoName => {
                "the certificate names no agent: none of its alternative names is as ingest.tls.identities has it"
            }
            Self::Names => "the certificate names more than one agent",
        })
    }
}

/// Reads a certificate.
pub(crate) fn read(
    certificate: &CertificateDer<'_>,
    patterns: &[Pattern],
) -> Result<Certified, Unnamed> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| Unnamed::Unreadable)?;
    let names = parsed
        .subject_alternative_name()
        .map_err(|_| Unnamed::Unreadable)?
        .ok_or(Unnamed::NoName)?;
    let names = &names.value.general_names;
    if names.len() > NAMES_MAX {
        return Err(Unnamed::Names);
    }
    let mut found: Option<&str> = None;
    for name in names {
        let (is_dns, text) = match name {
            GeneralName::URI(text) => (false, *text),
            GeneralName::DNSName(text) => (true, *text),
            _ => continue,
        };
        for id in patterns.iter().filter_map(|one| one.agent_id(is_dns, text)) {
            if found.is_some_and(|other| other != id) {
                return Err(Unnamed::Names);
            }
            found = Some(id);
        }
    }
    let agent_id = found.ok_or(Unnamed::NoName)?.to_owned();
    let validity = parsed.validity();
    let ms = |time: x509_parser::time::ASN1Time| time.timestamp().saturating_mul(1000);
    Ok(Certified {
        agent_id,
        begins_ms: ms(validity.not_before),
        ends_ms: ms(validity.not_after),
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.self_signed(&key).unwrap().der().clone()
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn dns(text: &str) -> SanType {
        SanType::DnsName(text.try_into().unwrap())
    }

    fn named(names: Vec<SanType>) -> Result<String, Unnamed> {
        let patterns = super::super::patterns(&[
            "spiffe://crmscope/agent/{agent_id}".to_owned(),
            "dns:{agent_id}.agents.example".to_owned(),
        ])
        .unwrap();
        read(&certificate(names), &patterns).map(|certified| certified.agent_id)
    }

    #[test]
    fn one_certificate_is_one_agent() {
        let own = "spiffe://crmscope/agent/web-1";
        assert_eq!(named(vec![uri(own)]), Ok("web-1".to_owned()));
        assert_eq!(
            named(vec![
                dns("other.example"),
                uri(own),
                dns("web-1.agents.example")
            ]),
            Ok("web-1".to_owned())
        );
        assert_eq!(named(vec![]), Err(Unnamed::NoName));
        assert_eq!(named(vec![dns("web-1.example")]), Err(Unnamed::NoName));
        assert_eq!(
            named(vec![uri(own), uri("spiffe://crmscope/agent/web-2")]),
            Err(Unnamed::Names)
        );
        let many = (0..=NAMES_MAX).map(|at| dns(&format!("n{at}.example")));
        assert_eq!(named(many.collect()), Err(Unnamed::Names));
        let nonsense = CertificateDer::from(vec![0x30, 0x82, 0xff]);
        assert_eq!(read(&nonsense, &[]), Err(Unnamed::Unreadable));
    }
}
