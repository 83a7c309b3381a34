//! PEM (RFC 7468), in files and in values of properties: there the lines of a section are
//! joined by blanks or by nothing. Knows nothing of what the sections hold.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A section's bytes, by its label.
pub(crate) struct Section {
    pub(crate) label: String,
    pub(crate) der: Vec<u8>,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Whether there is any section in a text.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    bytes.windows(BEGIN.len()).any(|it| it == BEGIN.as_bytes())
}

/// All sections, in order; text between them is passed over.
pub(crate) fn sections(text: &str) -> Result<Vec<Section>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (label, after) = after
            .split_once(DASHES)
            .ok_or("a PEM section's first line does not end with `-----`")?;
        let end = format!("-----END {label}-----");
        let (body, after) = after
            .split_once(end.as_str())
            .ok_or_else(|| format!("the PEM section {label} has no end"))?;
        if body.contains(':') {
            return Err(format!(
                "the PEM section {label} has headers, as encrypted keys before PKCS#8 have; \
                 convert it: openssl pkcs8 -topk8 -in KEY -out NEW-KEY"
            ));
        }
        let digits: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let der = STANDARD
            .decode(digits)
            .map_err(|_| format!("the PEM section {label} is not base 64"))?;
        found.push(Section {
            label: label.to_owned(),
            der,
        });
        rest = after;
    }
    Ok(found)
}

/// One section, with its line ends.
pub(crate) fn section(label: &str, der: &[u8]) -> String {
    let digits = STANDARD.encode(der);
    let mut text = format!("{BEGIN}{label}{DASHES}\n");
    for line in digits.as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_however_their_lines_are_joined() {
        let lines = ["-----BEGIN A B-----", "AQID", "BAU=", "-----END A B-----"];
        for joint in ["\n", "\r\n", " ", ""] {
            let text = format!("Bag Attributes\n{}\n", lines.join(joint));
            let read = sections(&text.repeat(2)).unwrap();
            assert_eq!(read.len(), 2);
            assert_eq!(
                (read[1].label.as_str(), &*read[1].der),
                ("A B", &[1, 2, 3, 4, 5][..])
            );
        }
        assert!(sections("none").unwrap().is_empty());
    }

    #[test]
    fn what_is_written_can_be_read() {
        let der: Vec<u8> = (0..=255).collect();
        let text = section("A B", &der);
        assert!(text.lines().all(|line| line.len() <= 64), "{text}");
        let read = sections(&text).unwrap();
        assert_eq!((read[0].label.as_str(), &read[0].der), ("A B", &der));
    }

    #[test]
    fn damaged_sections_are_refused() {
        let says = |text: &str| sections(text).err().unwrap();
        assert!(says("-----BEGIN A----- AQID").contains("has no end"));
        assert!(says("-----BEGIN A").contains("first line"));
        assert!(says("-----BEGIN A----- A?ID -----END A-----").contains("base 64"));
        let legacy = "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAQID\n-----END A-----";
        assert!(says(legacy).contains("openssl pkcs8"));
    }
}
