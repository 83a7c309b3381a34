//! The history of a run on disk: recorder and reader.
