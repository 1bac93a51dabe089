//! From named values of a line to its event: what JSON and regular expressions share.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use crmscope_proto::payload::truncate;

use super::super::event::{Kind, Status};
use super::super::reading::{Outcome, Reading};
use super::config::LogConfig;
use super::time;
use crate::sources::tail::zone::Zone;

/// Most different services, and most different methods, that one log may name: they become
/// dictionaries in storage. The rest is `OTHER`.
const NAMES_MAX: usize = 64;

/// Longest service or method, bytes.
const NAME_MAX_BYTES: usize = 64;

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Time,
    User,
    TargetUser,
    SourceAddress,
    Outcome,
    Kind,
    Method,
    Service,
    Records,
    Detail,
}

impl Field {
    pub(super) const ALL: [Self; 10] = [
        Self::Time,
        Self::User,
        Self::TargetUser,
        Self::SourceAddress,
        Self::Outcome,
        Self::Kind,
        Self::Method,
        Self::Service,
        Self::Records,
        Self::Detail,
    ];

    /// Name in config and of a group.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::User => "user",
            Self::TargetUser => "target_user",
            Self::SourceAddress => "source_address",
            Self::Outcome => "outcome",
            Self::Kind => "kind",
            Self::Method => "method",
            Self::Service => "service",
            Self::Records => "records",
            Self::Detail => "detail",
        }
    }
}

/// What values mean.
#[derive(Debug)]
pub(super) struct Mapping {
    kind: Option<Kind>,
    kinds: Vec<(String, Kind)>,
    outcome: Status,
    success: Vec<String>,
    failure: Vec<String>,
    services: Names,
    methods: Names,
}

impl Mapping {
    /// Names the key that makes no sense. `has` says which fields lines have.
    pub(super) fn of(config: &LogConfig, has: impl Fn(Field) -> bool) -> Result<Self, String> {
        if !has(Field::Time) {
            return Err("time is not told; name its field or group".to_owned());
        }
        let kind = config.kind.as_deref().map(known).transpose()?;
        let kinds = config
            .kinds
            .iter()
            .map(|one| Ok((one.value.clone(), known(&one.kind)?)))
            .collect::<Result<Vec<_>, String>>()?;
        if kind.is_none() && kinds.is_empty() {
            return Err(format!("kind is missing; use {}", names_of_kinds()));
        }
        if !kinds.is_empty() && !has(Field::Kind) {
            return Err("kinds translates the field kind, which is not named".to_owned());
        }
        let outcome = match config.outcome.as_deref() {
            None => Status::Unknown,
            Some("success") => Status::Success,
            Some("failure") => Status::Failure,
            Some(other) => {
                return Err(format!(
                    "outcome is {other:?}; use \"success\" or \"failure\", or leave it out"
                ));
            }
        };
        let lower = |words: &[String]| words.iter().map(|word| word.to_lowercase()).collect();
        let (success, failure): (Vec<String>, Vec<String>) =
            (lower(&config.success), lower(&config.failure));
        if let Some(both) = success.iter().find(|word| failure.contains(word)) {
            return Err(format!("{both:?} stands in success and in failure"));
        }
        Ok(Self {
            kind,
            kinds,
            outcome,
            success,
            failure,
            services: Names::default(),
            methods: Names::default(),
        })
    }

    /// The event of a line with these values.
    pub(super) fn read<'a>(
        &mut self,
        value: impl Fn(Field) -> Option<Cow<'a, str>>,
        zone: &Zone,
        now_ms: i64,
    ) -> Outcome {
        let own = value(Field::Kind).and_then(|word| {
            let found = self.kinds.iter().find(|(known, _)| *known == word);
            found.map(|(_, kind)| *kind)
        });
        let Some(kind) = own.or(self.kind) else {
            return Outcome::Nothing;
        };
        let time_ms = value(Field::Time).and_then(|text| time::parse(&text, zone, now_ms));
        let Some(time_ms) = time_ms else {
            return Outcome::Unknown;
        };
        let text = |field| value(field).map_or_else(String::new, Cow::into_owned);
        let source = text(Field::SourceAddress);
        let (address, port) = match source.parse::<SocketAddr>() {
            Ok(peer) => (peer.ip().to_string(), peer.port()),
            Err(_) => (source, 0),
        };
        let records = match value(Field::Records) {
            None => 0,
            Some(text) if text.is_empty() => 0,
            Some(text) => match text.parse() {
                Ok(records) => records,
                Err(_) => return Outcome::Unknown,
            },
        };
        Outcome::Event(Box::new(Reading {
            service: self.services.bounded(&text(Field::Service)),
            method: self.methods.bounded(&text(Field::Method)),
            user: text(Field::User),
            target_user: text(Field::TargetUser),
            address,
            port,
            records,
            detail: text(Field::Detail),
            ..Reading::new(time_ms, kind, self.status(value(Field::Outcome).as_deref()))
        }))
    }

    fn status(&self, word: Option<&str>) -> Status {
        let Some(word) = word.map(str::to_lowercase) else {
            return self.outcome;
        };
        if self.success.contains(&word) {
            Status::Success
        } else if self.failure.contains(&word) {
            Status::Failure
        } else {
            Status::Unknown
        }
    }
}

fn known(name: &str) -> Result<Kind, String> {
    Kind::OF_APPLICATIONS
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| format!("kind is {name:?}; use {}", names_of_kinds()))
}

fn names_of_kinds() -> String {
    Kind::OF_APPLICATIONS.map(Kind::name).join(", ")
}

/// Names seen so far.
#[derive(Debug, Default)]
struct Names {
    known: BTreeSet<String>,
}

impl Names {
    fn bounded(&mut self, name: &str) -> String {
        let name = truncate(name, NAME_MAX_BYTES);
        if !name.is_empty() && !self.known.contains(name) {
            if self.known.len() >= NAMES_MAX {
                return "OTHER".to_owned();
            }
            self.known.insert(name.to_owned());
        }
        name.to_owned()
    }
}
