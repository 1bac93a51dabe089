//! What one collector does: the parts of it that are on.
//!
//! Promises that a set of roles that could not be exact is refused with the reason.

use serde::{Deserialize, Serialize};

/// Section `[roles]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Roles {
    /// Takes what agents send.
    pub ingest: bool,
    /// Stores it.
    pub writer: bool,
    /// Watches over the hosts, whenever it is this collector's turn.
    pub presence: bool,
    /// Serves pages, health and metrics.
    pub web: bool,
    /// Collectors that run against the same ClickHouse, this one included.
    pub replicas: u32,
}

/// Roles that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RolesError {
    /// Nothing to do.
    #[error(
        "roles: all of them are off; set roles.ingest, roles.writer, roles.presence or roles.web to true"
    )]
    Nothing,
    /// Two ledgers.
    #[error(
        "roles.replicas is {0}, and kafka.brokers is empty: two collectors without Kafka would each decide what is stored already, and could store a batch twice; set kafka.brokers, or run one collector"
    )]
    Replicas(u32),
    /// None at all.
    #[error("roles.replicas is 0; it must be 1 to 1000")]
    NoReplica,
    /// Too many.
    #[error("roles.replicas is {0}; it must be 1 to 1000")]
    ManyReplicas(u32),
    /// Batches would go nowhere.
    #[error(
        "roles.ingest is true and roles.writer is false, and kafka.brokers is empty: what agents send would have no way to a writer; set kafka.brokers, or roles.writer = true"
    )]
    IngestAlone,
    /// Batches would come from nowhere.
    #[error(
        "roles.writer is true and roles.ingest is false, and kafka.brokers is empty: nothing would reach the writer; set kafka.brokers, or roles.ingest = true"
    )]
    WriterAlone,
}

impl Default for Roles {
    fn default() -> Self {
        Self {
            ingest: true,
            writer: true,
            presence: true,
            web: true,
            replicas: 1,
        }
    }
}

impl Roles {
    /// Checks that the roles can be exact, with Kafka or without.
    ///
    /// # Errors
    /// With the reason and what to do.
    pub const fn validate(&self, has_kafka: bool) -> Result<(), RolesError> {
        if !self.ingest && !self.writer && !self.presence && !self.web {
            return Err(RolesError::Nothing);
        }
        match self.replicas {
            0 => return Err(RolesError::NoReplica),
            1..=1000 => {}
            many => return Err(RolesError::ManyReplicas(many)),
        }
        if has_kafka {
            return Ok(());
        }
        if self.replicas > 1 {
            return Err(RolesError::Replicas(self.replicas));
        }
        match (self.ingest, self.writer) {
            (true, false) => Err(RolesError::IngestAlone),
            (false, true) => Err(RolesError::WriterAlone),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn roles(ingest: bool, writer: bool, web: bool, replicas: u32) -> Roles {
        Roles {
            ingest,
            writer,
            presence: web,
            web,
            replicas,
        }
    }

    #[test]
    fn what_cannot_be_exact_is_refused() {
        let nothing = roles(false, false, false, 1);
        assert_eq!(nothing.validate(true), Err(RolesError::Nothing));
        let (many, none) = (roles(true, true, true, 2), roles(true, true, true, 0));
        assert_eq!(many.validate(false), Err(RolesError::Replicas(2)));
        assert_eq!(many.validate(true), Ok(()));
        assert_eq!(none.validate(true), Err(RolesError::NoReplica));
        assert!(roles(true, true, true, 1001).validate(true).is_err());
        let (door, pen) = (roles(true, false, true, 1), roles(false, true, true, 1));
        assert_eq!(door.validate(false), Err(RolesError::IngestAlone));
        assert_eq!(pen.validate(false), Err(RolesError::WriterAlone));
        assert_eq!((door.validate(true), pen.validate(true)), (Ok(()), Ok(())));
        // Pages alone read what others store.
        assert_eq!(roles(false, false, true, 1).validate(false), Ok(()));
        assert_eq!(Roles::default().validate(false), Ok(()));
    }
}
