//! The sections of the report, in their order. Each writes blocks into a
//! document and knows nothing of Markdown.

mod figures;
mod replay;
pub(crate) mod summary;
