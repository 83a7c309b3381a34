//! Which program carries out what a scenario asks of a client: what is named,
//! as something that runs on this machine. Knows nothing of what it is told to
//! do.

#![allow(
    clippy::result_large_err,
    reason = "told once, before a run, and never on a way that has to be fast"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use model::scenario::client::{ClientSpec, Release};
use stack::artefacts::{Artefacts, FetchError, FetchProgress, Versions};
use stack::cache::Cache;
use stack::java_client::{JavaClient, JavaClientError};
use subject::librdkafka_client::config::built_in_version;
use subject::role::ClientCommand;

/// The clients of a run, by their names.
#[derive(Clone, Debug, Default)]
pub struct Clients {
    resolved: BTreeMap<ClientSpec, ClientCommand>,
}

/// Why a client cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ClientUnavailable {
    /// Java's.
    #[error("cannot run the client {client}")]
    Java {
        /// Its name.
        client: String,
        /// Why not.
        source: JavaClientError,
    },
    /// A version of librdkafka could not be fetched.
    #[error("cannot run the client {client}")]
    Librdkafka {
        /// Its name.
        client: String,
        /// Why not.
        source: FetchError,
    },
    /// There is no such file or folder.
    #[error("cannot run the client {client}: {} is not there", path.display())]
    NotThere {
        /// Its name.
        client: String,
        /// What was named.
        path: PathBuf,
    },
}

impl Clients {
    /// Resolves these clients, and fetches what is missing. Blocks. The librdkafka that is
    /// built in has neither TLS nor SASL: where `secured`, the same version is loaded that
    /// has them.
    ///
    /// # Errors
    /// [`ClientUnavailable`], of the first that cannot be run.
    pub fn resolve<'c>(
        clients: impl IntoIterator<Item = &'c ClientSpec>,
        cache: &Cache,
        brokers: Option<&Artefacts>,
        secured: bool,
        progress: &mut dyn FnMut(FetchProgress),
    ) -> Result<Self, ClientUnavailable> {
        let mut resolved = BTreeMap::new();
        for client in clients {
            if !resolved.contains_key(client) {
                let same_version = ClientSpec::Librdkafka(Release::Version(built_in_version()));
                let found = match client {
                    ClientSpec::BuiltIn if secured => &same_version,
                    client => client,
                };
                let command = resolve(found, cache, brokers, progress)?;
                resolved.insert(client.clone(), command);
            }
        }
        Ok(Self { resolved })
    }

    /// What runs it.
    ///
    /// # Panics
    /// Where the client was not resolved: another one in its place would be
    /// judged under its name.
    pub fn of(&self, client: &ClientSpec) -> ClientCommand {
        let resolved = self.resolved.get(client).cloned();
        assert!(
            resolved.is_some() || *client == ClientSpec::BuiltIn,
            "{client} is resolved before the run"
        );
        resolved.unwrap_or_default()
    }
}

fn resolve(
    client: &ClientSpec,
    cache: &Cache,
    brokers: Option<&Artefacts>,
    progress: &mut dyn FnMut(FetchProgress),
) -> Result<ClientCommand, ClientUnavailable> {
    let there = |path: &PathBuf| {
        path.canonicalize()
            .map_err(|_| ClientUnavailable::NotThere {
                client: client.to_string(),
                path: path.clone(),
            })
    };
    let mut java = |of: JavaClient<'_>| {
        let command = stack::java_client::command(cache, of, progress);
        let command = command.map_err(|source| ClientUnavailable::Java {
            client: client.to_string(),
            source,
        });
        command.map(ClientCommand::Command)
    };
    match client {
        ClientSpec::BuiltIn => Ok(ClientCommand::BuiltIn),
        ClientSpec::JavaOfBrokers => match brokers {
            Some(brokers) => java(JavaClient::OfBrokers(brokers)),
            // A user's cluster tells no version of Kafka.
            None => java(JavaClient::Version(&Versions::default().kafka)),
        },
        ClientSpec::Java(Release::Version(version)) => java(JavaClient::Version(version)),
        ClientSpec::Java(Release::Path(path)) => java(JavaClient::Folder(&there(path)?)),
        ClientSpec::Librdkafka(Release::Version(version)) => {
            let library = stack::librdkafka::fetch(cache, version, progress);
            let library = library.map_err(|source| ClientUnavailable::Librdkafka {
                client: client.to_string(),
                source,
            });
            library.map(ClientCommand::Library)
        }
        ClientSpec::Librdkafka(Release::Path(path)) => Ok(ClientCommand::Library(there(path)?)),
        ClientSpec::Command(words) => Ok(ClientCommand::Command(words.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(client: &str) -> Result<ClientCommand, ClientUnavailable> {
        let cache = Cache::at("/nowhere");
        let client: ClientSpec = client.parse().unwrap();
        let clients = Clients::resolve([&client], &cache, None, false, &mut |_| {})?;
        Ok(clients.of(&client))
    }

    #[test]
    fn a_client_is_what_it_is_named() {
        assert_eq!(resolved("librdkafka").unwrap(), ClientCommand::BuiltIn);
        let words = ["a", "b"].map(str::to_owned);
        let command = ClientCommand::Command(words.into());
        assert_eq!(resolved("command:a b").unwrap(), command);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("librdkafka.so.1");
        std::fs::write(&file, "").unwrap();
        let named = format!("librdkafka:{}", file.display());
        let library = ClientCommand::Library(file.canonicalize().unwrap());
        assert_eq!(resolved(&named).unwrap(), library);
        for missing in ["librdkafka:./no/such.so", "java:./no/such/folder"] {
            let error = resolved(missing).unwrap_err();
            assert!(error.to_string().ends_with("is not there"), "{error}");
        }
    }

    #[test]
    #[should_panic(expected = "java:3.1.0 is resolved before the run")]
    fn no_other_client_takes_the_place_of_one_that_was_named() {
        Clients::default().of(&"java:3.1.0".parse().unwrap());
    }
}
