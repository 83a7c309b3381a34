//! A process that a scenario rests on and that is gone, or stands still, though
//! no fault did that. Knows nothing of who looks after it.

use std::fmt;

use stack::logtail::LogTail;
use stack::process::Trouble;

/// How much is shown of the last line of its log.
const WORDS_CHARS_MAX: usize = 300;

/// A process that is gone, or stands still, though no fault did that.
#[derive(Debug)]
pub struct LostProcess {
    pub(crate) name: String,
    pub(crate) trouble: Trouble,
    pub(crate) tail: LogTail,
}

impl fmt::Display for LostProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            trouble,
            tail,
        } = self;
        write!(f, "{name} {trouble}, and no fault did that; ")?;
        match tail.last_words() {
            Some(words) => {
                let words: String = words.chars().take(WORDS_CHARS_MAX).collect();
                write!(f, "it said last: {words}")?;
            }
            None => f.write_str("it said nothing")?,
        }
        match tail.path() {
            Some(log) => write!(f, " (its log: {})", log.display()),
            None => Ok(()),
        }
    }
}
