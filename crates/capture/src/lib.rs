//! The database side of change data capture: tables, writer, row reader, and Debezium's events decoded.
