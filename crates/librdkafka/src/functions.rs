//! librdkafka's functions as a table of pointers, filled from the library that
//! is built in or from a shared one, and the few structures that they share
//! with C. Knows nothing of what they are used for.
//!
//! Enumerations are numbers here: a library that is newer than this program
//! may return one that it does not know, and a Rust `enum` must not hold that.

use std::ffi::{c_char, c_int, c_void};
use std::mem::{offset_of, size_of};

use libloading::Library;

/// A type of C that is only ever pointed to.
macro_rules! opaque {
    ($($name:ident)*) => {$(
        #[repr(C)]
        pub(crate) struct $name {
            _private: [u8; 0],
        }
    )*};
}

opaque! { RdKafka Conf Queue NativeEvent Topic NativeError GroupMetadata Headers }

/// `rd_kafka_message_t`. Its fields have been the same since librdkafka 0.9.1
/// (`rdkafka.h`); the assertions below hold them to those of the version that
/// is built in.
#[repr(C)]
pub(crate) struct Message {
    pub(crate) err: c_int,
    pub(crate) rkt: *mut Topic,
    pub(crate) partition: i32,
    pub(crate) payload: *mut c_void,
    pub(crate) len: usize,
    pub(crate) key: *mut c_void,
    pub(crate) key_len: usize,
    pub(crate) offset: i64,
    pub(crate) private: *mut c_void,
}

/// `rd_kafka_topic_partition_t`, likewise.
#[repr(C)]
pub(crate) struct NativePartition {
    pub(crate) topic: *mut c_char,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    metadata: *mut c_void,
    metadata_size: usize,
    opaque: *mut c_void,
    pub(crate) err: c_int,
    private: *mut c_void,
}

/// `rd_kafka_topic_partition_list_t`, likewise.
#[repr(C)]
pub(crate) struct NativeList {
    pub(crate) cnt: c_int,
    size: c_int,
    pub(crate) elems: *mut NativePartition,
}

macro_rules! laid_out_as {
    ($ours:ty, $theirs:ty, $($field:ident = $their_field:ident)*) => {
        const _: () = {
            assert!(size_of::<$ours>() == size_of::<$theirs>());
            $(assert!(offset_of!($ours, $field) == offset_of!($theirs, $their_field));)*
        };
    };
}

laid_out_as! {
    Message, rdkafka_sys::rd_kafka_message_t,
    err = err rkt = rkt partition = partition payload = payload len = len key = key
    key_len = key_len offset = offset private = _private
}
laid_out_as! {
    NativePartition, rdkafka_sys::rd_kafka_topic_partition_t,
    topic = topic partition = partition offset = offset err = err
}
laid_out_as! {
    NativeList, rdkafka_sys::rd_kafka_topic_partition_list_t,
    cnt = cnt elems = elems
}

/// What librdkafka calls when a commit was answered.
pub(crate) type CommitCallback =
    unsafe extern "C" fn(*mut RdKafka, c_int, *mut NativeList, *mut c_void);

/// What librdkafka calls when partitions are assigned or revoked.
pub(crate) type RebalanceCallback =
    unsafe extern "C" fn(*mut RdKafka, c_int, *mut NativeList, *mut c_void);

