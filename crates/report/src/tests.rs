//! Whole reports over plans of the embedded scenarios and verdicts made by
//! hand.

mod made;
mod markdown;
mod schema;
mod xml;
