//! Users of SASL SCRAM, which a cluster keeps in its metadata (KIP-554). Knows nothing of
//! who they are.

use std::num::NonZeroU32;

use bytes::Bytes;
use kafka_protocol::messages::AlterUserScramCredentialsRequest;
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::protocol::StrBytes;
use security::Hash;
use uuid::Uuid;

use crate::connection::Connection;
use crate::error::WireError;

/// Kafka's own default.
const ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);

/// A user, and a password as brokers get it: salted.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramUser {
    name: String,
    hash: Hash,
    salt: Vec<u8>,
    salted_password: Vec<u8>,
}

/// Tells the name only.
impl std::fmt::Debug for ScramUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScramUser({}, {:?})", self.name, self.hash)
    }
}

impl ScramUser {
    /// With a random salt.
    pub fn new(name: impl Into<String>, password: &str, hash: Hash) -> Self {
        let salt = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        let salted_password = hash.salted_password(password, &salt, ITERATIONS);
        Self {
            name: name.into(),
            hash,
            salt,
            salted_password,
        }
    }

    fn upsertion(&self) -> ScramCredentialUpsertion {
        ScramCredentialUpsertion::default()
            .with_name(StrBytes::from_string(self.name.clone()))
            .with_mechanism(match self.hash {
                Hash::Sha256 => 1,
                Hash::Sha512 => 2,
            })
            .with_iterations(i32::try_from(ITERATIONS.get()).unwrap_or(i32::MAX))
            .with_salt(Bytes::from(self.salt.clone()))
            .with_salted_password(Bytes::from(self.salted_password.clone()))
    }
}

impl Connection {
    /// Adds users, or gives them other passwords.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for the first that was refused.
    pub(crate) async fn set_scram_users(&mut self, users: &[ScramUser]) -> Result<(), WireError> {
        let version = self.version::<AlterUserScramCredentialsRequest>(0..=0)?;
        // One at a time: no user can be altered twice in a request, for two mechanisms neither.
        for user in users {
            let request =
                AlterUserScramCredentialsRequest::default().with_upsertions(vec![user.upsertion()]);
            let answer = self.call(&request, version).await?;
            for result in answer.results {
                let user = format!("user {}", result.user.as_str());
                let (code, message) = (result.error_code, result.error_message);
                self.check::<AlterUserScramCredentialsRequest>(user, code, message)?;
            }
        }
        Ok(())
    }
}
