//! Debezium's change events, as JSON without schemas, turned into events of a
//! history. Pure; knows nothing of how the records were read.
//!
//! An event that is not what Debezium writes is never skipped: it becomes a
//! `ChangeEvent` whose content is `Corrupt`, with what could still be read of
//! it, so that the checker sees that something stands there. Where nothing
//! could be read, the table is the topic's, the key is 0 (keys begin at 1),
//! the operation an update, the position 0.

use std::borrow::Cow;

use model::event::{Body, ChangeContent, RowOp};
use model::ids::{Lsn, Offset, PartitionRef, RowKey, RunId, TableIx};
use model::record::decode_change;
use serde::Deserialize;

use crate::schema::Table;

/// Decodes the records of one partition of a topic `PREFIX.public.TABLE`.
#[derive(Clone, Copy, Debug)]
pub struct EventDecoder {
    run: RunId,
    partition: PartitionRef,
    table: TableIx,
}

/// The bytes of one record.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'r> {
    /// Where it stands.
    pub offset: Offset,
    /// Its key; none when it has none.
    pub key: Option<&'r [u8]>,
    /// Its value; none for a tombstone.
    pub value: Option<&'r [u8]>,
}

impl EventDecoder {
    /// For `partition` of the topic that carries the events of `table`.
    pub const fn new(run: RunId, partition: PartitionRef, table: TableIx) -> Self {
        Self {
            run,
            partition,
            table,
        }
    }

    /// The record as an event of the history; none for a tombstone, which
    /// tells of nothing that the delete before it has not told.
    pub fn decode(&self, record: &RawRecord<'_>) -> Option<Body> {
        let value = record.value?;
        let key = record
            .key
            .and_then(|key| serde_json::from_slice::<Key>(key).ok())
            .map(|key| key.id);
        let said = serde_json::from_slice::<Envelope<'_>>(value)
            .ok()
            .map_or_else(Said::nothing, |envelope| self.said(&envelope, key));
        Some(Body::ChangeEvent {
            partition: self.partition,
            offset: record.offset,
            table: said.table.unwrap_or(self.table),
            key: RowKey::new(key.or(said.row_key).unwrap_or(0)),
            op: said.op.unwrap_or(RowOp::Update),
            content: said.content,
            lsn: said.lsn.unwrap_or_default(),
        })
    }

    fn said(&self, envelope: &Envelope<'_>, key: Option<i64>) -> Said {
        let op = match envelope.op.as_ref() {
            "c" => Some(RowOp::Insert),
            "u" => Some(RowOp::Update),
            "d" => Some(RowOp::Delete),
            "r" => Some(RowOp::Snapshot),
            _ => None,
        };
        let table = (envelope.source.schema.as_ref() == "public")
            .then(|| Table::named(&envelope.source.table))
            .flatten()
            .map(Table::ix);
        let lsn = envelope.source.lsn.map(Lsn::new);
        let image = match op {
            Some(RowOp::Delete) => envelope.before.as_ref(),
            _ => envelope.after.as_ref(),
        };
        let row_key = image.and_then(|image| image.id);
        let whole = table.is_some() && lsn.is_some() && key.is_some() && row_key == key;
        let content = match (whole, op, &envelope.after) {
            (true, Some(RowOp::Delete), None) => ChangeContent::Absent,
            (true, Some(RowOp::Insert | RowOp::Update | RowOp::Snapshot), Some(after)) => after
                .proof
                .as_ref()
                .map_or(ChangeContent::Corrupt, |proof| {
                    decode_change(self.run, &proof.0)
                }),
            _ => ChangeContent::Corrupt,
        };
        Said {
            table,
            row_key,
            op,
            content,
            lsn,
        }
    }
}

/// What could be read of a value.
struct Said {
    table: Option<TableIx>,
    row_key: Option<i64>,
    op: Option<RowOp>,
    content: ChangeContent,
    lsn: Option<Lsn>,
}

impl Said {
    const fn nothing() -> Self {
        Self {
            table: None,
            row_key: None,
            op: None,
            content: ChangeContent::Corrupt,
            lsn: None,
        }
    }
}

#[derive(Deserialize)]
struct Key {
    id: i64,
}

// The parts of Debezium's envelope that are looked at; all others are skipped
// without being built. (Debezium documentation, PostgreSQL connector, data
// change events.)
#[derive(Deserialize)]
struct Envelope<'v> {
    #[serde(borrow)]
    before: Option<Image<'v>>,
    #[serde(borrow)]
    after: Option<Image<'v>>,
    #[serde(borrow)]
    source: Source<'v>,
    #[serde(borrow)]
    op: Cow<'v, str>,
}

#[derive(Deserialize)]
struct Image<'v> {
    id: Option<i64>,
    #[serde(borrow)]
    proof: Option<Text<'v>>,
}

#[derive(Deserialize)]
struct Source<'v> {
    lsn: Option<u64>,
    #[serde(borrow)]
    schema: Cow<'v, str>,
    #[serde(borrow)]
    table: Cow<'v, str>,
}

// serde borrows a `Cow` only where it is not inside an `Option`.
#[derive(Deserialize)]
struct Text<'v>(#[serde(borrow)] Cow<'v, str>);
