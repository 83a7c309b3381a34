//! The reading side: every codec, what a client cannot do, and slow groups.

cases![
    codecs_producer,
    codecs_topic,
    producer_gzip,
    quota_idle,
    quota_in_time,
    quota_requests,
    quota_slow_group,
    quota_slow_producer,
    refused_for_good,
    refused_session_timeout,
    refused_topic_authorization,
    rejected_timestamps,
    slow_group,
    slow_transform,
    stuck_large_record,
    stuck_reset_none,
    topic_zstd,
];
