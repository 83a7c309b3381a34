//! Values in EDN, as much of it as Clojure prints, read without recursion from
//! bytes that are all there. Knows nothing of operations, nor of what stands in
//! what is skipped.

use super::error::{JepsenFlaw, Located};
use super::form_length::{CLASSES, Class, FormLength};

/// The next piece of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// `{`, `[`, `(`, and `#` for a set's `#{`.
    Open(u8),
    /// Any closing bracket.
    Close,
    /// A keyword without its colon.
    Keyword(&'a [u8]),
    /// `#tag`, without the sign: the next form is what is tagged.
    Tag(&'a [u8]),
    /// A token that begins like a number.
    Number(&'a [u8]),
    /// `nil`.
    Nil,
    /// Any other scalar as it stands there: strings, characters, symbols.
    Other(&'a [u8]),
}

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// One of 64 bits.
    Fits(i64),
    /// A larger one.
    TooLarge,
}

/// Reads a decimal whole number, `N` at its end or not; none for ratios,
/// fractions and other bases.
pub(super) fn whole(text: &[u8]) -> Option<Whole> {
    let text = text.strip_suffix(b"N").unwrap_or(text);
    let digits = if let [b'+' | b'-', digits @ ..] = text {
        digits
    } else {
        text
    };
    let decimal = digits.iter().all(u8::is_ascii_digit);
    if digits.is_empty() || !decimal || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    // 19 digits are the most that can fit, and 18 always do.
    let negative = text[0] == b'-';
    let fits = (digits.len() <= 19).then(|| {
        digits.iter().try_fold(0i64, |number, digit| {
            let digit = i64::from(digit - b'0');
            let number = number.checked_mul(10)?;
            if negative {
                number.checked_sub(digit)
            } else {
                number.checked_add(digit)
            }
        })
    });
    Some(fits.flatten().map_or(Whole::TooLarge, Whole::Fits))
}

/// A place in a form, from which to read on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the last token began.
    token: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            token: 0,
        }
    }

    /// The flaw, located here.
    pub(super) fn flaw(self, flaw: JepsenFlaw) -> Located {
        Located { at: self.at, flaw }
    }

    /// The flaw that something else should stand here.
    pub(super) fn expected(self, expected: &'static str) -> Located {
        self.flaw(JepsenFlaw::Expected { expected })
    }

    /// The flaw, located where the last token began.
    pub(super) fn wrong(self, flaw: JepsenFlaw) -> Located {
        let at = self.token;
        Located { at, flaw }
    }

    /// The flaw that something else should stand where the last token does.
    pub(super) fn instead(self, expected: &'static str) -> Located {
        self.wrong(JepsenFlaw::Expected { expected })
    }

    /// Past whatever means nothing: blanks, comments, discarded forms.
    pub(super) fn blank(&mut self) -> Result<(), Located> {
        let mut discards = 0usize;
        loop {
            self.space();
            match self.bytes.get(self.at..) {
                Some([b'#', b'_', ..]) => {
                    self.at += 2;
                    discards += 1;
                }
                _ if discards > 0 => {
                    self.skip_here()?;
                    discards -= 1;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The next token.
    pub(super) fn token(&mut self) -> Result<Token<'a>, Located> {
        self.blank()?;
        self.token = self.at;
        let rest = &self.bytes[self.at..];
        let Some(first) = rest.first() else {
            return Err(self.expected("a value"));
        };
        let token = match first {
            b'{' | b'[' | b'(' => {
                self.at += 1;
                return Ok(Token::Open(*first));
            }
            b'}' | b']' | b')' => {
                self.at += 1;
                return Ok(Token::Close);
            }
            b'#' if rest.get(1) == Some(&b'{') => {
                self.at += 2;
                return Ok(Token::Open(b'#'));
            }
            b'"' => return self.string(1),
            b'#' if rest.get(1) == Some(&b'"') => return self.string(2),
            // Whatever follows the backslash belongs to it, brackets too.
            b'\\' => self.word(2),
            _ => self.word(1),
        };
        match token {
            [b':', name @ ..] if !name.is_empty() => Ok(Token::Keyword(name)),
            [b'#', b'#', ..] => Ok(Token::Other(token)),
            [b'#', tag @ ..] if tag.first().is_some_and(|byte| is_tag_start(*byte)) => {
                Ok(Token::Tag(tag))
            }
            [b':' | b'#', ..] => Err(self.instead("a value")),
            [b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..] => Ok(Token::Number(token)),
            b"nil" => Ok(Token::Nil),
            _ => Ok(Token::Other(token)),
        }
    }

    /// Past the next form, whatever it is; the bytes it takes.
    pub(super) fn skip(&mut self) -> Result<&'a [u8], Located> {
        self.blank()?;
        let begin = self.at;
        self.skip_here()?;
        Ok(&self.bytes[begin..self.at])
    }

    /// The bytes from an earlier place to here.
    pub(super) fn since(self, begin: Self) -> &'a [u8] {
        &self.bytes[begin.at..self.at]
    }

    /// Whether a closing bracket comes next; past it, if so.
    pub(super) fn closes(&mut self) -> Result<bool, Located> {
        self.blank()?;
        let closes = matches!(self.bytes.get(self.at), Some(b'}' | b']' | b')'));
        self.at += usize::from(closes);
        Ok(closes)
    }

    /// Past blanks and comments.
    fn space(&mut self) {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                byte if is_blank(*byte) => self.at += 1,
                b';' => {
                    let rest = &self.bytes[self.at..];
                    let line = rest.iter().position(|byte| *byte == b'\n');
                    self.at += line.unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    /// Past the form that begins exactly here, with its tags.
    fn skip_here(&mut self) -> Result<(), Located> {
        loop {
            let rest = &self.bytes[self.at..];
            match rest {
                [b'{' | b'[' | b'(', ..] | [b'#', b'{', ..] => {
                    let end = FormLength::new().end(rest).map_err(|mut found| {
                        found.at += self.at;
                        found
                    })?;
                    self.at += end.ok_or_else(|| self.expected("a closing bracket"))?;
                    return Ok(());
                }
                // A form discarded between a tag and what it tags is nothing
                // that any printer writes.
                [] | [b'}' | b']' | b')', ..] | [b'#', b'_', ..] => {
                    return Err(self.expected("a value"));
                }
                _ => {}
            }
            match self.token()? {
                Token::Tag(_) => self.space(),
                _ => return Ok(()),
            }
        }
    }

    /// The string whose opening takes `opening` bytes, with its quotes.
    fn string(&mut self, opening: usize) -> Result<Token<'a>, Located> {
        let rest = &self.bytes[self.at..];
        let mut end = opening;
        while let Some(byte) = rest.get(end) {
            match byte {
                b'"' => {
                    self.at += end + 1;
                    return Ok(Token::Other(&rest[..=end]));
                }
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        Err(self.expected("the end of this string"))
    }

    /// The bytes up to the next delimiter, of which the first few are none.
    fn word(&mut self, certain: usize) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let certain = certain.min(rest.len());
        let mut behind = rest[certain..].iter();
        let end = behind.position(|byte| DELIMITERS[usize::from(*byte)]);
        let end = end.map_or(rest.len(), |end| certain + end);
        self.at += end;
        &rest[..end]
    }
}

/// White space of EDN, commas included.
pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b',')
}

