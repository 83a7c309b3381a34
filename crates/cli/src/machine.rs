//! This machine, for the report and for how histories are read. Knows Linux's files; what cannot be
//! read is left out.

use std::fs;
use std::num::NonZero;
use std::thread::available_parallelism;

use checker::Lanes;
use model::plan::Machine;

/// Describes this machine.
pub(crate) fn this_machine() -> Machine {
    let cores = available_parallelism().ok();
    Machine {
        cores: cores.and_then(|cores| u64::try_from(cores.get()).ok()),
        memory_bytes: fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| memory_in(&text)),
        os: Some(operating_system()),
    }
}

/// How histories are read here.
pub(crate) fn lanes() -> Lanes {
    Lanes::on(available_parallelism().map_or(1, NonZero::get))
}

/// Bytes, from the kernel's own table (proc(5), "meminfo").
fn memory_in(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// `Debian GNU/Linux 13, Linux 6.12.0` (os-release(5), uname(2)).
fn operating_system() -> String {
    let kernel = rustix::system::uname();
    let kernel = format!(
        "{} {}",
        kernel.sysname().to_string_lossy(),
        kernel.release().to_string_lossy()
    );
    let name = fs::read_to_string("/etc/os-release").ok().and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(line.trim_matches('"').to_owned())
    });
    match name {
        Some(name) => format!("{name}, {kernel}"),
        None => kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_kernels_table() {
        let table = "MemFree:  1 kB\nMemTotal:        8000000 kB\n";
        assert_eq!(memory_in(table), Some(8_192_000_000));
        assert_eq!(memory_in("MemTotal: many"), None);
    }
}
