//! The checker and the judge from outside: histories in, findings and verdicts
//! out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agreement;
mod calibration;
mod captured;
mod cases;
mod catalogue;
mod defects;
mod derived;
mod extremes;
mod imports;
mod jepsen;
mod loss_location;
mod notation;
mod out_of_order;
mod pipelines;
mod properties;
mod readings;
mod reference;
mod reference_groups;
mod reference_rows;
mod reference_transactions;
mod reference_waits;
mod rulings;
mod story;
mod transacted;
mod world;
