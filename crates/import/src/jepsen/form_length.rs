//! Where a form in brackets ends. Knows brackets, strings, characters and comments, and
//! nothing else of a form.

use super::error::{JepsenFlaw, Located};

/// How many brackets may be open at once.
pub(super) const NESTING_MAX: usize = 64;

/// The meaning of a byte for the end of a form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Plain,
    Open,
    Close,
    Quote,
    Backslash,
    Semicolon,
}

pub(super) const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    classes[b'(' as usize] = Class::Open;
    classes[b'[' as usize] = Class::Open;
    classes[b'{' as usize] = Class::Open;
    classes[b')' as usize] = Class::Close;
    classes[b']' as usize] = Class::Close;
    classes[b'}' as usize] = Class::Close;
    classes[b'"' as usize] = Class::Quote;
    classes[b'\\' as usize] = Class::Backslash;
    classes[b';' as usize] = Class::Semicolon;
    classes
};

/// Where in a form the next byte stands.
#[derive(Clone, Copy)]
enum Inside {
    Code,
    String,
    StringEscape,
    Character,
    Comment,
}

/// Finds where a bracketed form ends. It can be shown the form in pieces, as
/// long as each begins where the form does.
pub(super) struct FormLength {
    open: [u8; NESTING_MAX],
    depth: usize,
    inside: Inside,
    examined: usize,
}

impl FormLength {
    pub(super) const fn new() -> Self {
        Self {
            open: [0; NESTING_MAX],
            depth: 0,
            inside: Inside::Code,
            examined: 0,
        }
    }

    /// How long the form is; none when it goes on behind `bytes`.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Located> {
        while let Some(rest) = bytes.get(self.examined..) {
            let step = match self.inside {
                Inside::Code => rest
                    .iter()
                    .position(|byte| CLASSES[usize::from(*byte)] != Class::Plain),
                Inside::String => rest.iter().position(|byte| matches!(byte, b'"' | b'\\')),
                Inside::Comment => rest.iter().position(|byte| *byte == b'\n'),
                Inside::StringEscape | Inside::Character => (!rest.is_empty()).then_some(0),
            };
            let Some(step) = step else {
                self.examined = bytes.len();
                return Ok(None);
            };
            let (at, byte) = (self.examined + step, rest[step]);
            self.examined = at + 1;
            self.inside = match self.inside {
                Inside::String if byte == b'\\' => Inside::StringEscape,
                Inside::StringEscape => Inside::String,
                Inside::String | Inside::Character | Inside::Comment => Inside::Code,
                Inside::Code => match CLASSES[usize::from(byte)] {
                    Class::Plain => Inside::Code,
                    Class::Quote => Inside::String,
                    Class::Backslash => Inside::Character,
                    Class::Semicolon => Inside::Comment,
                    Class::Open => {
                        self.open(byte).map_err(|flaw| Located { at, flaw })?;
                        Inside::Code
                    }
                    Class::Close => {
                        self.close(byte).map_err(|flaw| Located { at, flaw })?;
                        if self.depth == 0 {
                            return Ok(Some(self.examined));
                        }
                        Inside::Code
                    }
                },
            };
        }
        Ok(None)
    }

    fn open(&mut self, bracket: u8) -> Result<(), JepsenFlaw> {
        let slot = self.open.get_mut(self.depth).ok_or(JepsenFlaw::TooDeep)?;
        *slot = bracket;
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> Result<(), JepsenFlaw> {
        let opened = match bracket {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        match self.depth.checked_sub(1) {
            Some(depth) if self.open[depth] == opened => {
                self.depth = depth;
                Ok(())
            }
            _ => Err(JepsenFlaw::Unbalanced {
                found: char::from(bracket),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extent_ends_with_the_bracket_that_closes_it() {
        for (text, expected) in [
            ("{} {}", Ok(Some(2))),
            ("#a/b {:c [(1)]}x", Ok(Some(15))),
            (r#"{"}" \} ;}"#, Ok(None)),
            ("{;}\n}", Ok(Some(5))),
            (r#"{"\"}"}"#, Ok(Some(7))),
            (r#"{"\n}\\"}"#, Ok(Some(9))),
            ("{]", Err(JepsenFlaw::Unbalanced { found: ']' })),
            ("{[}", Err(JepsenFlaw::Unbalanced { found: '}' })),
        ] {
            let found = FormLength::new().end(text.as_bytes());
            assert_eq!(found.map_err(|located| located.flaw), expected, "{text}");
        }
    }

    #[test]
    fn an_extent_is_the_same_in_pieces() {
        let text = br#"#op {:a "x\"}" :b \{ ;}}
            [1 2 #{3}] }"#;
        let mut form_length = FormLength::new();
        for length in 0..text.len() {
            assert_eq!(form_length.end(&text[..length]), Ok(None));
            assert_eq!(form_length.examined, length, "nothing is examined twice");
        }
        assert_eq!(form_length.end(text), Ok(Some(text.len())));
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = |depth| "[".repeat(depth) + &"]".repeat(depth);
        let end = |text: String| FormLength::new().end(text.as_bytes());
        assert_eq!(end(deep(NESTING_MAX)), Ok(Some(2 * NESTING_MAX)));
        let too_deep = Located {
            at: NESTING_MAX,
            flaw: JepsenFlaw::TooDeep,
        };
        assert_eq!(end(deep(NESTING_MAX + 1)), Err(too_deep));
    }
}
