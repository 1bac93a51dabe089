//! `crmscope-collector topics`: applies or looks, and says what is so.

use serde::Serialize;

use super::config::Config;
use super::topics::{Change, Found, Subject, Topics, TopicsError};

/// What came of one topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is as it should be.
    Ok,
    /// It was created.
    Created,
    /// Its settings were changed.
    Changed,
    /// Its settings differ.
    Differs,
    /// It is not there.
    Missing,
    /// It cannot be made what it should be.
    Refused,
}

/// One topic of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Topic.
    pub topic: String,
    /// Its lane, or `heads`.
    pub lane: &'static str,
    /// What came of it.
    pub state: State,
    /// Its partitions; 0 when it is not there.
    pub partitions: usize,
    /// Copies of each; 0 when it is not there.
    pub replicas: usize,
    /// Whether settings that differed were changed.
    pub applied: bool,
    /// Settings that differ, or were changed: `name: was -> is`.
    pub settings: Vec<String>,
    /// What is wrong, and what to do.
    pub problem: Option<String>,
}

/// Looks at the topics, and on request makes them what they should be.
///
/// # Errors
/// When brokers do not answer, or refuse to.
pub async fn topics(config: &Config, apply: bool) -> Result<Vec<Line>, TopicsError> {
    let topics = Topics::new(config)?;
    let mut lines = Vec::new();
    for subject in Subject::ALL {
        lines.push(one(config, &topics, subject, apply).await?);
    }
    Ok(lines)
}

async fn one(
    config: &Config,
    topics: &Topics,
    subject: Subject,
    apply: bool,
) -> Result<Line, TopicsError> {
    let mut found = topics.look(subject).await?;
    let mut created = false;
    if found.layout.is_none() && apply {
        created = topics.create(subject).await?;
        found = topics.look_at_created(subject).await?;
    }
    // Settings first: of what is refused, they are right at least.
    let changes = std::mem::take(&mut found.changes);
    let mut state = match (created, changes.is_empty()) {
        (true, true) => State::Created,
        (false, true) => State::Ok,
        (_, false) => State::Differs,
    };
    if apply && !changes.is_empty() {
        found.changes.clone_from(&changes);
        topics.change(&found).await?;
        found = topics.look_at_created(subject).await?;
        state = if created {
            State::Created
        } else {
            State::Changed
        };
    }
    let problem = match found.check(config) {
        Err(TopicsError::Missing(_)) => {
            state = State::Missing;
            Some(TopicsError::Missing(found.topic.clone()).to_string())
        }
        Err(error) => {
            state = State::Refused;
            Some(error.to_string())
        }
        Ok(()) => note(config, &found),
    };
    let layout = found.layout.as_ref();
    Ok(Line {
        lane: subject.name(),
        state,
        partitions: layout.map_or(0, |layout| layout.partitions),
        replicas: layout.map_or(0, |layout| layout.replicas),
        applied: apply,
        settings: changes.iter().map(shown).collect(),
        problem,
        topic: found.topic,
    })
}

/// What is not as wished, and is no obstacle.
fn note(config: &Config, found: &Found) -> Option<String> {
    let layout = found.layout.as_ref()?;
    let want = config.replication_factor;
    (i32::try_from(layout.replicas) != Ok(want)).then(|| {
        format!(
            "topic {} has {} replicas, and kafka.replication_factor is {want}; replicas are changed with Kafka's own kafka-reassign-partitions",
            found.topic, layout.replicas
        )
    })
}

fn shown(change: &Change) -> String {
    format!("{}: {} -> {}", change.name, change.was, change.to_be)
}

/// Whether batches can flow, and nothing is left to apply.
#[must_use]
pub fn is_whole(lines: &[Line]) -> bool {
    lines
        .iter()
        .all(|line| matches!(line.state, State::Ok | State::Created | State::Changed))
}

/// The report for people.
#[must_use]
pub fn table(lines: &[Line]) -> String {
    let width = lines
        .iter()
        .map(|line| line.topic.len())
        .max()
        .unwrap_or(0)
        .max(5);
    let mut text = format!("{:width$}  PARTITIONS  REPLICAS  STATE\n", "TOPIC");
    for line in lines {
        let state = match line.state {
            State::Ok => "ok",
            State::Created => "created",
            State::Changed => "changed",
            State::Differs => "differs",
            State::Missing => "missing",
            State::Refused => "refused",
        };
        text.push_str(&format!(
            "{:width$}  {:>10}  {:>8}  {state}\n",
            line.topic, line.partitions, line.replicas
        ));
    }
    for line in lines {
        for setting in &line.settings {
            let verb = if line.applied { "changed" } else { "differs" };
            text.push_str(&format!("{}: {verb}: {setting}\n", line.topic));
        }
        if let Some(problem) = &line.problem {
            text.push_str(&format!("{problem}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_to_do() {
        let line = |state, problem: Option<&str>| Line {
            topic: "crmscope.security.v1".to_owned(),
            lane: "security",
            state,
            partitions: 4,
            replicas: 3,
            applied: state == State::Changed,
            settings: vec!["retention.ms: 1 -> 2".to_owned()],
            problem: problem.map(str::to_owned),
        };
        let lines = [
            line(State::Changed, None),
            line(State::Refused, Some("do this")),
        ];
        let text = table(&lines);
        assert!(
            text.contains("crmscope.security.v1           4         3  changed\n"),
            "{text}"
        );
        assert!(
            text.contains("crmscope.security.v1: changed: retention.ms: 1 -> 2\n"),
            "{text}"
        );
        assert!(text.ends_with("do this\n"), "{text}");
        assert!(is_whole(&lines[..1]) && !is_whole(&lines));
    }
}
