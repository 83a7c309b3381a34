//! A child process with its own log, which dies with us.
//!
//! Every child is spawned by one thread that lives as long as the program
//! (the kernel's parent-death signal is tied to the thread, see
//! `crate::linux`), leads its own process group (the terminal's Ctrl-C must
//! not reach it: the order in which things end is ours to choose), and is
//! reaped by a thread that waits for nothing else. Knows nothing of what the
//! children do.

mod child;
mod error;
mod log;
mod marked;
mod signals;
mod snapshot;
mod spawner;
mod spec;

pub use child::{Child, Trouble};
pub use error::ProcessError;
pub use marked::kill_marked;
pub use signals::{Exit, Signal};
pub use snapshot::ProcessSnapshot;
pub use spec::{ChildSpec, Input, Owner, Stream};

pub(crate) use child::elapsed_ms;
