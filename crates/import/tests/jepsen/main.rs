//! Jepsen's histories in, events out.

mod meaning;
mod notation;
mod properties;
mod text;
