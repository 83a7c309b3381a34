//! Change data capture: events of other forms, connectors that die, tables
//! that are left out, and snapshots.

cases![
    capture_broker_outage,
    capture_connector_failed,
    capture_dead_at_once,
    capture_exactly_once_source,
    capture_filtered,
    capture_flattened,
    capture_flattened_metadata,
    capture_masked,
    capture_other_converter,
    capture_outbox_dead,
    capture_publication_dropped,
    capture_rekeyed,
    capture_routed,
    capture_schemas_enabled,
    capture_snapshot,
    capture_snapshot_dead,
    capture_snapshot_of_nothing,
    capture_table_left_out,
];
