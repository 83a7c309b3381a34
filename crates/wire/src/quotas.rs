//! Client quotas: the rates that brokers allow to clients (KIP-546). Knows nothing of the
//! clients.

use std::collections::BTreeMap;
use std::fmt;

use kafka_protocol::messages::AlterClientQuotasRequest;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::protocol::StrBytes;

use crate::connection::Connection;
use crate::error::WireError;

/// The clients of a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaEntity {
    /// The user; `None` where users make no difference.
    pub user: Option<String>,
    /// The `client.id`s.
    pub client_id: ClientIds,
}

/// Which `client.id`s a quota is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientIds {
    /// They make no difference.
    Any,
    /// Each that has no quota of its own, for itself.
    Default,
    /// This one.
    One(String),
}

impl QuotaEntity {
    fn to_wire(&self) -> Vec<EntityData> {
        let of = |kind: &'static str, name: Option<&String>| {
            EntityData::default()
                .with_entity_type(StrBytes::from_static_str(kind))
                .with_entity_name(name.map(|name| StrBytes::from_string(name.clone())))
        };
        let user = self.user.iter().map(|user| of("user", Some(user)));
        let client_id = match &self.client_id {
            ClientIds::Any => None,
            ClientIds::Default => Some(of("client-id", None)),
            ClientIds::One(id) => Some(of("client-id", Some(id))),
        };
        user.chain(client_id).collect()
    }
}

impl fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|user| format!("user {user}"));
        let client_id = match &self.client_id {
            ClientIds::Any => None,
            ClientIds::Default => Some("every client id".to_owned()),
            ClientIds::One(id) => Some(format!("client id {id}")),
        };
        let parts: Vec<String> = user.into_iter().chain(client_id).collect();
        f.write_str(&parts.join(", "))
    }
}

impl Connection {
    /// Sets some of an entity's quotas by their keys, and takes away those
    /// without a value. Any broker can be asked. It answers when the
    /// controllers have decided: brokers act on it a little later. Doing it
    /// twice is doing it once.
    ///
    /// # Errors
    /// [`WireError`], of which `Refused` for a key or value that is not one.
    pub async fn alter_client_quotas(
        &mut self,
        entity: &QuotaEntity,
        quotas: &BTreeMap<String, Option<f64>>,
    ) -> Result<(), WireError> {
        let version = self.version::<AlterClientQuotasRequest>(0..=1)?;
        let operations = quotas.iter().map(|(key, value)| {
            OpData::default()
                .with_key(StrBytes::from_string(key.clone()))
                .with_value(value.unwrap_or_default())
                .with_remove(value.is_none())
        });
        let entry = EntryData::default()
            .with_entity(entity.to_wire())
            .with_ops(operations.collect());
        let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
        let answer = self.call(&request, version).await?;
        let result = self.only::<AlterClientQuotasRequest, _>(version, answer.entries, entity)?;
        self.check::<AlterClientQuotasRequest>(entity, result.error_code, result.error_message)
    }
}
