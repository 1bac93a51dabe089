//! Which column of an event a rule means by a field's name.

/// A column of an event, or what is derived from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Where it came from, as logged.
    SourceAddress,
    /// The /24 of an IPv4 address, the /64 of an IPv6 address.
    SourceNetwork,
    /// Who did it.
    User,
    /// To whom it was done.
    TargetUser,
    /// On which host.
    AgentId,
    /// What it was done with.
    Service,
    /// How.
    Method,
    /// What happened.
    Kind,
}

/// Names, first those that the tables have, then those of ECS and Sigma.
const NAMES: &[(Field, &[&str])] = &[
    (
        Field::SourceAddress,
        &[
            "source_address",
            "source.ip",
            "source.address",
            "src_ip",
            "client.ip",
            "c-ip",
        ],
    ),
    (Field::SourceNetwork, &["source_network", "source.network"]),
    (Field::User, &["user", "user.name", "cs-username"]),
    (Field::TargetUser, &["target_user", "user.target.name"]),
    (
        Field::AgentId,
        &["agent_id", "host.name", "host", "hostname"],
    ),
    (Field::Service, &["service", "service.name"]),
    (Field::Method, &["method"]),
    (Field::Kind, &["kind", "event.action"]),
];

impl Field {
    /// As the tables have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        let names = NAMES.iter().find(|(field, _)| *field == self);
        names.map_or("", |(_, names)| names[0])
    }

    /// The field of a name.
    ///
    /// # Errors
    /// With the nearest name there is.
    pub fn parse(name: &str) -> Result<Self, String> {
        let all = || {
            let names = |&(field, names): &(Self, &'static [&'static str])| {
                names.iter().map(move |&name| (field, name))
            };
            NAMES.iter().flat_map(names)
        };
        if let Some((field, _)) = all().find(|(_, known)| *known == name) {
            return Ok(field);
        }
        let shown: String = name.chars().take(80).collect();
        let lower = shown.to_lowercase();
        let nearest = all()
            .map(|(_, known)| known)
            .max_by(|a, b| similarity(&lower, a).total_cmp(&similarity(&lower, b)));
        Err(format!(
            "field {shown:?} is none that events are grouped by; did you mean {:?}?",
            nearest.unwrap_or_default()
        ))
    }
}

/// How alike two names are, 0 to 1.
pub(super) fn similarity(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_lead_to_our_columns() {
        for (name, column) in [
            ("source.ip", "source_address"),
            ("src_ip", "source_address"),
            ("source.network", "source_network"),
            ("user.name", "user"),
            ("host.name", "agent_id"),
            ("target_user", "target_user"),
        ] {
            assert_eq!(Field::parse(name).map(Field::name), Ok(column));
        }
        let told = Field::parse("source_adress").unwrap_err();
        assert!(told.contains("did you mean \"source_address\"?"), "{told}");
    }
}
