//! Sends: what the application was told became of each, against what is there.

cases![
    success_without_an_offset,
    made_up_offsets,
    acks_0_loses,
    acks_0_by_another_name,
    acks_0_and_nothing_breaks,
    refused_after_a_lost_answer,
    refused_after_a_stored_refusal,
    refused_at_once,
];
