//! One framed Kafka connection, and the requests that the observer and the admin need.
