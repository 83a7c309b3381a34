//! Operations in words.

use model::event::Content;
use model::ids::{Offset, PartitionRef, RecordId};

use crate::names::Names;

/// What stands at an offset.
pub(super) fn stands(
    names: &Names,
    partition: PartitionRef,
    offset: Offset,
    content: &Content,
) -> String {
    let partition = names.partition(partition);
    format!("{} stands at {partition}@{offset}", name(content))
}

/// What the observer saw.
pub(super) fn observed(what: String) -> (String, String) {
    ("observer".to_owned(), what)
}

pub(super) fn name(content: &Content) -> String {
    match content {
        Content::Ours(record) => record.to_string(),
        Content::Misplaced(record) => format!("{record}, meant for another topic,"),
        Content::Corrupt => "a damaged record".to_owned(),
        Content::Foreign => "a foreign record".to_owned(),
        Content::Change(change) => RecordId::of_change(*change).to_string(),
        Content::Nameless => "an event that names no change".to_owned(),
    }
}
