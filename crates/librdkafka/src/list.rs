//! Lists of partitions, in C's form and in ours.

use std::ffi::{CString, c_int};

use crate::functions::NativeList;
use crate::library::{Librdkafka, text};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
}

/// A place in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read; a negative number where there is none.
    pub offset: i64,
}

/// A list that we own.
pub(crate) struct List {
    library: Librdkafka,
    raw: *mut NativeList,
}

impl List {
    /// Takes over a list.
    ///
    /// # Safety
    /// The caller owns `raw`, which may be null.
    pub(crate) const unsafe fn owned(library: Librdkafka, raw: *mut NativeList) -> Self {
        Self { library, raw }
    }

    /// A list of positions. A topic's name with a zero byte is left out: no
    /// broker has one.
    pub(crate) fn of(library: Librdkafka, positions: &[PartitionOffset]) -> Self {
        let functions = library.functions;
        let size = c_int::try_from(positions.len()).unwrap_or(c_int::MAX);
        // SAFETY: as documented: the size is a hint.
        let raw = unsafe { (functions.rd_kafka_topic_partition_list_new)(size) };
        for position in positions {
            let Ok(topic) = CString::new(position.topic.as_str()) else {
                continue;
            };
            // SAFETY: alive: `raw` is a list of ours, and what it adds is valid
            // until the next one is added.
            unsafe {
                let added = (functions.rd_kafka_topic_partition_list_add)(
                    raw,
                    topic.as_ptr(),
                    position.partition,
                );
                (*added).offset = position.offset;
            }
        }
        Self { library, raw }
    }

    /// The list, for as long as this value lives.
    pub(crate) const fn raw(&self) -> *mut NativeList {
        self.raw
    }

    pub(crate) fn positions(&self) -> Vec<PartitionOffset> {
        // SAFETY: alive: it is ours.
        unsafe { positions(self.raw) }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: alive: it is ours, and nothing else destroys it.
            unsafe { (self.library.functions.rd_kafka_topic_partition_list_destroy)(self.raw) }
        }
    }
}

/// A copy of a list.
///
/// # Safety
/// `list` is null or a list that lives during the call.
pub(crate) unsafe fn positions(list: *const NativeList) -> Vec<PartitionOffset> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: the caller's: `elems` are `cnt` elements, with a topic each.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        (0..count)
            .map(|at| {
                let element = &*(*list).elems.add(at);
                PartitionOffset {
                    topic: text(element.topic),
                    partition: element.partition,
                    offset: element.offset,
                }
            })
            .collect()
    }
}
