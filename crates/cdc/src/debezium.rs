//! Debezium's change events, as JSON, turned into events of a history. Pure;
//! knows nothing of how the records were read.
//!
//! Three forms are read: Debezium's envelope, the same with its schema around it
//! (`schemas.enable`), and the row after the change, as a transform flattens it. A
//! flattened event tells which change it is of by the row, and its operation and place only
//! where it was asked to (`add.fields`, `add.headers`).
//!
//! An event that is neither is never skipped. Where the connector's configuration gives
//! events another form, it is `Unreadable`; otherwise it is `Corrupt`, with the fields that
//! could be read, so that the checker sees a record there. Where nothing could be read, the
//! table is the topic's, the key is 0 (keys begin at 1), the operation an update, the
//! position 0.

use std::borrow::Cow;
use std::sync::Arc;

use model::event::{Body, ChangeContent, Content, RowOp, SettingEffect};
use model::ids::{Lsn, Offset, PartitionRef, RowKey, RunId, TableIx};
use model::record::decode_change;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::form::{Form, Tombstones};
use crate::schema::Table;

/// Decodes the records of one partition of a topic `PREFIX.public.TABLE`.
#[derive(Clone, Debug)]
pub struct EventDecoder {
    run: RunId,
    partition: PartitionRef,
    table: TableIx,
    form: Arc<Form>,
}

/// The bytes of one record.
#[derive(Clone, Debug)]
pub struct RawRecord<'r> {
    /// Where it stands.
    pub offset: Offset,
    /// Its key; none when it has none.
    pub key: Option<&'r [u8]>,
    /// Its value; none for a tombstone.
    pub value: Option<&'r [u8]>,
    /// Its headers.
    pub headers: Vec<(&'r [u8], &'r [u8])>,
}

impl RawRecord<'_> {
    /// The text of a header of one of these names.
    fn header(&self, names: &[String]) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(key, _)| names.iter().any(|it| it.as_bytes() == *key))?;
        Some(std::str::from_utf8(value).ok()?.trim_matches('"'))
    }
}

impl EventDecoder {
    /// For `partition` of the topic that carries the events of `table`.
    pub const fn new(run: RunId, partition: PartitionRef, table: TableIx, form: Arc<Form>) -> Self {
        Self {
            run,
            partition,
            table,
            form,
        }
    }

