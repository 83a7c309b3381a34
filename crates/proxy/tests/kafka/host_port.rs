//! How addresses are read and written.

use proxy::HostPort;

#[test]
fn a_host_and_a_port_are_read_as_they_are_written() {
    for text in ["localhost:9092", "10.0.0.1:1", "[::1]:9092"] {
        assert_eq!(text.parse::<HostPort>().unwrap().to_string(), text);
    }
}

/// As brokers write their `listeners`, and as people write lists.
#[test]
fn a_protocol_and_spaces_around_an_address_are_left_out() {
    for text in [
        "PLAINTEXT://kafka-1:9092",
        "plaintext://kafka-1:9092",
        "SASL_PLAINTEXT://kafka-1:9092",
        " kafka-1:9092",
    ] {
        assert_eq!(
            text.parse::<HostPort>().unwrap().to_string(),
            "kafka-1:9092"
        );
    }
    let tls = "SSL://kafka-1:9093".parse::<HostPort>().unwrap_err();
    assert!(tls.to_string().contains("a listener of SSL"), "{tls}");
}

#[test]
fn what_is_no_host_and_port_is_refused() {
    for text in [
        "",
        "localhost",
        ":9092",
        "localhost:0",
        "localhost:x",
        "::1:9092",
        "[::1:9092",
        "http://localhost:8083",
        "PLAINTEXT://:9092",
    ] {
        assert!(text.parse::<HostPort>().is_err(), "{text}");
    }
}
