//! The agent's first message.

use std::time::Duration;

use crmscope_proto::limits::{PROTOCOL_VERSION, STRING_MAX_BYTES};
use crmscope_proto::payload::truncate;
use crmscope_proto::v1::{AgentMessage, Hello, HostFacts, agent_message};
use crmscope_proto::{Id, check_agent_id};
use tonic::Streaming;

use super::Shared;
use crate::clock::now_ms;
use crate::error::{Code, Error};
use crate::identity::certificate::Certified;
use crate::ingest::end::{End, is_gone, shutdown, unreadable};
use crate::ingest::feed::Feed;
use crate::ingest::settings::SettingsFeed;
use crate::writer::agents::AgentFacts;

/// Waits for the agent to say who it is.
pub(super) async fn greet(
    shared: &Shared,
    certified: Option<&Certified>,
    incoming: &mut Streaming<AgentMessage>,
) -> Result<(AgentFacts, Feed, SettingsFeed), End> {
    let timeout = Duration::from_millis(shared.config.hello_timeout_ms);
    let mut draining = shared.draining.clone();
    let first = tokio::select! {
        first = tokio::time::timeout(timeout, incoming.message()) => first,
        _ = draining.wait_for(|draining| *draining) => return Err(shutdown()),
    };
    let message = match first {
        Ok(Ok(message)) => message,
        Ok(Err(status)) if is_gone(&status) => None,
        Ok(Err(status)) => return Err(unreadable(&status)),
        Err(_) => {
            let text = format!("no Hello within {} ms", timeout.as_millis());
            return Err(End(
                "hello_timeout",
                Error::new(Code::DeadlineExceeded, text),
            ));
        }
    };
    let (agent, feed, settings) = check(message, now_ms()).map_err(|error| End("hello", error))?;
    if let Some(certified) = certified
        && certified.agent_id != agent.agent_id
    {
        return Err(other_agent(&certified.agent_id, &agent.agent_id));
    }
    shared.inventory.note(agent.clone());
    Ok((agent, feed, settings))
}

/// Somebody says to be an agent that its certificate is not of.
fn other_agent(certified: &str, said: &str) -> End {
    let text = format!(
        "the certificate is of agent {certified:?}, and Hello says {said:?}: an agent sends as itself only; set agent_id to {certified:?}, or enrol as {said:?}"
    );
    End("agent_identity", Error::new(Code::PermissionDenied, text))
}

/// Checks the first message of a stream.
///
/// # Errors
/// When it is no hello, or one of another version, or names nobody.
fn check(
    message: Option<AgentMessage>,
    connected_ms: i64,
) -> Result<(AgentFacts, Feed, SettingsFeed), Error> {
    let invalid = |text: String| Error::new(Code::InvalidArgument, text);
    let hello = match message.and_then(|message| message.kind) {
        Some(agent_message::Kind::Hello(hello)) => hello,
        Some(_) => return Err(invalid("the first message must be Hello".to_owned())),
        None => return Err(invalid("the stream ended before Hello".to_owned())),
    };
    if hello.protocol_version != PROTOCOL_VERSION {
        return Err(Error::new(
            Code::FailedPrecondition,
            format!(
                "the agent speaks protocol version {}, this collector {} speaks {PROTOCOL_VERSION}: upgrade the older one",
                hello.protocol_version,
                env!("CARGO_PKG_VERSION")
            ),
        ));
    }
    check_agent_id(&hello.agent_id).map_err(|error| invalid(format!("Hello: {error}")))?;
    let id = |which: &str, bytes: &[u8]| {
        Id::from_wire(bytes).map_err(|error| invalid(format!("Hello: {which}: {error}")))
    };
    let feed = Feed::new(hello.delivered_rules_version);
    let settings = SettingsFeed::new(&hello);
    let facts = AgentFacts {
        connected_ms,
        boot_id: id("boot_id", &hello.boot_id)?,
        start_id: id("start_id", &hello.start_id)?,
        spool_id: id("spool_id", &hello.spool_id)?,
        agent_version: bounded(&hello.agent_version),
        host: bounded_facts(&hello),
        agent_id: hello.agent_id,
    };
    Ok((facts, feed, settings))
}

fn bounded(text: &str) -> String {
    truncate(text, STRING_MAX_BYTES).to_owned()
}

fn bounded_facts(hello: &Hello) -> HostFacts {
    let host = hello.host.clone().unwrap_or_default();
    HostFacts {
        hostname: bounded(&host.hostname),
        operating_system: bounded(&host.operating_system),
        kernel_version: bounded(&host.kernel_version),
        architecture: bounded(&host.architecture),
        ..host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            protocol_version: PROTOCOL_VERSION,
            agent_id: "crm-web-01".to_owned(),
            boot_id: vec![1; 16],
            start_id: vec![2; 16],
            spool_id: vec![3; 16],
            agent_version: "x".repeat(5000),
            ..Hello::default()
        }
    }

    fn code(hello: Hello) -> Result<(), Code> {
        let kind = Some(agent_message::Kind::Hello(hello));
        let checked = check(Some(AgentMessage { kind }), 7);
        checked.map(|_| ()).map_err(|error| error.code)
    }

    #[test]
    fn a_hello_names_an_agent_and_speaks_this_version() {
        assert_eq!(code(hello()), Ok(()));
        let other = Hello {
            protocol_version: 2,
            ..hello()
        };
        assert_eq!(code(other), Err(Code::FailedPrecondition));
        for bad in [
            Hello {
                agent_id: "../x".to_owned(),
                ..hello()
            },
            Hello {
                spool_id: vec![3; 15],
                ..hello()
            },
        ] {
            assert_eq!(code(bad), Err(Code::InvalidArgument));
        }
        assert!(check(None, 7).is_err());
        assert!(check(Some(AgentMessage { kind: None }), 7).is_err());
    }

    #[test]
    fn host_facts_are_cut_to_the_limit() {
        let kind = Some(agent_message::Kind::Hello(hello()));
        let (facts, ..) = check(Some(AgentMessage { kind }), 7).unwrap();
        assert_eq!(facts.agent_version.len(), STRING_MAX_BYTES);
    }
}