/// Characters that end a token.
const DELIMITERS: [bool; 256] = {
    let mut delimiters = [false; 256];
    let mut byte = 0u8;
    loop {
        delimiters[byte as usize] =
            is_blank(byte) || !matches!(CLASSES[byte as usize], Class::Plain | Class::Backslash);
        match byte.checked_add(1) {
            Some(next) => byte = next,
            None => break delimiters,
        }
    }
};

/// Tags begin with a letter; a namespace for a map's keys with a colon.
const fn is_tag_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b':'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> String {
        let mut cursor = Cursor::new(text.as_bytes());
        let mut all = Vec::new();
        while cursor.blank().is_ok() && cursor.at < text.len() {
            let shown = match cursor.token() {
                Ok(Token::Open(bracket)) => format!("<{}", char::from(bracket)),
                Ok(Token::Close) => ">".to_owned(),
                Ok(Token::Keyword(name)) => format!("key {}", name.escape_ascii()),
                Ok(Token::Tag(tag)) => format!("tag {}", tag.escape_ascii()),
                Ok(Token::Number(text)) => format!("num {}", text.escape_ascii()),
                Ok(Token::Nil) => "nil".to_owned(),
                Ok(Token::Other(text)) => String::from_utf8_lossy(text).into_owned(),
                Err(Located { at, flaw }) => {
                    all.push(format!("{at}: {flaw}"));
                    break;
                }
            };
            all.push(shown);
        }
        all.join(" | ")
    }

    #[test]
    fn every_kind_of_token_is_told_apart() {
        for (text, expected) in [
            ("{:a/b 1,}", "<{ | key a/b | num 1 | >"),
            (
                "#{1} #inst \"x\" #:ns{}",
                "<# | num 1 | > | tag inst | \"x\" | tag :ns | <{ | >",
            ),
            (
                "-1 +2 3N 22/7 1.5e3M 0x1F - +",
                "num -1 | num +2 | num 3N | num 22/7 | num 1.5e3M | num 0x1F | - | +",
            ),
            ("nil true nilly ##Inf", "nil | true | nilly | ##Inf"),
            (
                r#"\a \{ \" \u0041 \newline"#,
                r#"\a | \{ | \" | \u0041 | \newline"#,
            ),
            (r#""a\"}" x#y"#, r#""a\"}" | x#y"#),
            ("1;2\n3", "num 1 | num 3"),
            ("#_ #_ 1 [2 ;]\n] 3", "num 3"),
            ("#_#inst \"2\" 4", "num 4"),
            (":", "0: expected a value"),
            ("# a", "0: expected a value"),
            ("#<Foo>", "0: expected a value"),
            ("\"a\\\"", "0: expected the end of this string"),
        ] {
            assert_eq!(tokens(text), expected, "{text}");
        }
    }

    #[test]
    fn a_discard_needs_something_to_discard() {
        for text in ["#_", "#_ #_ 1", "[#_]", "#_ #a #_ 1 2"] {
            let mut cursor = Cursor::new(text.as_bytes());
            if text.starts_with('[') {
                cursor.token().unwrap();
            }
            assert!(cursor.token().is_err(), "{text}");
        }
    }

    #[test]
    fn a_hundred_thousand_discards_and_tags_do_not_nest() {
        let discards = "#_".repeat(100_000) + &"0 ".repeat(100_000) + "1";
        assert_eq!(tokens(&discards), "num 1");
        let tags = "#_".to_owned() + &"#a ".repeat(100_000) + "0 1";
        assert_eq!(tokens(&tags), "num 1");
    }

    #[test]
    fn whole_numbers_are_read_up_to_64_bits() {
        for (text, expected) in [
            ("0", Some(Whole::Fits(0))),
            ("-0", Some(Whole::Fits(0))),
            ("+7", Some(Whole::Fits(7))),
            ("7N", Some(Whole::Fits(7))),
            ("9223372036854775807", Some(Whole::Fits(i64::MAX))),
            ("-9223372036854775808", Some(Whole::Fits(i64::MIN))),
            ("9223372036854775808", Some(Whole::TooLarge)),
            ("99999999999999999999", Some(Whole::TooLarge)),
            ("007", None),
            ("1/2", None),
            ("1.0", None),
            ("0x1F", None),
            ("N", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(whole(text.as_bytes()), expected, "{text}");
        }
    }
}
