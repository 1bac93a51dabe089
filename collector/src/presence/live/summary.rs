//! What is known of a host's fault and how, in a sentence.

use crate::alerts::Kind;
use crate::presence::timeline::Goodbye;

/// The sentence; names of hosts are data.
pub(super) fn summary(kind: Kind, agent_id: &str, goodbye: Option<Goodbye>) -> String {
    let name = agent_id.escape_debug();
    match kind {
        Kind::Flapping => {
            format!("{name} fell silent and came back several times within ten minutes.")
        }
        Kind::HostMissing => {
            format!("{name} is expected, and no heartbeat of it was ever received.")
        }
        Kind::Stopped => {
            let what = match goodbye {
                Some(Goodbye::Host) => "The host",
                _ => "The agent of the host",
            };
            format!("{what} {name} was stopped in good order and is not back.")
        }
        // The rest is not of one host.
        _ => format!(
            "No heartbeat of {name} came since the last one, without a goodbye; whether the host, its \
             agent or the network is down is known when it is back."
        ),
    }
}
