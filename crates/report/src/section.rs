//! The sections of the report, in their order. Each writes blocks into a
//! document and knows nothing of Markdown.

pub(crate) mod advice;
pub(crate) mod analysis;
mod clients;
mod figures;
mod finding;
pub(crate) mod limitations;
mod plan_words;
pub(crate) mod recovery;
mod replay;
mod results;
pub(crate) mod summary;
pub(crate) mod test;
