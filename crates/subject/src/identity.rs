//! What a record that was read is: the identity that it carries, in a topic of
//! records or in one of change events. Knows nothing of what is done with it.

use std::sync::Arc;

use cdc::debezium::{EventDecoder, RawRecord};
use cdc::form::Form;
use model::event::Content;
use model::ids::{Offset, PartitionRef, RunId, TableIx};
use model::record;
use serde::{Deserialize, Serialize};

use crate::protocol::Received;

/// What the events of a change topic are of, and how they look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeTopic {
    /// The table.
    pub table: TableIx,
    /// What the connector's configuration makes of its events.
    pub form: Form,
}

/// Recognises the records of one topic.
pub(crate) enum Recognition {
    Records { run: RunId, topic: String },
    Changes(EventDecoder),
}

impl Recognition {
    pub(crate) fn new(run: RunId, topic: &str, changes: Option<&ChangeTopic>) -> Self {
        let Some(ChangeTopic { table, form }) = changes else {
            let topic = topic.to_owned();
            return Self::Records { run, topic };
        };
        // Where it stands is said beside what it is.
        let partition = PartitionRef::default();
        let form = Arc::new(form.clone());
        Self::Changes(EventDecoder::new(run, partition, *table, form))
    }

    pub(crate) fn content(&self, record: &Received) -> Content {
        let value = record.value.as_ref().map(|it| it.0.as_slice());
        match self {
            Self::Records { run, topic } => record::decode(*run, topic, value.unwrap_or_default()),
            Self::Changes(decoder) => {
                let headers = record.headers.iter();
                let headers = headers.filter_map(|header| {
                    let value = header.value.as_ref()?;
                    Some((header.key.as_bytes(), value.0.as_slice()))
                });
                decoder.content(&RawRecord {
                    offset: Offset::new(record.offset),
                    key: record.key.as_ref().map(|it| it.0.as_slice()),
                    value,
                    headers: headers.collect(),
                })
            }
        }
    }
}
