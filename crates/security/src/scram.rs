//! SCRAM (RFC 5802, RFC 7677) as Kafka's clients speak it: without channel binding, names
//! and passwords in UTF-8 without `SASLprep` (`ScramFormatter`). Knows nothing of messages
//! around it.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SecureRandom as _;
use ring::{digest, hmac, pbkdf2};

use crate::sasl::SaslError;

/// Fewer are refused by Kafka's client, too (`ScramMechanism.minIterations`).
const ITERATIONS_MIN: u32 = 4096;
/// More would only cost time: a broker could keep us busy for hours.
const ITERATIONS_MAX: u32 = 2_000_000;

/// The hash that a mechanism is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Hash {
    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    fn digest(self, of: &[u8]) -> digest::Digest {
        digest::digest(self.hmac().digest_algorithm(), of)
    }

    /// `SaltedPassword` of RFC 5802, which brokers keep.
    pub fn salted_password(self, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = vec![0; self.hmac().digest_algorithm().output_len()];
        pbkdf2::derive(
            algorithm,
            iterations,
            salt,
            password.as_bytes(),
            &mut salted,
        );
        salted
    }
}

/// The client's side of one exchange.
pub(crate) struct Scram {
    hash: Hash,
    password: String,
    nonce: String,
    /// `client-first-message-bare`.
    first: String,
    state: State,
}

enum State {
    FirstSent,
    FinalSent {
        salted: Vec<u8>,
        auth_message: String,
    },
    Done,
}

