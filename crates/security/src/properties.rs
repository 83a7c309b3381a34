//! Java properties, as `java.util.Properties` reads them: comments, lines that go on behind
//! a backslash, escapes. Knows nothing of the keys' meaning.

/// A key and its value, with the line on which it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) line: usize,
    pub(crate) key: String,
    pub(crate) value: String,
    /// Whether `=` or `:` stands between them. What has none is hardly meant as a key.
    pub(crate) has_sign: bool,
}

/// What cannot be read, and on which line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) problem: &'static str,
}

const BLANK: [char; 3] = [' ', '\t', '\x0c'];

/// The properties of a file in their order. Its bytes are ISO 8859-1, as Kafka's tools read
/// them (`Properties.load(InputStream)`), so that a password is the same for both.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Property>, Malformed> {
    let text: String = bytes.iter().copied().map(char::from).collect();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = (1..).zip(text.split('\n'));
    let mut properties = Vec::new();
    while let Some((line, first)) = lines.next() {
        let first = first.trim_start_matches(BLANK);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = first.to_owned();
        while goes_on(&whole) {
            whole.pop();
            let Some((_, next)) = lines.next() else {
                break;
            };
            whole.push_str(next.trim_start_matches(BLANK));
        }
        properties.push(property(line, &whole)?);
    }
    Ok(properties)
}

/// A backslash at the end that is not itself escaped.
fn goes_on(line: &str) -> bool {
    let slashes = line.chars().rev().take_while(|c| *c == '\\').count();
    slashes % 2 == 1
}

fn property(line: usize, whole: &str) -> Result<Property, Malformed> {
    let mut escaped = false;
    let ends = |c: char| {
        if escaped {
            escaped = false;
            return false;
        }
        escaped = c == '\\';
        BLANK.contains(&c) || c == '=' || c == ':'
    };
    let (key, rest) = whole.split_at(whole.find(ends).unwrap_or(whole.len()));
    let rest = rest.trim_start_matches(BLANK);
    let value = rest.strip_prefix(['=', ':']);
    let has_sign = value.is_some();
    let value = value.unwrap_or(rest).trim_start_matches(BLANK);
    let read = |text| {
        unescaped(text).ok_or(Malformed {
            line,
            problem: "`\\u` takes four hexadecimal digits",
        })
    };
    Ok(Property {
        line,
        key: read(key)?,
        value: read(value)?,
        has_sign,
    })
}

fn unescaped(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let meant = match c {
            '\\' => match rest.next() {
                Some('u') => {
                    let digits: String = rest.by_ref().take(4).collect();
                    if digits.len() != 4 || !digits.bytes().all(|it| it.is_ascii_hexdigit()) {
                        return None;
                    }
                    units.push(u16::from_str_radix(&digits, 16).ok()?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\x0c',
                Some(c) => c,
                None => break,
            },
            c => c,
        };
        units.extend(meant.encode_utf16(&mut [0; 2]).iter());
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(usize, String, String)> {
        let read = parse(text.as_bytes()).unwrap().into_iter();
        read.map(|it| (it.line, it.key, it.value)).collect()
    }

    fn one(text: &str) -> (String, String) {
        let (_, key, value) = pairs(text).remove(0);
        (key, value)
    }

    #[test]
    fn comments_and_blank_lines_are_no_properties() {
        let text = "# a=1\n  ! b=2\n\n \t\nc = 3\r\nd:4\re 5\nf\n";
        let expected = [(5, "c", "3"), (6, "d", "4"), (7, "e", "5"), (8, "f", "")];
        let expected = expected.map(|(line, key, value)| (line, key.to_owned(), value.to_owned()));
        assert_eq!(pairs(text), expected);
        assert!(parse(b"f").unwrap().iter().all(|it| !it.has_sign));
    }

    #[test]
    fn a_value_goes_on_behind_a_backslash() {
        let text = "a=one \\\n   two\\\\\nb=3\\";
        let expected = [(1, "a", "one two\\"), (3, "b", "3")];
        let expected = expected.map(|(line, key, value)| (line, key.to_owned(), value.to_owned()));
        assert_eq!(pairs(text), expected);
    }

    #[test]
    fn escapes_are_those_of_java() {
        assert_eq!(
            one(r"a\=b\ c\:=\ x\ty\q"),
            ("a=b c:".into(), " x\tyq".into())
        );
        assert_eq!(
            one(r"a=\u00fc\ud834\udd1e"),
            ("a".into(), "\u{fc}\u{1d11e}".into())
        );
        let bad = Malformed {
            line: 2,
            problem: "`\\u` takes four hexadecimal digits",
        };
        assert_eq!(parse(b"\na=\\u12g4"), Err(bad));
        assert_eq!(parse(b"\na=\\u12"), Err(bad));
    }

    #[test]
    fn bytes_are_latin_1() {
        assert_eq!(parse(b"a=\xfc").unwrap()[0].value, "\u{fc}");
    }
}
