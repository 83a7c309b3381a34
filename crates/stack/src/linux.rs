//! Everything that only Linux offers, in one place: dying with the parent,
//! what `/proc` knows of a process, port ranges, and locks that are abstract
//! socket names.
//!
//! Knows nothing of Kafka, nor of what the processes are for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal};

/// Makes the child that `command` starts die (SIGKILL) with the thread that
/// spawns it, whatever ends that thread: also a `kill -9` of the program.
///
/// The kernel ties this to the spawning *thread* (`PR_SET_PDEATHSIG`, see
/// prctl(2)), so `command` must be spawned by one that lives as long as the
/// program: see [`crate::process`].
#[allow(unsafe_code)]
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = rustix::process::getpid();
    let before_exec = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above took effect: then
        // nothing would ever end this child.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::Error::from_raw_os_error(
                rustix::io::Errno::SRCH.raw_os_error(),
            ));
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed.
    // The closure makes two raw system calls (prctl, getppid), allocates
    // nothing, takes no lock and touches no memory of the parent but a copied
    // integer. The standard library runs it after it has changed uid and gid,
    // as it must be: that change clears the death signal.
    unsafe {
        command.pre_exec(before_exec);
    }
}

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcStat {
    /// `R`, `S`, `D`, `T`, `Z`...: proc(5).
    pub(crate) state: char,
    /// The pid of its parent.
    pub(crate) parent: u32,
    /// When it started, in clock ticks since the machine did. With the pid
    /// this names one process for ever: pids come again, pairs do not.
    pub(crate) start_ticks: u64,
}

/// Reads the state of the process `pid`; `NotFound` when there is none.
pub(crate) fn proc_stat(pid: u32) -> io::Result<ProcStat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_proc_stat(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable /proc/PID/stat"))
}

/// Every process below `root`, each with its state.
pub(crate) fn descendants(root: u32) -> Vec<(u32, ProcStat)> {
    let found: BTreeMap<u32, ProcStat> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, proc_stat(pid).ok()?)))
        .collect();
    let is_below = |stat: &ProcStat| {
        let ancestors = std::iter::successors(Some(stat.parent), |it| Some(found.get(it)?.parent));
        // Read one after the other, parents could form a ring.
        ancestors.take(found.len()).any(|it| it == root)
    };
    found
        .iter()
        .filter(|(_, stat)| is_below(stat))
        .map(|(pid, stat)| (*pid, *stat))
        .collect()
}

fn parse_proc_stat(text: &str) -> Option<ProcStat> {
    // The second field is the command in parentheses and may itself hold
    // spaces and parentheses: count from the last one.
    let (_, after_command) = text.rsplit_once(") ")?;
    let mut fields = after_command.split(' ');
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // starttime is field 22, counted from 1; the parent was field 4.
    let start_ticks = fields.nth(22 - 5)?.parse().ok()?;
    Some(ProcStat {
        state,
        parent,
        start_ticks,
    })
}

/// Sends `signal` to the process group that `leader` leads.
pub(crate) fn signal_group(leader: u32, signal: Signal) -> io::Result<()> {
    Ok(rustix::process::kill_process_group(
        pid_of(leader)?,
        signal,
    )?)
}

/// Sends `signal` to one process.
pub(crate) fn signal_process(pid: u32, signal: Signal) -> io::Result<()> {
    Ok(rustix::process::kill_process(pid_of(pid)?, signal)?)
}

fn pid_of(pid: u32) -> io::Result<Pid> {
    i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::from_raw_os_error(rustix::io::Errno::SRCH.raw_os_error()))
}

/// How long a file may become that the process `pid` writes to, in bytes;
/// `None` for no limit but the one it was born with. Needs no rights over a
/// process of the same user: only the soft limit is touched (prlimit(2),
/// `RLIMIT_FSIZE`).
pub(crate) fn limit_file_size(pid: u32, limit_bytes: Option<u64>) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, prlimit};
    // What we were born with is what our children were.
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = match (limit_bytes, maximum) {
        (Some(limit), Some(maximum)) => Some(limit.min(maximum)),
        (Some(limit), None) => Some(limit),
        (None, maximum) => maximum,
    };
    prlimit(
        Some(pid_of(pid)?),
        Resource::Fsize,
        Rlimit { current, maximum },
    )?;
    Ok(())
}

/// Blocks until the child `pid` has ended, and leaves it for someone to reap.
pub(crate) fn wait_without_reaping(pid: u32) -> io::Result<()> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let pid = pid_of(pid)?;
    loop {
        match waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

/// The ports the kernel hands out to connecting clients.
pub(crate) fn ephemeral_ports() -> Option<RangeInclusive<u16>> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut bounds = text.split_whitespace().map(str::parse::<u16>);
    Some(bounds.next()?.ok()?..=bounds.next()?.ok()?)
}

/// A claim on a port, valid for as long as it is held.
///
/// It is the name of an abstract unix socket: seen by every user who shares
/// the network (and so the ports), given back by the kernel when the holder
/// dies, and no file that could be left behind.
#[derive(Debug)]
pub(crate) struct PortClaim {
    _socket: UnixListener,
}

impl PortClaim {
    /// Claims `port`, or says `None` when another ackproof holds it or
    /// something listens there.
    pub(crate) fn take(port: u16) -> Option<Self> {
        let name = format!("ackproof-port-{port}");
        let address = SocketAddr::from_abstract_name(name).ok()?;
        let socket = UnixListener::bind_addr(&address).ok()?;
        TcpListener::bind(("127.0.0.1", port)).ok()?;
        Some(Self { _socket: socket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) T 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 9 9";
        assert_eq!(
            parse_proc_stat(stat),
            Some(ProcStat {
                state: 'T',
                parent: 1,
                start_ticks: 98765
            })
        );
    }

    #[test]
    fn this_process_runs_and_has_a_start() {
        let stat = proc_stat(std::process::id()).unwrap();
        assert!(matches!(stat.state, 'R' | 'S'), "{stat:?}");
        assert!(stat.start_ticks > 0);
    }

    #[test]
    fn a_claimed_port_cannot_be_claimed_again_until_it_is_given_back() {
        let (port, claim) = (20_000..32_000)
            .find_map(|port| Some((port, PortClaim::take(port)?)))
            .unwrap();
        assert!(PortClaim::take(port).is_none());
        drop(claim);
        assert!(PortClaim::take(port).is_some());
    }
}
