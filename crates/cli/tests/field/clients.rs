//! The reading side: every codec, what a client cannot do, and slow groups.

cases![
    codecs_producer,
    codecs_topic,
    producer_gzip,
    quota_idle,
    quota_in_time,
    quota_slow_group,
    quota_slow_producer,
    refused_session_timeout,
    rejected_timestamps,
    slow_group,
    slow_transform,
    stuck_large_record,
    stuck_reset_none,
    topic_zstd,
];
