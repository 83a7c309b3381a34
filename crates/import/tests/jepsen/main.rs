//! Jepsen's histories in, events out.

mod fixtures;
mod meaning;
mod notation;
mod properties;
mod text;
