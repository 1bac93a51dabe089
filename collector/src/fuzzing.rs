//! What is fuzzed, by name, as in the agent's module of this name: any bytes may come, and what must hold
//! holds whatever they are.

use crmscope_proto::enrolment::EnrolmentToken;
use crmscope_proto::identity::check_agent_id;
use rustls::pki_types::CertificateDer;

use crate::identity::authority::Asked;
use crate::identity::{certificate, patterns};

/// One target.
type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 1] = [("identity", read_identity)];

/// Gives bytes to a target.
///
/// # Panics
/// When there is no such target, and when something does not hold that must.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.expect("the target is in the table");
    target(data);
}

/// What strangers show before anybody knows them: a certificate, a request for one, a token.
fn read_identity(data: &[u8]) {
    let texts = [
        "spiffe://crmscope/agent/{agent_id}",
        "dns:{agent_id}.agents.example.org",
    ];
    let patterns = patterns(&texts.map(str::to_owned)).expect("the patterns are good");
    match certificate::read(&CertificateDer::from(data), &patterns) {
        Ok(certified) => check_agent_id(&certified.agent_id).expect("a name is an agent's id"),
        Err(unnamed) => assert!(!unnamed.to_string().is_empty()),
    }
    match Asked::read(data) {
        Ok(asked) => assert_eq!(asked.key_sha256.len(), 64),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(token) = EnrolmentToken::parse(&String::from_utf8_lossy(data)) {
        assert_eq!(EnrolmentToken::parse(&token.reveal()), Ok(token.clone()));
        assert!(!format!("{token:?}").contains(token.secret()));
    }
}
