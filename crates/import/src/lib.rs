//! Histories that other tools recorded, converted to events. Each tool is a module that
//! knows its format and what its operations mean; nothing here judges.

pub mod jepsen;
pub mod kafkatest;
