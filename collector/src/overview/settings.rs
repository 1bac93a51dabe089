//! What of the configuration the overview depends on.

use std::net::{Ipv4Addr, SocketAddr};

use crate::config::Config;

/// See the module.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How far back rates reach, s.
    pub window_seconds: u32,
    /// Age from which on figures are old, s.
    pub stale_after_seconds: u32,
    /// After how long a host that is expected and never reported is missing.
    pub missing_after_ms: u64,
    /// What starts an agent for this collector.
    pub add_agent_command: String,
}

impl Settings {
    /// Of a collector that takes agents at `endpoint`.
    #[must_use]
    pub fn of(config: &Config, mut endpoint: SocketAddr) -> Self {
        if endpoint.ip().is_unspecified() {
            endpoint.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let endpoint = match config.web.agent_endpoint.as_str() {
            "" => format!("http://{endpoint}"),
            given => given.to_owned(),
        };
        let token_file = config.ingest.token_file.display();
        Self {
            window_seconds: config.web.window_seconds,
            stale_after_seconds: config.web.stale_after_seconds,
            missing_after_ms: config.presence.missing_after_ms,
            add_agent_command: format!(
                "CRMSCOPE_AGENT__COLLECTOR__ENDPOINT={endpoint} \\\n  \
                 CRMSCOPE_AGENT__COLLECTOR__TOKEN_FILE={token_file} \\\n  crmscope-agent run"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_an_address_that_can_be_reached() {
        let mut config = Config::default();
        config.ingest.token_file = "/run/<token>".into();
        let command = |config: &Config| {
            let everywhere = SocketAddr::from(([0, 0, 0, 0], 7070));
            Settings::of(config, everywhere).add_agent_command
        };
        assert_eq!(
            command(&config),
            "CRMSCOPE_AGENT__COLLECTOR__ENDPOINT=http://127.0.0.1:7070 \\\n  \
             CRMSCOPE_AGENT__COLLECTOR__TOKEN_FILE=/run/<token> \\\n  crmscope-agent run"
        );
        config.web.agent_endpoint = "https://crm.example".to_owned();
        assert!(command(&config).contains("ENDPOINT=https://crm.example "));
    }
}
