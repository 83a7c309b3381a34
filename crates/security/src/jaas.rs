//! `sasl.jaas.config`: one login module with its options, in the notation of JAAS as Kafka's
//! `JaasConfig` reads it (with `java.io.StreamTokenizer`). No message quotes anything of it:
//! any word may be a part of a password without quotes. Knows nothing of the modules.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// A login module, by its class.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LoginModule {
    pub(crate) class: String,
    pub(crate) options: BTreeMap<String, String>,
}

/// `MODULE required OPTION="VALUE" ...;`
pub(crate) fn parse(text: &str) -> Result<LoginModule, String> {
    let mut tokens = Tokens(text.chars().peekable());
    let Some(Token::Word(class)) = tokens.next()? else {
        return Err("it begins with the class of a login module".to_owned());
    };
    let flag = match tokens.next()? {
        Some(Token::Word(flag)) => flag.to_ascii_lowercase(),
        _ => String::new(),
    };
    if !["required", "requisite", "sufficient", "optional"].contains(&flag.as_str()) {
        return Err("`required` follows the class of the login module".to_owned());
    }
    let mut options = BTreeMap::new();
    loop {
        let number = options.len() + 1;
        let key = match tokens.next()? {
            Some(Token::Sign(';')) => break,
            Some(Token::Word(key) | Token::Quoted(key)) => key,
            None => return Err("it has to end with `;`".to_owned()),
            Some(Token::Number | Token::Sign(_)) => return Err(unquoted(number)),
        };
        if !matches!(tokens.next()?, Some(Token::Sign('='))) {
            return Err(unquoted(number));
        }
        let Some(Token::Word(value) | Token::Quoted(value)) = tokens.next()? else {
            return Err(unquoted(number));
        };
        if options.insert(key, value).is_some() {
            return Err(format!("option {number} of the login module is set twice"));
        }
    }
    if tokens.next()?.is_some() {
        return Err("it has to be one login module, and no more behind its `;`".to_owned());
    }
    Ok(LoginModule { class, options })
}

fn unquoted(number: usize) -> String {
    format!(
        "option {number} of the login module is not NAME=\"VALUE\"; a value that is not one word \
         of letters needs quotes"
    )
}

enum Token {
    Word(String),
    Quoted(String),
    /// The tokenizer reads a number, which Kafka takes for no value.
    Number,
    Sign(char),
}

struct Tokens<'t>(Peekable<Chars<'t>>);

impl Tokens<'_> {
    fn next(&mut self) -> Result<Option<Token>, String> {
        loop {
            while self.0.next_if(|c| *c <= ' ').is_some() {}
            let Some(first) = self.0.next() else {
                return Ok(None);
            };
            return Ok(Some(match first {
                // A single slash begins a comment, too.
                '/' => {
                    self.skip_comment();
                    continue;
                }
                '"' | '\'' => Token::Quoted(self.quoted(first)?),
                c if of_word(c) && !begins_number(c) => {
                    let mut word = String::from(c);
                    while let Some(c) = self.0.next_if(|c| of_word(*c)) {
                        word.push(c);
                    }
                    Token::Word(word)
                }
                c if begins_number(c) => {
                    while self.0.next_if(|c| of_word(*c)).is_some() {}
                    Token::Number
                }
                c => Token::Sign(c),
            }));
        }
    }

    fn skip_comment(&mut self) {
        if self.0.next_if_eq(&'*').is_some() {
            let mut before = ' ';
            for c in self.0.by_ref() {
                if before == '*' && c == '/' {
                    return;
                }
                before = c;
            }
        } else {
            while self.0.next_if(|c| *c != '\n').is_some() {}
        }
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        while let Some(c) = self.0.next() {
            match c {
                c if c == quote => return Ok(text),
                '\n' | '\r' => break,
                '\\' => {
                    let escaped = self.0.next().unwrap_or('\\');
                    text.push(self.meant(escaped));
                }
                c => text.push(c),
            }
        }
        Err("a quote is not closed before the end of its line".to_owned())
    }

    /// What a character behind a backslash stands for.
    fn meant(&mut self, escaped: char) -> char {
        match escaped {
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '0'..='7' => {
                // Three digits at most, and the third only behind a first up to 3.
                let more = if escaped <= '3' { 2 } else { 1 };
                let mut code = escaped.to_digit(8).unwrap_or(0);
                for _ in 0..more {
                    let Some(digit) = self.0.next_if(|c| c.is_digit(8)) else {
                        break;
                    };
                    code = code * 8 + digit.to_digit(8).unwrap_or(0);
                }
                char::from_u32(code).unwrap_or('\0')
            }
            c => c,
        }
    }
}

fn of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_$.".contains(c) || c >= '\u{a0}'
}

fn begins_number(c: char) -> bool {
    c.is_ascii_digit() || c == '-' || c == '.'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Vec<(String, String)> {
        let module = parse(&format!("a.b.Module required {text};"));
        let module = module.unwrap_or_else(|problem| unreachable!("{text}: {problem}"));
        assert_eq!(module.class, "a.b.Module");
        module.options.into_iter().collect()
    }

    fn one(text: &str) -> String {
        options(text).remove(0).1
    }

    #[test]
    fn a_module_and_its_options() {
        let read =
            options("\n  username=\"alice\"\n  password='w o n d e r' // not this=\"one\"\n");
        let expected = [("password", "w o n d e r"), ("username", "alice")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(read, expected);
        assert!(options("").is_empty());
        assert_eq!(one("a /* b=\"c\" */ = d-e_f.g1"), "d-e_f.g1");
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(one(r#"a="x\"y\\z;=""#), r#"x"y\z;="#);
        assert_eq!(one(r#"a='x"y'"#), r#"x"y"#);
        assert_eq!(one(r#"a="\101\60\t\q/""#), "A0\tq/");
        assert_eq!(one("a=\"\u{fc}//x\""), "\u{fc}//x");
    }

    #[test]
    fn what_is_no_module_is_refused_without_a_quote_of_it() {
        let wrong = [
            "",
            ";",
            "a.Module",
            "a.Module needed a=\"swordfish\";",
            "a.Module required a=\"swordfish\"",
            "a.Module required password=sword fish;",
            "a.Module required password=7swordfish;",
            "a.Module required password=sword/fish;",
            "a.Module required password=\"sword\nfish\";",
            "a.Module required password=\"swordfish;",
            "a.Module required a=\"x\" a=\"swordfish\";",
            "a.Module required; swordfish required;",
            "a.Module required swordfish;",
            "a.Module required a==swordfish;",
        ];
        for text in wrong {
            let Err(problem) = parse(text) else {
                unreachable!("{text}");
            };
            assert!(
                !problem.contains("sword") && !problem.contains("fish"),
                "{problem}"
            );
        }
    }
}