    /// The record as an event of the history; none for a tombstone that repeats the delete
    /// before it.
    pub fn decode(&self, record: &RawRecord<'_>) -> Option<Body> {
        let key = record.key.and_then(key_id);
        let said = match record.value {
            None => self.tombstone()?,
            Some(value) => match serde_json::from_slice::<Envelope<'_>>(value) {
                Ok(envelope) => self.envelope(&envelope, key),
                Err(_) => self.of_another_form(value, key, record)?,
            },
        };
        Some(Body::ChangeEvent {
            partition: self.partition,
            offset: record.offset,
            table: said.table.unwrap_or(self.table),
            key: RowKey::new(self.row(key, said.row_key).unwrap_or(0)),
            op: said.op.unwrap_or(RowOp::Update),
            content: said.content,
            lsn: said.lsn.unwrap_or_default(),
        })
    }

    /// The record's content for groups that read the topic.
    pub fn content(&self, record: &RawRecord<'_>) -> Content {
        match self.decode(record) {
            Some(Body::ChangeEvent { content, .. }) => content.as_read(),
            _ => Content::Nameless,
        }
    }

    /// Which row it is of: its key says, unless keys are made of something
    /// else.
    fn row(&self, key: Option<i64>, image: Option<i64>) -> Option<i64> {
        if self.form.may(SettingEffect::Rekey) {
            image.or(key)
        } else {
            key.or(image)
        }
    }

    fn tombstone(&self) -> Option<Said> {
        (self.form.tombstones == Tombstones::Delete).then_some(Said {
            op: Some(RowOp::Delete),
            content: ChangeContent::Absent,
            ..Said::nothing(ChangeContent::Absent)
        })
    }

    /// The event for a record that does not fit its form.
    fn misfit(&self) -> ChangeContent {
        if self.form.may(SettingEffect::Reshape) {
            ChangeContent::Unreadable
        } else {
            ChangeContent::Corrupt
        }
    }

    /// The change that a row image carries.
    fn carried(&self, proof: Option<&str>) -> ChangeContent {
        match proof.map(|proof| decode_change(self.run, proof)) {
            Some(ours @ ChangeContent::Ours(_)) => ours,
            // A mask leaves the column, and something else in it.
            _ if self.form.may(SettingEffect::Reshape) => ChangeContent::Unreadable,
            Some(content) => content,
            None => ChangeContent::Corrupt,
        }
    }

    /// Whether key and image name one row.
    fn agree(&self, key: Option<i64>, image: Option<i64>) -> bool {
        let rekeyed = self.form.may(SettingEffect::Rekey);
        image.is_some() && (key == image || rekeyed)
    }

    fn envelope(&self, envelope: &Envelope<'_>, key: Option<i64>) -> Said {
        let op = operation(&envelope.op);
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
        let whole = table.is_some() && lsn.is_some() && self.agree(key, row_key);
        let content = match (whole, op, &envelope.after) {
            (true, Some(RowOp::Delete), None) => ChangeContent::Absent,
            (true, Some(RowOp::Insert | RowOp::Update | RowOp::Snapshot), Some(after)) => {
                self.carried(after.proof.as_ref().map(|proof| proof.0.as_ref()))
            }
            _ => self.misfit(),
        };
        Said {
            table,
            row_key,
            op,
            content,
            lsn,
        }
    }

    /// Anything but a plain envelope; none for what is a tombstone inside its
    /// schema and tells of nothing.
    fn of_another_form(
        &self,
        value: &[u8],
        key: Option<i64>,
        record: &RawRecord<'_>,
    ) -> Option<Said> {
        let Ok(Value::Object(mut object)) = serde_json::from_slice(value) else {
            return Some(Said::nothing(self.misfit()));
        };
        if object.len() == 2 && object.contains_key("schema") && object.contains_key("payload") {
            match object.remove("payload") {
                Some(Value::Null) => return self.tombstone(),
                Some(Value::Object(payload)) => object = payload,
                _ => return Some(Said::nothing(self.misfit())),
            }
            let envelope = Value::Object(object.clone());
            if let Ok(envelope) = Envelope::deserialize(&envelope) {
                return Some(self.envelope(&envelope, key));
            }
        }
        Some(self.flattened(&object, key, record))
    }

    /// The row after a change, maybe with what its envelope said of it.
    fn flattened(
        &self,
        row: &Map<String, Value>,
        key: Option<i64>,
        record: &RawRecord<'_>,
    ) -> Said {
        let metadata = &self.form.metadata;
        let field = |names: &[String]| names.iter().find_map(|name| row.get(name));
        let text = |names: &[String]| {
            let field = field(names).and_then(Value::as_str);
            field.or_else(|| record.header(names)).map(str::to_owned)
        };
        let lsn = field(&metadata.lsn).and_then(Value::as_u64);
        let lsn = lsn.or_else(|| record.header(&metadata.lsn)?.parse().ok());
        let row_key = row.get("id").and_then(Value::as_i64);
        let proof = row.get("proof").and_then(Value::as_str);
        let deleted = row.get("__deleted").and_then(Value::as_str) == Some("true");
        let op = text(&metadata.op).map_or(Some(RowOp::Untold), |op| operation(&op));
        let op = if deleted { Some(RowOp::Delete) } else { op };
        let table = text(&metadata.table);
        let table = table.map_or(Some(self.table), |name| Table::named(&name).map(Table::ix));
        let whole = table.is_some() && self.agree(key, row_key);
        let content = match (whole, op) {
            (true, Some(RowOp::Delete)) => ChangeContent::Absent,
            (true, Some(_)) if proof.is_some() => self.carried(proof),
            _ => self.misfit(),
        };
        Said {
            table,
            row_key,
            op,
            content,
            lsn: lsn.map(Lsn::new),
        }
    }
}

/// Debezium's letter of an operation.
fn operation(letter: &str) -> Option<RowOp> {
    match letter {
        "c" => Some(RowOp::Insert),
        "u" => Some(RowOp::Update),
        "d" => Some(RowOp::Delete),
        "r" => Some(RowOp::Snapshot),
        _ => None,
    }
}

/// The primary key that a record's key carries: `{"id":1}`, `1`, or either
/// with its schema around it.
fn key_id(key: &[u8]) -> Option<i64> {
    if let Ok(key) = serde_json::from_slice::<Key>(key) {
        return Some(key.id);
    }
    let mut key: Value = serde_json::from_slice(key).ok()?;
    if key.get("schema").is_some() {
        key = key.get_mut("payload").map(Value::take)?;
    }
    key.as_i64().or_else(|| key.get("id")?.as_i64())
}

/// The readable fields of a value.
struct Said {
    table: Option<TableIx>,
    row_key: Option<i64>,
    op: Option<RowOp>,
    content: ChangeContent,
    lsn: Option<Lsn>,
}

impl Said {
    const fn nothing(content: ChangeContent) -> Self {
        Self {
            table: None,
            row_key: None,
            op: None,
            content,
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