/// Declares the functions once, for all that is made of them.
macro_rules! functions {
    (
        needed { $(fn $name:ident($($arg:ty),*) $(-> $ret:ty)?;)* }
        newer { $(fn $newer:ident($($newer_arg:ty),*) $(-> $newer_ret:ty)?;)* }
    ) => {
        /// The functions of one librdkafka.
        pub(crate) struct Functions {
            /// Has its parameters' types in front of each.
            pub(crate) rd_kafka_producev: unsafe extern "C" fn(*mut RdKafka, ...) -> c_int,
            $(pub(crate) $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
            $(pub(crate) $newer: Option<unsafe extern "C" fn($($newer_arg),*) $(-> $newer_ret)?>,)*
        }

        /// Those of the version that is built in.
        pub(crate) static BUILT_IN: Functions = Functions {
            rd_kafka_producev: built_in::rd_kafka_producev,
            $($name: built_in::$name,)*
            $($newer: Some(built_in::$newer),)*
        };

        impl Functions {
            /// Those that a shared library has; the name of the first that is
            /// needed and that it lacks.
            ///
            /// # Safety
            /// The library is a librdkafka.
            pub(crate) unsafe fn of(library: &Library) -> Result<Self, &'static str> {
                // SAFETY: for all below: librdkafka's functions keep their
                // parameters from the first version on that has them
                // (`rdkafka.h`, and its soname is the same in all of them).
                let rd_kafka_producev = unsafe { needed(library, "rd_kafka_producev") }?;
                $(let $name = unsafe { needed(library, stringify!($name)) }?;)*
                $(let $newer = unsafe { library.get(stringify!($newer)) }.map(|it| *it).ok();)*
                Ok(Self { rd_kafka_producev, $($name,)* $($newer,)* })
            }
        }

        mod built_in {
            #[allow(clippy::wildcard_imports, reason = "the types of the table's own file")]
            use super::*;
            // What links the library.
            use rdkafka_sys as _;

            unsafe extern "C" {
                pub(super) fn rd_kafka_producev(_: *mut RdKafka, ...) -> c_int;
                $(pub(super) fn $name($(_: $arg),*) $(-> $ret)?;)*
                $(pub(super) fn $newer($(_: $newer_arg),*) $(-> $newer_ret)?;)*
            }
        }
    };
}