impl Scram {
    /// With a random nonce.
    pub(crate) fn begin(
        hash: Hash,
        user: &str,
        password: &str,
        token_auth: bool,
    ) -> Result<(Self, Vec<u8>), SaslError> {
        let mut random = [0; 24];
        ring::rand::SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| SaslError::NoRandomness)?;
        let nonce = STANDARD.encode(random);
        Ok(Self::with_nonce(hash, user, password, token_auth, nonce))
    }

    fn with_nonce(
        hash: Hash,
        user: &str,
        password: &str,
        token_auth: bool,
        nonce: String,
    ) -> (Self, Vec<u8>) {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        // KIP-48: the user is the id of a delegation token.
        let extension = if token_auth { ",tokenauth=true" } else { "" };
        let first = format!("n={user},r={nonce}{extension}");
        let message = format!("n,,{first}").into_bytes();
        let exchange = Self {
            hash,
            password: password.to_owned(),
            nonce,
            first,
            state: State::FirstSent,
        };
        (exchange, message)
    }

    /// The answer to what the broker says; none when the broker has proved itself.
    pub(crate) fn answer(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslError> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| SaslError::Malformed)?;
        match std::mem::replace(&mut self.state, State::Done) {
            State::FirstSent => self.prove(challenge).map(Some),
            State::FinalSent {
                salted,
                auth_message,
            } => {
                self.verify(challenge, &salted, &auth_message)?;
                Ok(None)
            }
            State::Done => Err(SaslError::Malformed),
        }
    }

    fn prove(&mut self, server_first: &str) -> Result<Vec<u8>, SaslError> {
        let field = |name: &str| {
            let fields = server_first.split(',');
            fields
                .filter_map(|it| it.split_once('='))
                .find_map(|(it, value)| (it == name).then_some(value))
        };
        let nonce = field("r").ok_or(SaslError::Malformed)?;
        let salt = field("s").and_then(|it| STANDARD.decode(it).ok());
        let salt = salt.ok_or(SaslError::Malformed)?;
        let iterations: u32 = field("i")
            .and_then(|it| it.parse().ok())
            .ok_or(SaslError::Malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(SaslError::Unproved);
        }
        let iterations = NonZeroU32::new(iterations)
            .filter(|it| (ITERATIONS_MIN..=ITERATIONS_MAX).contains(&it.get()))
            .ok_or(SaslError::Iterations { iterations })?;
        let salted = self.hash.salted_password(&self.password, &salt, iterations);
        // `biws` is the header `n,,`: no channel binding.
        let without_proof = format!("c=biws,r={nonce}");
        let auth_message = format!("{},{server_first},{without_proof}", self.first);
        let client_key = self.sign(&salted, b"Client Key");
        let stored_key = self.hash.digest(client_key.as_ref());
        let signature = self.sign(stored_key.as_ref(), auth_message.as_bytes());
        let proof: Vec<u8> = client_key
            .as_ref()
            .iter()
            .zip(signature.as_ref())
            .map(|(key, signature)| key ^ signature)
            .collect();
        self.state = State::FinalSent {
            salted,
            auth_message,
        };
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes())
    }

    fn verify(
        &self,
        server_final: &str,
        salted: &[u8],
        auth_message: &str,
    ) -> Result<(), SaslError> {
        let signature = server_final.split(',').find_map(|it| it.strip_prefix("v="));
        let signature = signature.and_then(|it| STANDARD.decode(it).ok());
        let server_key = self.sign(salted, b"Server Key");
        let key = hmac::Key::new(self.hash.hmac(), server_key.as_ref());
        let proved =
            signature.is_some_and(|it| hmac::verify(&key, auth_message.as_bytes(), &it).is_ok());
        if proved {
            Ok(())
        } else {
            Err(SaslError::Unproved)
        }
    }

    fn sign(&self, key: &[u8], message: &[u8]) -> hmac::Tag {
        hmac::sign(&hmac::Key::new(self.hash.hmac(), key), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(hash: Hash, nonce: &str) -> (Scram, String) {
        let (scram, first) = Scram::with_nonce(hash, "user", "pencil", false, nonce.to_owned());
        (scram, String::from_utf8(first).unwrap())
    }

    fn answer(scram: &mut Scram, challenge: &str) -> Result<Option<String>, SaslError> {
        let answer = scram.answer(challenge.as_bytes())?;
        Ok(answer.map(|it| String::from_utf8(it).unwrap()))
    }

    const SERVER_FIRST: &str = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                                s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    /// RFC 7677, section 3.
    #[test]
    fn the_example_of_the_rfc() {
        let (mut scram, first) = exchange(Hash::Sha256, "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(first, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let proof = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                     p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(answer(&mut scram, SERVER_FIRST).unwrap().unwrap(), proof);
        let server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert_eq!(answer(&mut scram, server_final).unwrap(), None);
        // Nothing may follow.
        assert!(answer(&mut scram, server_final).is_err());
    }

    /// No RFC has one for SHA-512; computed with Python's `hashlib` and `hmac`.
    #[test]
    fn the_same_exchange_with_the_longer_hash() {
        let (mut scram, _) = exchange(Hash::Sha512, "rOprNGfwEbeRWgbNEkqO");
        let proof = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                     p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dy\
                     bEmDYXYTxwnYPJQ==";
        assert_eq!(answer(&mut scram, SERVER_FIRST).unwrap().unwrap(), proof);
        let server_final = "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+\
                            5ZxXnJq199RVG2rR7N7Zw==";
        assert_eq!(answer(&mut scram, server_final).unwrap(), None);
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_not_believed() {
        let (mut scram, _) = exchange(Hash::Sha256, "rOprNGfwEbeRWgbNEkqO");
        answer(&mut scram, SERVER_FIRST).unwrap();
        let forged = "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
        assert!(matches!(
            answer(&mut scram, forged),
            Err(SaslError::Unproved)
        ));
        for forged in ["", "v=", "e=other-error", "\u{fc}"] {
            let (mut scram, _) = exchange(Hash::Sha256, "rOprNGfwEbeRWgbNEkqO");
            answer(&mut scram, SERVER_FIRST).unwrap();
            assert!(answer(&mut scram, forged).is_err(), "{forged}");
        }
    }

    #[test]
    fn a_challenge_that_makes_no_sense_is_refused() {
        for challenge in [
            "",
            "r=other,s=QQ==,i=4096",
            "r=nonce,s=QQ==,i=4096",
            "r=nonce1,s=QQ==,i=1",
            "r=nonce1,s=QQ==,i=4000000000",
            "r=nonce1,s=?,i=4096",
            "r=nonce1,s=QQ==",
        ] {
            let (mut scram, _) = exchange(Hash::Sha512, "nonce");
            assert!(answer(&mut scram, challenge).is_err(), "{challenge}");
        }
    }

    #[test]
    fn names_are_escaped_and_tokens_say_so() {
        let (_, first) = Scram::with_nonce(Hash::Sha512, "a=b,c", "", true, "N".to_owned());
        assert_eq!(first, b"n,,n=a=3Db=2Cc,r=N,tokenauth=true");
    }
}
