//! SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. No I/O; random numbers are the system's.
//!
//! Both sides prove that they know the password, and neither sends it. A password is used as it is: those of
//! ASCII are prepared already, as RFC 4013 asks, and others have to be in the form NFKC.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac, pbkdf2};

use super::super::wire::SqlError;

pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

/// Rounds of hashing that a server may ask for; PostgreSQL's default is 4096. These take a second.
const ROUNDS_MAX: u32 = 1_000_000;

/// Says that there is no channel binding, in base64 of `n,,`.
const NO_BINDING: &str = "biws";

const KEY_BYTES: usize = digest::SHA256_OUTPUT_LEN;

/// An exchange under way.
pub(super) struct Scram {
    password: String,
    nonce: String,
    /// What the server has to say at the end.
    expected: Option<(hmac::Key, String)>,
}

impl Scram {
    /// Draws a nonce.
    pub(super) fn begin(password: &str) -> Result<Self, SqlError> {
        let mut nonce = [0; 18];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| SqlError::Other("the system gives no random numbers".to_owned()))?;
        Ok(Self {
            password: password.to_owned(),
            nonce: BASE64.encode(nonce),
            expected: None,
        })
    }

    fn bare(&self) -> String {
        // PostgreSQL takes the name of the startup message.
        format!("n=,r={}", self.nonce)
    }

    /// The first message.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.bare())
    }

    /// The proof, as an answer to the server's first message.
    pub(super) fn answer(&mut self, server: &str) -> Result<String, SqlError> {
        let (nonce, salt, rounds) =
            challenge(server).ok_or_else(|| SqlError::protocol("no challenge of SCRAM"))?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(SqlError::protocol("another nonce"));
        }
        if rounds.get() > ROUNDS_MAX {
            return Err(SqlError::Other(format!(
                "the server asks for {rounds} rounds of hashing; set scram_iterations there to {ROUNDS_MAX} at most"
            )));
        }
        let mut salted = [0; KEY_BYTES];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            rounds,
            &salt,
            self.password.as_bytes(),
            &mut salted,
        );
        let salted = hmac::Key::new(hmac::HMAC_SHA256, &salted);
        let without_proof = format!("c={NO_BINDING},r={nonce}");
        let all = format!("{},{server},{without_proof}", self.bare());
        let client_key = hmac::sign(&salted, b"Client Key");
        let stored = digest::digest(&digest::SHA256, client_key.as_ref());
        let stored = hmac::Key::new(hmac::HMAC_SHA256, stored.as_ref());
        let signature = hmac::sign(&stored, all.as_bytes());
        let proof = client_key.as_ref().iter().zip(signature.as_ref());
        let proof: Vec<u8> = proof.map(|(key, signature)| key ^ signature).collect();
        let server_key = hmac::sign(&salted, b"Server Key");
        let server_key = hmac::Key::new(hmac::HMAC_SHA256, server_key.as_ref());
        self.expected = Some((server_key, all));
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// Whether the server knows the password as well.
    pub(super) fn verify(&self, server: &str) -> Result<(), SqlError> {
        let signature = server.strip_prefix("v=");
        let signature = signature.and_then(|text| BASE64.decode(text.split(',').next()?).ok());
        let right = match (&self.expected, signature) {
            (Some((key, all)), Some(signature)) => {
                hmac::verify(key, all.as_bytes(), &signature).is_ok()
            }
            _ => false,
        };
        right.then_some(()).ok_or_else(|| {
            SqlError::Other(
                "the server does not know the password; somebody else may stand in its place"
                    .to_owned(),
            )
        })
    }
}

/// Nonce, salt and rounds.
fn challenge(server: &str) -> Option<(&str, Vec<u8>, NonZeroU32)> {
    let mut parts = server.split(',');
    let nonce = parts.next()?.strip_prefix("r=")?;
    let salt = BASE64.decode(parts.next()?.strip_prefix("s=")?).ok()?;
    let rounds = parts.next()?.strip_prefix("i=")?.parse().ok()?;
    Some((nonce, salt, rounds))
}

/// What the fuzzer calls.
#[cfg(any(feature = "fuzzing", test))]
pub(super) fn read(text: &str) {
    let _ = challenge(text);
    let known = Scram {
        password: String::new(),
        nonce: String::new(),
        expected: None,
    };
    assert!(known.verify(text).is_err());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, which names a user: PostgreSQL's empty name changes the proof, so
    /// the expected values were computed for it with Python's hashlib and hmac.
    #[test]
    fn proofs_are_those_of_an_independent_computation() {
        let mut scram = Scram {
            password: "pencil".to_owned(),
            nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
            expected: None,
        };
        let server = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert_eq!(
            scram.answer(server).unwrap(),
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k="
        );
        scram
            .verify("v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=")
            .unwrap();
        assert!(scram.verify("v=AAAA").is_err());
        assert!(scram.verify("e=other-error").is_err());
    }

    #[test]
    fn a_server_that_asks_for_too_much_is_refused() {
        let mut scram = Scram::begin("secret").unwrap();
        let nonce = scram.nonce.clone();
        for server in [
            format!("r={nonce}x,s=AAAA,i=2000000"),
            format!("r={nonce}x,s=AAAA,i=0"),
            format!("r={nonce},s=AAAA,i=4096"),
            "r=another,s=AAAA,i=4096".to_owned(),
            format!("r={nonce}x,s=?,i=4096"),
            String::new(),
        ] {
            assert!(scram.answer(&server).is_err(), "{server}");
        }
    }
}
