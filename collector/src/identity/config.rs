//! Section `[ingest.authority]`, and how certificates of others name agents.

use std::path::PathBuf;
use std::str::FromStr;

use crmscope_proto::check_agent_id;
use serde::{Deserialize, Serialize};

/// What stands for the agent's id in a pattern.
const PLACE: &str = "{agent_id}";
/// Before the pattern of a DNS name; otherwise it is one of a URI.
const DNS: &str = "dns:";
/// Most patterns.
const PATTERNS_MAX: usize = 17;

/// The authority that signs certificates of agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthorityConfig {
    /// Its certificate in PEM; empty: agents get certificates elsewhere.
    pub certificate_file: PathBuf,
    /// Its key in PEM.
    pub key_file: PathBuf,
    /// How long certificates of agents are good, minutes. Agents renew after two thirds of it.
    pub certificate_minutes: u32,
}

impl Default for AuthorityConfig {
    fn default() -> Self {
        Self {
            certificate_file: PathBuf::new(),
            key_file: PathBuf::new(),
            certificate_minutes: 7 * 24 * 60,
        }
    }
}

impl AuthorityConfig {
    /// Whether there is one.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.certificate_file.as_os_str().is_empty()
    }
}

/// Settings of identity that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdentityError {
    /// No pattern.
    #[error(
        "ingest.tls.identities: {0:?} is no pattern of a name; write a URI such as \"spiffe://example.org/crmscope/{PLACE}\" or \"dns:{PLACE}.agents.example.org\", with {PLACE} once"
    )]
    Pattern(String),
    /// Too many.
    #[error("ingest.tls.identities has {0} patterns, the limit is {PATTERNS_MAX}")]
    Patterns(usize),
}

/// How a name in a certificate holds an agent's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    is_dns: bool,
    before: String,
    after: String,
}

impl FromStr for Pattern {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let wrong = || IdentityError::Pattern(text.to_owned());
        let (is_dns, rest) = match text.strip_prefix(DNS) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (before, after) = rest.split_once(PLACE).ok_or_else(wrong)?;
        // Without a scheme any URI would do, and without a domain any name.
        let is_bound = match is_dns {
            true => after.starts_with('.') && before.is_empty(),
            false => before
                .split_once("://")
                .is_some_and(|(_, domain)| domain.ends_with('/') && domain.len() > 1),
        };
        if !is_bound || after.contains(PLACE) {
            return Err(wrong());
        }
        Ok(Self {
            is_dns,
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }
}

impl Pattern {
    /// The agent's id in a name of a certificate.
    pub(crate) fn agent_id<'a>(&self, is_dns: bool, name: &'a str) -> Option<&'a str> {
        if is_dns != self.is_dns {
            return None;
        }
        let rest = name.strip_prefix(self.before.as_str())?;
        let id = rest.strip_suffix(self.after.as_str())?;
        check_agent_id(id).is_ok().then_some(id)
    }
}

/// Reads the patterns of the configuration.
pub(crate) fn patterns(texts: &[String]) -> Result<Vec<Pattern>, IdentityError> {
    if texts.len() > PATTERNS_MAX {
        return Err(IdentityError::Patterns(texts.len()));
    }
    texts.iter().map(|text| text.parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_one_id_out_of_a_name_of_its_kind() {
        let uri: Pattern = "spiffe://example.org/crmscope/{agent_id}".parse().unwrap();
        let dns: Pattern = "dns:{agent_id}.agents.example.org".parse().unwrap();
        for (is_dns, name, from_uri, from_dns) in [
            (
                false,
                "spiffe://example.org/crmscope/web-1",
                Some("web-1"),
                None,
            ),
            (true, "web-1.agents.example.org", None, Some("web-1")),
            (true, "web.1.agents.example.org", None, Some("web.1")),
            // The kind of a name matters, and so does every part of it.
            (true, "spiffe://example.org/crmscope/web-1", None, None),
            (false, "web-1.agents.example.org", None, None),
            (false, "spiffe://example.org/crmscope/a/b", None, None),
            (false, "spiffe://example.org/crmscope/", None, None),
            (
                false,
                "spiffe://example.org.evil/crmscope/web-1",
                None,
                None,
            ),
            (true, ".agents.example.org", None, None),
            (true, "web-1.agents.example.org.evil", None, None),
        ] {
            assert_eq!(uri.agent_id(is_dns, name), from_uri, "{name}");
            assert_eq!(dns.agent_id(is_dns, name), from_dns, "{name}");
        }
    }

    #[test]
    fn a_pattern_that_anybody_could_meet_is_refused() {
        for bad in [
            "",
            "{agent_id}",
            "dns:{agent_id}",
            "dns:{agent_id}example.org",
            "dns:x{agent_id}.example.org",
            "spiffe://{agent_id}",
            "spiffe://example.org/",
            "spiffe://example.org/{agent_id}/{agent_id}",
        ] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }
}
