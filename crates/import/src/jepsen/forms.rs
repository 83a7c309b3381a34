//! Cuts a stream of bytes into the operations it holds, one in memory at a time, be they
//! one after the other or in one vector or list. Knows brackets, strings and comments;
//! nothing of the contents of an operation.

use std::io::{self, BufRead};

use super::edn::{Cursor, is_blank};
use super::error::{JepsenFlaw, Located, Place};
use super::form_length::FormLength;

/// No operation is longer.
pub(super) const FORM_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The window grows beyond this for a longer operation only.
const WINDOW_BYTES: usize = 256 * 1024;
/// A key that each operation has once: two of them in one form are two operations.
const ONCE: &[u8] = b":process";

/// Why there is no next form.
#[derive(Debug)]
pub(super) enum Stop {
    Io(io::Error),
    Flaw(Place, JepsenFlaw),
}

/// The next item.
pub(super) enum Next<'a> {
    /// An operation, as far as brackets tell.
    Form { bytes: &'a [u8], place: Place },
    /// Nothing more.
    End(Tail),
}

/// How the input ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// After a whole operation, or the whole vector.
    Whole,
    /// Inside an operation.
    CutOff { line: u64 },
    /// After a whole operation, inside the vector.
    Unclosed,
}

/// The container of the operations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    /// Not known before the first form.
    Unknown,
    /// Nothing: they stand one after the other.
    None,
    /// A vector or list that this bracket closes.
    Until(u8),
    /// A vector or list that has ended.
    Ended,
}

/// The operations of an input.
pub(super) struct Forms<R> {
    input: R,
    window: Vec<u8>,
    /// Where the window's unread bytes begin, and where they end.
    begin: usize,
    end: usize,
    /// The place of `begin`.
    place: Place,
    container: Container,
}

impl<R: BufRead> Forms<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            window: Vec::new(),
            begin: 0,
            end: 0,
            place: Place::START,
            container: Container::Unknown,
        }
    }

    /// The next operation, or how the input ends.
    pub(super) fn next(&mut self) -> Result<Next<'_>, Stop> {
        let mut discards = 0usize;
        loop {
            self.skip_space()?;
            if self.unread().len() < 2 {
                self.fill()?;
            }
            let container = self.container;
            match self.unread() {
                [] if discards > 0 => return Ok(Next::End(self.cut_off())),
                [] => {
                    return Ok(Next::End(match container {
                        Container::Until(_) => Tail::Unclosed,
                        _ => Tail::Whole,
                    }));
                }
                [b'#', b'_', ..] => {
                    discards += 1;
                    self.consume(2);
                }
                [byte, ..] if discards > 0 && !matches!(byte, b'}' | b']' | b')') => {
                    if !self.discard()? {
                        return self.unfinished();
                    }
                    discards -= 1;
                }
                [b'[', ..] if container == Container::Unknown => {
                    self.container = Container::Until(b']');
                    self.consume(1);
                }
                [b'(', ..] if container == Container::Unknown => {
                    self.container = Container::Until(b')');
                    self.consume(1);
                }
                [byte, ..] if container == Container::Until(*byte) && discards == 0 => {
                    self.container = Container::Ended;
                    self.consume(1);
                }
                _ if container == Container::Ended && discards == 0 => {
                    return Err(Stop::Flaw(self.place, JepsenFlaw::AfterTheEnd));
                }
                [b'{' | b'#', ..] => {
                    if container == Container::Unknown {
                        self.container = Container::None;
                    }
                    let Some(length) = self.form_length()? else {
                        return self.unfinished();
                    };
                    let (begin, place) = (self.begin, self.place);
                    self.consume(length);
                    let bytes = &self.window[begin..begin + length];
                    return Ok(Next::Form { bytes, place });
                }
                _ => return Err(Stop::Flaw(self.place, JepsenFlaw::NotAnOperation)),
            }
        }
    }

    fn unread(&self) -> &[u8] {
        &self.window[self.begin..self.end]
    }

    fn consume(&mut self, bytes: usize) {
        let consumed = &self.window[self.begin..self.begin + bytes];
        self.place = self.place.after(consumed);
        self.begin += bytes;
    }

    /// Reads on until the window is full: another look at the unread bytes finds twice as
    /// many, or the last ones. Returns the number of bytes read; none at the end.
    fn fill(&mut self) -> Result<usize, Stop> {
        self.window.copy_within(self.begin..self.end, 0);
        self.end -= self.begin;
        self.begin = 0;
        if self.end == self.window.len() {
            let bytes = (self.window.len() * 2).max(WINDOW_BYTES);
            self.window.resize(bytes, 0);
        }
        let before = self.end;
        while self.end < self.window.len() {
            match self.input.read(&mut self.window[self.end..]) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Stop::Io(error)),
            }
        }
        Ok(self.end - before)
    }

    /// Past blanks and comments between forms, however long they are.
    fn skip_space(&mut self) -> Result<(), Stop> {
        let mut comment = false;
        loop {
            let blank = |byte: &&u8| {
                comment = match **byte {
                    b';' => true,
                    b'\n' => false,
                    _ => comment,
                };
                comment || is_blank(**byte)
            };
            let unread = self.unread();
            let (blanks, length) = (unread.iter().take_while(blank).count(), unread.len());
            self.consume(blanks);
            if blanks < length || self.fill()? == 0 {
                return Ok(());
            }
        }
    }

    /// How long the form is that begins here; none when the input ends in it.
    fn form_length(&mut self) -> Result<Option<usize>, Stop> {
        let mut form_length = FormLength::new();
        loop {
            let found = form_length.end(self.unread());
            match found.map_err(|located| self.stop(located))? {
                Some(length) if length <= FORM_BYTES_MAX => return Ok(Some(length)),
                None if self.unread().len() <= FORM_BYTES_MAX => {
                    if self.fill()? == 0 {
                        return Ok(None);
                    }
                }
                _ => return Err(Stop::Flaw(self.place, JepsenFlaw::TooLong)),
            }
        }
    }

    /// Past the next form, whatever it is; not, when the input ends in it.
    fn discard(&mut self) -> Result<bool, Stop> {
        loop {
            let skipped = Cursor::new(self.unread()).skip().map(<[u8]>::len);
            match skipped {
                // A token at the end of the window may go on behind it.
                Ok(length) if length < self.unread().len() => {
                    self.consume(length);
                    return Ok(true);
                }
                Err(located) if !matches!(located.flaw, JepsenFlaw::Expected { .. }) => {
                    return Err(self.stop(located));
                }
                _ if self.unread().len() > FORM_BYTES_MAX => {
                    return Err(Stop::Flaw(self.place, JepsenFlaw::TooLong));
                }
                _ if self.fill()? > 0 => {}
                Ok(length) => {
                    self.consume(length);
                    return Ok(true);
                }
                Err(_) => return Ok(false),
            }
        }
    }

    /// The input ended inside an operation. Only the last one can have been
    /// cut off: one that swallowed the next lacks a bracket instead.
    fn unfinished(&self) -> Result<Next<'_>, Stop> {
        let mut once = self.unread().windows(ONCE.len()).filter(|at| *at == ONCE);
        match once.nth(1) {
            Some(_) => Err(Stop::Flaw(self.place, JepsenFlaw::Unclosed)),
            None => Ok(Next::End(self.cut_off())),
        }
    }

    fn cut_off(&self) -> Tail {
        Tail::CutOff {
            line: self.place.line,
        }
    }

    fn stop(&self, located: Located) -> Stop {
        let place = self.place.after(&self.unread()[..located.at]);
        Stop::Flaw(place, located.flaw)
    }
}
