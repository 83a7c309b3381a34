//! The embedded stack: Kafka, Connect, Debezium and PostgreSQL as child processes.
