//! How much of a connection is held, looked into or waited for.

use std::time::Duration;

/// The longest request that is carried: Kafka's own default for
/// `socket.request.max.bytes`. What a browser or a TLS client says by mistake
/// reads as a longer one.
pub const REQUEST_BYTES_MAX: usize = 100 * 1024 * 1024;

/// The most that is held of an answer that may be streamed. Almost all with
/// news of brokers are far smaller: they come instead of records.
pub(crate) const HELD_BYTES_MAX: usize = 64 * 1024;

/// The longest answer about brokers and topics, which is held as a whole: some
/// 700,000 partitions.
pub const METADATA_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The longest request that a fault looks into. Clients send 1 MiB at most
/// unless told otherwise (`max.request.size`).
pub const INSPECT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// With fewer bytes left that pass unseen, a pipe costs more than copying them.
pub(crate) const UNSEEN_BYTES_MIN: usize = 32 * 1024;

/// What is read where a long stretch is expected to pass unseen: enough for what
/// comes before it.
pub(crate) const HEAD_BYTES: usize = 4 * 1024;

/// How long the head of a request, or what has to be held of an answer, may
/// take to come. No client waits for an answer as long as that.
pub(crate) const HELD_LIMIT: Duration = if cfg!(test) {
    Duration::from_millis(300)
} else {
    Duration::from_mins(2)
};

/// The most requests of a connection that wait for their answers; further ones
/// wait to be read. The Java client has 5; librdkafka has no limit of its own.
pub const IN_FLIGHT_MAX: usize = 4096;
