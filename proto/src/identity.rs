//! Identifiers that both ends agree on.

use std::fmt;

use crate::limits::AGENT_ID_MAX_BYTES;

/// A 128-bit identifier: boot, start and spool ids. Shown in the usual 8-4-4-4-12 form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

/// Text or bytes that are not an identifier.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdentityError {
    /// Not 16 bytes.
    #[error("an id has 16 bytes, this one has {0}")]
    Length(usize),
    /// Not 32 hexadecimal digits.
    #[error("an id is 32 hexadecimal digits, with or without hyphens")]
    Text,
    /// An agent id that is empty, too long or has other characters.
    #[error(
        "an agent id has 1 to {AGENT_ID_MAX_BYTES} characters out of A-Z a-z 0-9 . _ - and begins with a letter or digit"
    )]
    AgentId,
}

impl Id {
    /// Reads the wire form.
    ///
    /// # Errors
    /// Unless there are 16 bytes.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, IdentityError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| IdentityError::Length(bytes.len()))
    }

    /// Reads the text form, hyphens optional.
    ///
    /// # Errors
    /// Unless there are 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let mut bytes = [0u8; 16];
        let mut digits = 0;
        for character in text.trim().chars().filter(|&c| c != '-') {
            let digit = character.to_digit(16).ok_or(IdentityError::Text)?;
            let slot = bytes.get_mut(digits / 2).ok_or(IdentityError::Text)?;
            *slot = *slot << 4 | u8::try_from(digit).map_err(|_| IdentityError::Text)?;
            digits += 1;
        }
        if digits == 32 {
            Ok(Self(bytes))
        } else {
            Err(IdentityError::Text)
        }
    }

    /// The wire form.
    #[must_use]
    pub fn to_wire(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// Checks an agent id: a name that is safe in paths, keys, SQL and pages as it is.
///
/// # Errors
/// When it is empty, longer than [`AGENT_ID_MAX_BYTES`], or has other characters.
pub fn check_agent_id(agent_id: &str) -> Result<(), IdentityError> {
    let well_formed = agent_id.len() <= AGENT_ID_MAX_BYTES
        && agent_id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && agent_id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if well_formed {
        Ok(())
    } else {
        Err(IdentityError::AgentId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text_and_wire_forms() {
        let id = Id([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 254, 255]);
        assert_eq!(id.to_string(), "00010203-0405-0607-0809-0a0b0c0dfeff");
        assert_eq!(Id::parse(&id.to_string()), Ok(id));
        assert_eq!(Id::parse("000102030405060708090a0b0c0dfeff\n"), Ok(id));
        assert_eq!(Id::from_wire(&id.to_wire()), Ok(id));
        assert_eq!(Id::parse("0001"), Err(IdentityError::Text));
        assert_eq!(Id::parse(&"0".repeat(34)), Err(IdentityError::Text));
        assert_eq!(Id::from_wire(&[1]), Err(IdentityError::Length(1)));
    }

    #[test]
    fn hostile_agent_ids_are_refused() {
        for good in ["crm-web-01", "a", "10.0.0.1", "crm_db.example.com"] {
            assert_eq!(check_agent_id(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "-a",
            "../etc",
            "a b",
            "a'b",
            "<b>",
            "é",
            "a\0",
            &"x".repeat(129),
        ] {
            assert_eq!(check_agent_id(bad), Err(IdentityError::AgentId), "{bad}");
        }
    }
}
