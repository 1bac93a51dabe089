//! Whether the whole host is going down, as systemd knows it.

use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use crate::sources::child::{Answer, Program};

/// Longest that an agent which is stopped waits to learn why.
const DEADLINE: Duration = Duration::from_secs(2);

/// systemd, as the manager of this host.
#[derive(Clone, Debug)]
pub struct Manager {
    program: PathBuf,
    systemd_path: PathBuf,
}

impl Manager {
    /// The one that the units are asked of.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            program: config.program.clone(),
            systemd_path: config.systemd_path.clone(),
        }
    }

    /// Whether the host is being shut down or booted anew. `false` as well where systemd does not run
    /// or does not answer within two seconds: then it is not known. Blocks.
    #[must_use]
    pub fn stops_host(&self) -> bool {
        if !self.systemd_path.exists() {
            return false;
        }
        let arguments = ["show", "--property=SystemState"].map(str::to_owned);
        match Program::new(&self.program, DEADLINE).ask(&arguments) {
            Ok(Answer::Text(text)) => text.trim_ascii() == b"SystemState=stopping",
            Ok(Answer::Absent) => false,
            Ok(Answer::Refused(why)) => {
                tracing::debug!(why, "why the agent is stopped is not known");
                false
            }
            Err(error) => {
                tracing::debug!(%error, "why the agent is stopped is not known");
                false
            }
        }
    }
}
