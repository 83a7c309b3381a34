//! Java's properties, and what people write in their place: keys and values, a pair a
//! line. Knows nothing of what they mean.

/// A pair, and the line it begins on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) line: usize,
}

/// The pairs of a text, as `java.util.Properties` reads them.
pub(crate) fn pairs(text: &str) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let mut whole = line.trim_start().to_owned();
        if whole.is_empty() || whole.starts_with(['#', '!']) {
            continue;
        }
        while continues(&whole) {
            whole.pop();
            match lines.next() {
                Some((next, _)) => whole.push_str(next.trim_start()),
                None => break,
            }
        }
        let (key, value) = split(&whole);
        pairs.push(Pair {
            key: unescaped(key),
            value: unescaped(value).trim_end().to_owned(),
            line: number,
        });
    }
    pairs
}

/// Whether a line goes on in the next: it ends with an odd number of backslashes.
fn continues(line: &str) -> bool {
    (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
}

/// Key and value, apart by `=`, `:` or a blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    for (at, c) in line.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if c == '=' || c == ':' || c.is_whitespace() {
            let (key, rest) = line.split_at(at);
            let rest = rest.trim_start();
            let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (key, value.trim_start());
        }
    }
    (line, "")
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let code: String = chars.by_ref().take(4).collect();
                let read = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
                out.push(read.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_as_java_reads_them() {
        let text = "# a comment\na = 1\n  b:two words \nc three\nd\\:e=f\\\n   g\n! no\nh\n";
        let read: Vec<(String, String, usize)> = pairs(text)
            .into_iter()
            .map(|it| (it.key, it.value, it.line))
            .collect();
        let of = |key: &str, value: &str, line| (key.to_owned(), value.to_owned(), line);
        assert_eq!(
            read,
            [
                of("a", "1", 2),
                of("b", "two words", 3),
                of("c", "three", 4),
                of("d:e", "fg", 5),
                of("h", "", 8),
            ]
        );
    }
}
