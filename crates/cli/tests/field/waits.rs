//! Waits that come to nothing: triggers that are not reached, and parts that
//! refuse or die. Each ends soon, and says what it waited for.

cases![
    billing_at_least_once,
    dead_connector,
    group_too_large,
    min_isr_3_one_lost,
    offsets_topic_impossible,
    shared_instance_id,
    trigger_never_reached,
    write_never_begins,
];
