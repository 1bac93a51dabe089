//! Greetings and proofs of passwords. No I/O.

use ring::digest::{Context, Digest, SHA1_FOR_LEGACY_USE_ONLY as SHA1, SHA256};

use super::super::super::connect::quoted;
use super::super::wire::{SqlError, text};
use super::packet::{Fields, refusal};
use super::{CHARSET, Login};

/// The login of MariaDB, and of MySQL before 8.
pub(super) const NATIVE: &str = "mysql_native_password";

/// The login of MySQL from 8 on.
pub(super) const CACHING_SHA2: &str = "caching_sha2_password";

/// The socket tells who asks: the account of the agent's process.
const SOCKET: [&str; 2] = ["auth_socket", "unix_socket"];

/// Random bytes of a greeting.
const SCRAMBLE_BYTES: usize = 20;

/// What a server says first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) is_mariadb: bool,
    pub(super) capabilities: u32,
    pub(super) scramble: Vec<u8>,
    pub(super) plugin: String,
}

impl Greeting {
    pub(super) fn read(body: &[u8]) -> Result<Self, SqlError> {
        let mut fields = Fields::of(body);
        match fields.take(1)? {
            [10] => {}
            // Such as too many connections.
            [0xff] => return Err(SqlError::Server(refusal(&body[1..]))),
            _ => return Err(SqlError::protocol("no greeting of version 10")),
        }
        let version = text(fields.until_zero());
        fields.take(4)?;
        let mut scramble = fields.take(8)?.to_vec();
        fields.take(1)?;
        let low = fields.short()?;
        // Character set and status.
        fields.take(3)?;
        let high = fields.short()?;
        // Length of the scramble, which is always that of the two ways there are; reserved bytes.
        fields.take(1 + 10)?;
        scramble.extend_from_slice(fields.take(SCRAMBLE_BYTES - 8)?);
        fields.take(1)?;
        Ok(Self {
            is_mariadb: version.contains("MariaDB"),
            capabilities: high << 16 | low,
            scramble,
            plugin: text(fields.until_zero()),
        })
    }
}

/// The beginning of an answer to a greeting; alone it asks for TLS.
pub(super) fn head(capabilities: u32) -> Vec<u8> {
    let mut head = capabilities.to_le_bytes().to_vec();
    head.extend_from_slice(&(1_u32 << 24).to_le_bytes());
    head.push(CHARSET);
    head.extend_from_slice(&[0; 23]);
    head
}

/// The answer to a greeting.
pub(super) fn response(capabilities: u32, greeting: &Greeting, login: Login<'_>) -> Vec<u8> {
    // Where the server's usual way is not known here, it is asked for another one afterwards.
    let known = [NATIVE, CACHING_SHA2].contains(&&*greeting.plugin);
    let plugin = if known { &*greeting.plugin } else { NATIVE };
    let proof = proof(plugin, login.password, &greeting.scramble).unwrap_or_default();
    let mut body = head(capabilities);
    let put = |body: &mut Vec<u8>, text: &str| {
        body.extend(text.bytes().filter(|&byte| byte != 0));
        body.push(0);
    };
    put(&mut body, login.user);
    body.push(u8::try_from(proof.len()).unwrap_or(0));
    body.extend_from_slice(&proof);
    put(&mut body, login.database);
    put(&mut body, plugin);
    body
}

/// What shows that the password is known.
pub(super) fn proof(plugin: &str, password: &str, scramble: &[u8]) -> Result<Vec<u8>, SqlError> {
    let scramble = &scramble[..scramble.len().min(SCRAMBLE_BYTES)];
    if password.is_empty() || SOCKET.contains(&plugin) {
        return Ok(Vec::new());
    }
    let password = password.as_bytes();
    match plugin {
        // SHA1(p) xor SHA1(scramble, SHA1(SHA1(p))).
        NATIVE => {
            let once = hash(&SHA1, &[password]);
            let twice = hash(&SHA1, &[once.as_ref()]);
            Ok(xor(&once, &hash(&SHA1, &[scramble, twice.as_ref()])))
        }
        // SHA256(p) xor SHA256(SHA256(SHA256(p)), scramble).
        CACHING_SHA2 => {
            let once = hash(&SHA256, &[password]);
            let twice = hash(&SHA256, &[once.as_ref()]);
            Ok(xor(&once, &hash(&SHA256, &[twice.as_ref(), scramble])))
        }
        other => Err(SqlError::Other(format!(
            "the account logs in by {}, which is not supported; use {NATIVE} or {CACHING_SHA2} for it",
            quoted(other)
        ))),
    }
}

fn hash(algorithm: &'static ring::digest::Algorithm, parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(algorithm);
    for part in parts {
        context.update(part);
    }
    context.finish()
}

fn xor(left: &Digest, right: &Digest) -> Vec<u8> {
    let pairs = left.as_ref().iter().zip(right.as_ref());
    pairs.map(|(left, right)| left ^ right).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_of_mariadb() {
        let mut body = vec![10];
        body.extend_from_slice(b"5.5.5-10.11.14-MariaDB-0+deb12u2\0\x07\0\0\0abcdefgh\0");
        body.extend_from_slice(&[0xfe, 0xf7, 45, 2, 0, 0xff, 0x81, 21]);
        body.extend_from_slice(&[0; 10]);
        body.extend_from_slice(b"ijklmnopqrst\0mysql_native_password\0");
        let greeting = Greeting::read(&body).unwrap();
        assert!(greeting.is_mariadb);
        assert_eq!(greeting.capabilities, 0x81ff_f7fe);
        assert_eq!(greeting.scramble, b"abcdefghijklmnopqrst");
        assert_eq!(greeting.plugin, NATIVE);
        for end in 0..body.len() - 23 {
            assert!(Greeting::read(&body[..end]).is_err(), "{end}");
        }
        let busy = Greeting::read(b"\xff\x10\x04#08004Too many connections").unwrap_err();
        assert_eq!(
            busy.to_string(),
            "the database refuses: \"Too many connections (1040)\""
        );
    }

    /// Expected values by Python's hashlib.
    #[test]
    fn proofs_are_those_of_an_independent_computation() {
        let scramble = b"abcdefghijklmnopqrst\0";
        let shown = |plugin| {
            let proof = proof(plugin, "secret", scramble).unwrap();
            proof
                .iter()
                .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
        };
        assert_eq!(shown(NATIVE), "8817c50fa779daef010ee7577825b0847df9842e");
        assert_eq!(
            shown(CACHING_SHA2),
            "c76e2898612a4cf042c77fa8c4702c4c64c0c2c557c53c4d75595aaa6abae809"
        );
        assert!(proof("client_ed25519", "secret", scramble).is_err());
        assert!(proof("mysql_clear_password", "secret", scramble).is_err());
        assert_eq!(proof(NATIVE, "", scramble).unwrap(), b"");
    }
}
