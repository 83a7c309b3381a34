//! Pipelines from the database to a group: where each hop loses, the loss is
//! placed there, and what comes in other forms is known by its change.

cases![
    pipeline_connector_loses,
    pipeline_exactly_once_source,
    pipeline_group_loses,
    pipeline_snapshot_flattened,
    pipeline_topic_loses,
    pipeline_transform,
];
