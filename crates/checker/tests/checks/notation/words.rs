//! Single words of the notation: names, places, and what stands at an offset.

use model::event::{ChangeContent, Content, RowOp};
use model::ids::{
    ChangeId, FaultIx, MemberIx, Offset, PartitionRef, ProducerIx, RecordId, Sequence,
    TransactionIx, TransactionRef, TxId,
};

use super::Scribe;

/// What a word names. A form's words are examples of their kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Record,
    Transaction,
    Producer,
    Member,
    Fault,
    Change,
    DatabaseTransaction,
    Place,
    Partition,
    Row,
    Number,
    /// Of a topic, a group, a table.
    Name,
    /// Several words.
    Text,
}

pub(super) fn kind_of(word: &str) -> Kind {
    let is = |letter: &str| numbered(letter, word).is_some();
    match word {
        _ if word.is_empty() || word.contains([' ', ',', ':']) => Kind::Text,
        _ if word.chars().all(char::is_uppercase) => Kind::Text,
        _ if record(word).is_some() => Kind::Record,
        _ if transaction(word).is_some() => Kind::Transaction,
        _ if is("p") => Kind::Producer,
        _ if is("m") => Kind::Member,
        _ if is("f") => Kind::Fault,
        _ if is("c") => Kind::Change,
        _ if is("tx") => Kind::DatabaseTransaction,
        _ if word.contains('@') => Kind::Place,
        _ if word.parse::<i128>().is_ok() => Kind::Number,
        _ if word
            .rsplit_once('-')
            .is_some_and(|(_, at)| at.parse::<u16>().is_ok()) =>
        {
            Kind::Partition
        }
        _ if word.contains('/') => Kind::Row,
        _ => Kind::Name,
    }
}

fn numbered(letter: &str, word: &str) -> Option<u64> {
    word.strip_prefix(letter)?.parse().ok()
}

pub(super) fn producer(word: &str) -> Option<ProducerIx> {
    let number = u32::try_from(numbered("p", word)?).ok()?;
    Some(ProducerIx::new(number))
}

pub(super) fn member(word: &str) -> Option<MemberIx> {
    Some(MemberIx::new(u32::try_from(numbered("m", word)?).ok()?))
}

pub(super) fn database_transaction(word: &str) -> Option<TxId> {
    Some(TxId::new(numbered("tx", word)?))
}

pub(super) fn fault(word: &str) -> Option<FaultIx> {
    Some(FaultIx::new(u16::try_from(numbered("f", word)?).ok()?))
}

pub(super) fn record(word: &str) -> Option<RecordId> {
    let (of, sequence) = word.split_once('/')?;
    Some(RecordId {
        producer: producer(of)?,
        sequence: Sequence::new(sequence.parse().ok()?),
    })
}

pub(super) fn transaction(word: &str) -> Option<TransactionRef> {
    let (of, number) = word.split_once('/')?;
    Some(TransactionRef {
        producer: producer(of)?,
        transaction: TransactionIx::new(numbered("t", number)?),
    })
}

pub(super) fn change(word: &str) -> Option<ChangeId> {
    numbered("c", word).map(ChangeId::new)
}

/// `p0/3-5` as `p0/`, 3 and 5.
pub(super) fn numbered_range(word: &str) -> Option<(&str, u64, u64)> {
    let (of, range) = word.split_at(word.find('/')? + 1);
    record(&format!("{of}0"))?;
    let (first, last) = range.split_once('-')?;
    Some((of, first.parse().ok()?, last.parse().ok()?))
}

pub(super) fn offset(word: &str) -> Option<Offset> {
    word.parse().ok().map(Offset::new)
}

pub(super) fn content(words: &str) -> Option<Content> {
    Some(match words {
        "a damaged record" => Content::Corrupt,
        "a foreign record" => Content::Foreign,
        "an unnamed event" => Content::Nameless,
        of if of.starts_with("a misplaced ") => {
            Content::Misplaced(record(of.strip_prefix("a misplaced ")?)?)
        }
        of if change(of).is_some() => Content::Change(change(of)?),
        of => Content::Ours(record(of)?),
    })
}

/// `p0/0-2, nothing x2`: one for each offset.
pub(super) fn listed(list: &str) -> Vec<String> {
    let each = list.trim().split(", ").filter(|it| !it.is_empty());
    each.flat_map(|item| {
        if let Some((of, first, last)) = numbered_range(item) {
            return (first..=last)
                .map(|at| format!("{of}{at}"))
                .collect::<Vec<String>>();
        }
        let (what, times) = item.rsplit_once(" x").unwrap_or((item, "1"));
        match times.parse() {
            Ok(times) => vec![what.to_owned(); times],
            Err(_) => vec![item.to_owned()],
        }
    })
    .collect()
}

/// `insert of rows/7 by c0 at lsn 5 in p0`, in its parts.
pub(super) struct ToldChange<'a> {
    pub(super) op: RowOp,
    pub(super) row: &'a str,
    pub(super) content: ChangeContent,
    pub(super) lsn: Option<u64>,
    /// The producer in whose transaction it is.
    pub(super) inside: Option<ProducerIx>,
}

impl<'a> ToldChange<'a> {
    pub(super) fn read(words: &'a str) -> Option<Self> {
        let (what, rest) = words.split_once(" of ")?;
        let (said, what) = match what.rsplit_once(' ') {
            Some(("a damaged", what)) => (ChangeContent::Corrupt, what),
            Some(("a foreign", what)) => (ChangeContent::Foreign, what),
            Some(("an unreadable", what)) => (ChangeContent::Unreadable, what),
            Some(_) => return None,
            None => (ChangeContent::Absent, what),
        };
        let op = match what {
            "insert" => RowOp::Insert,
            "update" => RowOp::Update,
            "delete" => RowOp::Delete,
            "snapshot" => RowOp::Snapshot,
            "event" => RowOp::Untold,
            _ => return None,
        };
        let (rest, inside) = match rest.split_once(" in ") {
            Some((rest, of)) => (rest, Some(producer(of)?)),
            None => (rest, None),
        };
        let (rest, lsn) = match rest.split_once(" at lsn ") {
            Some((rest, lsn)) => (rest, Some(lsn.parse().ok()?)),
            None => (rest, None),
        };
        let (row, content) = match rest.split_once(" by ") {
            Some((row, of)) => (row, ChangeContent::Ours(change(of)?)),
            None => (rest, said),
        };
        Some(Self {
            op,
            row,
            content,
            lsn,
            inside,
        })
    }
}

impl Scribe {
    pub(super) fn place(&mut self, word: &str) -> Option<(PartitionRef, Offset)> {
        let (partition, at) = word.split_once('@')?;
        Some((self.partition(partition)?, offset(at)?))
    }

    pub(super) fn partitions(&mut self, words: &str) -> Option<Vec<PartitionRef>> {
        words.split(", ").map(|word| self.partition(word)).collect()
    }
}
