//! Logins as sshd logs them, of which each is known.

use fastrand::Rng;

use super::calendar::syslog_time;

/// One attempt to log in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Login {
    /// Agent that reads of it.
    pub agent_id: String,
    /// Its number among the agent's, which is the process id.
    pub process_id: u32,
    /// When, Unix ms.
    pub time_ms: u64,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// How.
    pub method: String,
    /// Who; a stranger's text.
    pub user: String,
    /// From where.
    pub source_address: String,
    /// From which port.
    pub source_port: u16,
}

const USERS: [&str; 5] = [
    "alice",
    "root",
    "o'brien",
    "x'); DROP TABLE ledger --",
    "<b>\\N\\t\u{fc}</b>",
];

impl Login {
    /// One of now.
    #[must_use]
    pub fn draw(agent_id: &str, number: u32, random: &mut Rng) -> Self {
        let succeeded = random.bool();
        Self {
            agent_id: agent_id.to_owned(),
            process_id: number,
            time_ms: u64::try_from(crate::now_ms()).unwrap(),
            succeeded,
            method: random.choice(["password", "publickey"]).unwrap().to_owned(),
            user: random.choice(USERS).unwrap().to_owned(),
            source_address: format!("192.0.2.{}", random.u8(1..=254)),
            source_port: random.u16(1024..),
        }
    }

    /// Its line, with the end of the line.
    #[must_use]
    pub fn line(&self) -> String {
        let Self {
            agent_id,
            process_id,
            method,
            user,
            source_address,
            source_port,
            ..
        } = self;
        let time = syslog_time(self.time_ms);
        let outcome = if self.succeeded { "Accepted" } else { "Failed" };
        format!(
            "{time} {agent_id} sshd[{process_id}]: {outcome} {method} for {user} from {source_address} port {source_port} ssh2\n"
        )
    }
}
