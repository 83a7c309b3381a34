//! The sections of the report, in their order. Each writes blocks into a
//! document and knows nothing of Markdown.

pub(crate) mod advice;
pub(crate) mod analysis;
mod clients;
pub(crate) mod figures;
mod finding;
pub(crate) mod limitations;
pub(crate) mod plan_words;
pub(crate) mod recovery;
pub(crate) mod replay;
pub(crate) mod results;
pub(crate) mod summary;
pub(crate) mod test;
