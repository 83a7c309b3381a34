//! Names, ids and settings in the notations that Kafka's processes read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The text of a Java properties file.
pub(crate) fn java_properties(settings: &BTreeMap<String, String>) -> String {
    let mut text = String::from("# Written by ackproof.\n");
    for (key, value) in settings {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}={}", escaped(key), escaped(value));
    }
    text
}

/// As java.util.Properties reads it: a backslash escapes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (index, char) in text.chars().enumerate() {
        match char {
            '\n' => escaped.push_str("\\n"),
            '\\' | '=' | ':' | '#' | '!' => escaped.extend(['\\', char]),
            ' ' if index == 0 => escaped.push_str("\\ "),
            // The file is read as ISO 8859-1.
            char if !char.is_ascii() => {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    // Writing to a String cannot fail.
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
            _ => escaped.push(char),
        }
    }
    escaped
}

/// A random id in the form Kafka wants: 16 bytes in URL-safe base 64.
///
/// None begins with a hyphen: `kafka-storage format --cluster-id` takes such a one
/// for an option. Kafka's own `Uuid.randomUuid` leaves them out, too.
pub(crate) fn random_id() -> String {
    loop {
        let id = URL_SAFE_NO_PAD.encode(uuid::Uuid::new_v4().as_bytes());
        if !id.starts_with('-') {
            return id;
        }
    }
}

/// A name as a part of a path (RFC 3986, section 2.1).
pub(crate) fn encoded(name: &[u8]) -> String {
    name.iter().fold(String::new(), |mut path, byte| {
        let byte = *byte;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push_str(&crate::checksums::hex(&[byte]).to_ascii_uppercase());
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn property_values_survive_what_the_format_gives_a_meaning_to() {
        let settings = BTreeMap::from([("a".to_owned(), " x=y:z\\".to_owned())]);
        assert!(java_properties(&settings).ends_with("\na=\\ x\\=y\\:z\\\\\n"));
    }

    #[test]
    fn letters_beyond_ascii_are_escaped() {
        let settings = BTreeMap::from([("log.dirs".to_owned(), "/ü/𝄞".to_owned())]);
        assert!(java_properties(&settings).ends_with("=/\\u00fc/\\ud834\\udd1e\n"));
    }

    #[test]
    fn random_ids_are_sixteen_bytes_and_differ() {
        assert_eq!(random_id().len(), 22);
        assert_ne!(random_id(), random_id());
    }

    #[test]
    fn no_random_id_begins_with_a_hyphen() {
        assert!((0..2000).all(|_| !random_id().starts_with('-')));
    }
}
