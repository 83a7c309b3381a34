//! The checker and the judge from outside: histories in, findings and verdicts
//! out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agreement;
mod anomalies;
mod brokers;
mod calibration;
mod captured;
mod cases;
mod catalogue;
mod connectors;
mod corners;
mod derived;
mod imports;
mod jepsen;
mod lives;
mod loss_location;
mod measurements;
mod notation;
mod out_of_order;
mod pipelines;
mod planting;
mod properties;
mod readings;
mod reference;
mod reference_groups;
mod reference_rows;
mod reference_transactions;
mod reference_waits;
mod rulings;
mod sends;
mod story;
mod transacted;
mod transactions;
mod verdicts;
mod waits;
mod world;
