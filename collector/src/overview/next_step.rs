//! What to do about each kind of trouble: a command or a page, in words.

use crmscope_proto::identity::check_agent_id;

use super::host::State;
use crate::alerts::Kind;

/// The name of an agent as it may stand in a command; what is no such name is left to the reader.
fn agent(agent_id: &str) -> &str {
    match check_agent_id(agent_id) {
        Ok(()) => agent_id,
        Err(_) => "AGENT",
    }
}

/// Of an incident; `kind` is none where a later version wrote it.
#[must_use]
pub fn of_incident(kind: Option<Kind>, agent_id: &str) -> String {
    let agent = agent(agent_id);
    match kind {
        Some(Kind::HostSilent) => of_state(State::Down, agent_id),
        Some(Kind::ManySilent) => "see what they share: a site, a path, or the collector (its \
             /readyz); then `crmscope-collector hosts list`"
            .to_owned(),
        Some(Kind::HostMissing) => of_state(State::Never, agent_id),
        Some(Kind::Stopped) => of_state(State::Stopped, agent_id),
        Some(Kind::Flapping) => format!(
            "see whether the host starts again and again or its path fails: \
             `crmscope-collector availability --agent {agent} --from 2h --intervals`"
        ),
        Some(Kind::BudgetBurnsFast) => {
            "see which routes fail or are slow: page /services; undo the last release if it began there"
                .to_owned()
        }
        Some(Kind::BudgetBurnsSlowly) => {
            "see which routes fail or are slow before the budget is gone: page /services".to_owned()
        }
        Some(Kind::LowTraffic) => {
            "see whether so few requests are usual at this hour: page /services".to_owned()
        }
        Some(Kind::NoTraffic) => {
            "see whether the service answers, and whether its access log is still read: page /services, \
             query source_health"
                .to_owned()
        }
        Some(Kind::LittleKnown) => {
            "see which agents should probe the service and whether they are heard: query probe_status"
                .to_owned()
        }
        Some(Kind::NotProbed) => {
            "see whether any agent has the service's targets in [sources.probes]: query probed_services"
                .to_owned()
        }
        Some(Kind::SecurityFinding) => {
            "read the finding: page /security, or `crmscope-collector findings --open`".to_owned()
        }
        None => "a later version of crmscope wrote this: `crmscope-collector --version`".to_owned(),
    }
}

/// Of a finding, by its rule's level.
#[must_use]
pub fn of_finding(level: &str) -> String {
    match level {
        "critical" | "high" => {
            "look now: page /security; block the address or lock the user if it is not yours, and keep \
             the events: `crmscope-collector findings --open`"
        }
        "medium" => {
            "see whether user and address are known: page /security, or `crmscope-collector findings --open`"
        }
        _ => "nothing to do at once; it is kept: page /security, or `crmscope-collector findings`",
    }
    .to_owned()
}

/// Of a host in a state.
#[must_use]
pub fn of_state(state: State, agent_id: &str) -> String {
    let agent = agent(agent_id);
    match state {
        State::Down | State::Silent => format!(
            "see whether the host runs and reaches the collector; once it is back, \
             `crmscope-collector availability --agent {agent} --intervals` says what it was"
        ),
        State::Suspect => "wait some seconds: it comes back, or it is called down".to_owned(),
        State::Stopped => format!(
            "start it again, or say that it is gone: `crmscope-collector hosts retire {agent}`"
        ),
        State::Never => format!(
            "start its agent, or say that it is not expected: `crmscope-collector hosts retire {agent}`"
        ),
        State::Stale => format!(
            "see which sources fail: query source_health with agent {agent}, and the agent's log"
        ),
        State::Unknown => {
            "start a collector with roles.ingest and roles.presence: `crmscope-collector run`"
                .to_owned()
        }
        State::Maintenance => {
            "nothing, until the window ends: `crmscope-collector maintenance list`".to_owned()
        }
        State::Up => format!("nothing; its figures: page /host?agent={agent}"),
    }
}
