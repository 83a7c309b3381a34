//! What has to happen, and what cannot: internal topics, compaction and
//! retention that never came, unavailability, members that stand by, and proofs
//! that must not contradict themselves.

cases![
    compaction_not_asked_for,
    compaction_keys,
    compaction_own_keys,
    compaction_too_soon,
    endtxn_refused,
    idle_members_cooperative,
    idle_members_kip848,
    idle_members_late,
    idle_members,
    idle_transform,
    internal_topic_declared,
    min_isr_unavailable_group,
    min_isr_last_replica,
    min_isr_unavailable,
    offsets_leader_paused,
    offsets_topic_lost,
    rebalance_never,
    retention_as_in_production,
    retention_never,
    standby_killed,
    standby_takes_over,
];
