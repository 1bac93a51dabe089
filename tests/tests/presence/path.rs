//! A path between an agent and its collector that can be cut.

use std::process::Command;

use crmscope_tests::cable::Cable;
use crmscope_tests::fleet::proxy::{Proxy, Weather};
use crmscope_tests::process::binary;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack};

/// How the agent is joined to its collector: over a cable to a host of its own; where this user may lay
/// none, through a proxy on this one, and then there is no second boot.
pub(super) enum Path {
    Cable {
        cable: Cable,
        /// Where the collector listens.
        endpoint: String,
    },
    Proxy {
        proxy: Proxy,
        /// It runs for as long as this.
        _runtime: tokio::runtime::Runtime,
    },
}

impl Path {
    /// With the stack whose collector listens at its near end.
    pub(super) fn lay(agent_id: &str) -> (Self, Stack) {
        match Cable::lay() {
            Ok(cable) => {
                let listen = format!("{}:{}", cable.address(), free_port());
                let settings = [
                    ("INGEST__LISTEN", listen.as_str()),
                    ("INGEST__ALLOW_PLAINTEXT", "true"),
                ];
                let stack = Stack::start_with(&settings);
                let endpoint = format!("endpoint = \"http://{listen}\"\nallow_plaintext = true");
                write_config(&stack, agent_id, &endpoint, "");
                (Self::Cable { cable, endpoint }, stack)
            }
            Err(why) => {
                println!("SKIPPED, a pulled cable and a second boot (a proxy instead): {why}");
                let stack = Stack::start();
                let runtime = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .enable_all()
                    .build()
                    .unwrap();
                let proxy = Proxy::start(&runtime, vec![stack.uplink_port]);
                let endpoint = format!("endpoint = \"http://127.0.0.1:{}\"", proxy.port());
                write_config(&stack, agent_id, &endpoint, "");
                let path = Self::Proxy {
                    proxy,
                    _runtime: runtime,
                };
                (path, stack)
            }
        }
    }

    pub(super) fn cut(&self, is_cut: bool) {
        match self {
            Self::Cable { cable, .. } => cable.pull(is_cut),
            Self::Proxy { proxy, .. } => {
                proxy.set(if is_cut { Weather::Cut } else { Weather::Fair });
            }
        }
    }

    pub(super) fn start_agent(&self, stack: &Stack, agent_id: &str) -> Process {
        let program = binary("crmscope-agent");
        let command = match self {
            Self::Cable { cable, .. } => cable.command(&program),
            Self::Proxy { .. } => Command::new(program),
        };
        run(stack, agent_id, command)
    }

    /// The collector's address, for agents at its end of the path.
    pub(super) fn near_endpoint(&self, stack: &Stack) -> String {
        match self {
            Self::Cable { endpoint, .. } => endpoint.clone(),
            Self::Proxy { .. } => format!("endpoint = \"http://127.0.0.1:{}\"", stack.uplink_port),
        }
    }
}

/// Writes an agent's configuration, which leads to the endpoint.
pub(super) fn write_config(stack: &Stack, agent_id: &str, endpoint: &str, extra: &str) {
    let config = stack.agent_config(agent_id, extra);
    let text = std::fs::read_to_string(&config).unwrap();
    let direct = format!("endpoint = \"http://127.0.0.1:{}\"", stack.uplink_port);
    assert!(text.contains(&direct), "{text}");
    std::fs::write(&config, text.replace(&direct, endpoint)).unwrap();
}

/// Runs an agent on the configuration that was written for it.
pub(super) fn run(stack: &Stack, agent_id: &str, mut command: Command) -> Process {
    let config = stack.path(&format!("{agent_id}.toml"));
    let log = stack.path(&format!("{agent_id}.log"));
    Process::start(agent_id, command.arg("--config").arg(config), &log)
}