/// A function of a shared library.
///
/// # Safety
/// The function has the type that is asked for.
unsafe fn needed<F: Copy>(library: &Library, name: &'static str) -> Result<F, &'static str> {
    // SAFETY: the caller's.
    unsafe { library.get(name) }.map(|it| *it).map_err(|_| name)
}

functions! {
    needed {
        fn rd_kafka_version_str() -> *const c_char;
        fn rd_kafka_version() -> c_int;
        fn rd_kafka_err2name(c_int) -> *const c_char;
        fn rd_kafka_err2str(c_int) -> *const c_char;
        fn rd_kafka_last_error() -> c_int;

        fn rd_kafka_error_code(*const NativeError) -> c_int;
        fn rd_kafka_error_string(*const NativeError) -> *const c_char;
        fn rd_kafka_error_is_fatal(*const NativeError) -> c_int;
        fn rd_kafka_error_is_retriable(*const NativeError) -> c_int;
        fn rd_kafka_error_txn_requires_abort(*const NativeError) -> c_int;
        fn rd_kafka_error_destroy(*mut NativeError);
        fn rd_kafka_fatal_error(*mut RdKafka, *mut c_char, usize) -> c_int;

        fn rd_kafka_conf_new() -> *mut Conf;
        fn rd_kafka_conf_destroy(*mut Conf);
        fn rd_kafka_conf_set(*mut Conf, *const c_char, *const c_char, *mut c_char, usize) -> c_int;
        fn rd_kafka_conf_get(*const Conf, *const c_char, *mut c_char, *mut usize) -> c_int;
        fn rd_kafka_conf_set_events(*mut Conf, c_int);
        fn rd_kafka_conf_set_opaque(*mut Conf, *mut c_void);
        fn rd_kafka_conf_set_offset_commit_cb(*mut Conf, CommitCallback);
        fn rd_kafka_conf_set_rebalance_cb(*mut Conf, RebalanceCallback);
        fn rd_kafka_conf(*mut RdKafka) -> *const Conf;

        fn rd_kafka_new(c_int, *mut Conf, *mut c_char, usize) -> *mut RdKafka;
        fn rd_kafka_destroy(*mut RdKafka);
        fn rd_kafka_poll_set_consumer(*mut RdKafka) -> c_int;
        fn rd_kafka_set_log_queue(*mut RdKafka, *mut Queue) -> c_int;
        fn rd_kafka_queue_get_main(*mut RdKafka) -> *mut Queue;
        fn rd_kafka_queue_get_consumer(*mut RdKafka) -> *mut Queue;
        fn rd_kafka_queue_destroy(*mut Queue);
        fn rd_kafka_queue_poll(*mut Queue, c_int) -> *mut NativeEvent;

        fn rd_kafka_event_type(*const NativeEvent) -> c_int;
        fn rd_kafka_event_destroy(*mut NativeEvent);
        fn rd_kafka_event_message_next(*mut NativeEvent) -> *const Message;
        fn rd_kafka_event_error(*mut NativeEvent) -> c_int;
        fn rd_kafka_event_error_string(*mut NativeEvent) -> *const c_char;
        fn rd_kafka_event_error_is_fatal(*mut NativeEvent) -> c_int;
        fn rd_kafka_event_log(*mut NativeEvent, *mut *const c_char, *mut *const c_char, *mut c_int) -> c_int;
        fn rd_kafka_event_stats(*mut NativeEvent) -> *const c_char;
        fn rd_kafka_event_topic_partition_list(*mut NativeEvent) -> *mut NativeList;

        fn rd_kafka_topic_new(*mut RdKafka, *const c_char, *mut c_void) -> *mut Topic;
        fn rd_kafka_topic_destroy(*mut Topic);
        fn rd_kafka_topic_name(*const Topic) -> *const c_char;
        fn rd_kafka_message_status(*const Message) -> c_int;
        fn rd_kafka_message_headers(*const Message, *mut *mut Headers) -> c_int;
        fn rd_kafka_headers_new(usize) -> *mut Headers;
        fn rd_kafka_headers_destroy(*mut Headers);
        fn rd_kafka_header_add(*mut Headers, *const c_char, isize, *const c_void, isize) -> c_int;
        fn rd_kafka_header_get_all(*const Headers, usize, *mut *const c_char, *mut *const c_void, *mut usize) -> c_int;
        fn rd_kafka_query_watermark_offsets(*mut RdKafka, *const c_char, i32, *mut i64, *mut i64, c_int) -> c_int;

        fn rd_kafka_topic_partition_list_new(c_int) -> *mut NativeList;
        fn rd_kafka_topic_partition_list_destroy(*mut NativeList);
        fn rd_kafka_topic_partition_list_add(*mut NativeList, *const c_char, i32) -> *mut NativePartition;

        fn rd_kafka_subscribe(*mut RdKafka, *const NativeList) -> c_int;
        fn rd_kafka_assign(*mut RdKafka, *const NativeList) -> c_int;
        fn rd_kafka_assignment(*mut RdKafka, *mut *mut NativeList) -> c_int;
        fn rd_kafka_commit(*mut RdKafka, *const NativeList, c_int) -> c_int;
        fn rd_kafka_seek(*mut Topic, i32, i64, c_int) -> c_int;
        fn rd_kafka_consumer_close(*mut RdKafka) -> c_int;
        fn rd_kafka_consumer_group_metadata(*mut RdKafka) -> *mut GroupMetadata;
        fn rd_kafka_consumer_group_metadata_destroy(*mut GroupMetadata);

        fn rd_kafka_init_transactions(*mut RdKafka, c_int) -> *mut NativeError;
        fn rd_kafka_begin_transaction(*mut RdKafka) -> *mut NativeError;
        fn rd_kafka_send_offsets_to_transaction(*mut RdKafka, *const NativeList, *const GroupMetadata, c_int) -> *mut NativeError;
        fn rd_kafka_commit_transaction(*mut RdKafka, c_int) -> *mut NativeError;
        fn rd_kafka_abort_transaction(*mut RdKafka, c_int) -> *mut NativeError;
    }
    newer {
        // Since 1.6.0, with cooperative rebalancing (KIP-429).
        fn rd_kafka_rebalance_protocol(*mut RdKafka) -> *const c_char;
        fn rd_kafka_incremental_assign(*mut RdKafka, *const NativeList) -> *mut NativeError;
        fn rd_kafka_incremental_unassign(*mut RdKafka, *const NativeList) -> *mut NativeError;
        fn rd_kafka_assignment_lost(*mut RdKafka) -> c_int;
        // Since 1.9.0.
        fn rd_kafka_consumer_close_queue(*mut RdKafka, *mut Queue) -> *mut NativeError;
        fn rd_kafka_consumer_closed(*mut RdKafka) -> c_int;
    }
}
