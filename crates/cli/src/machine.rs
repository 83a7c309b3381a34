//! What this machine is, for the report and for how histories are read. Knows Linux's files; what cannot be
//! read is left out.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::thread::available_parallelism;

use checker::Lanes;
use model::scenario::Config;
use report::Machine;

/// Describes this machine.
pub(crate) fn this_machine(configurations: BTreeMap<String, Config>) -> Machine {
    Machine {
        cpus: available_parallelism().map_or_else(|_| String::new(), |count| count.to_string()),
        memory: fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| memory_in(&text))
            .unwrap_or_default(),
        os: operating_system(),
        configurations,
    }
}

/// How histories are read here.
pub(crate) fn lanes() -> Lanes {
    Lanes::on(available_parallelism().map_or(1, NonZero::get))
}

/// `7.6 GiB`, from the kernel's own table (proc(5), "meminfo").
fn memory_in(meminfo: &str) -> Option<String> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    let tenths = kib * 10 / (1024 * 1024);
    Some(format!("{}.{} GiB", tenths / 10, tenths % 10))
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
        assert_eq!(memory_in(table).as_deref(), Some("7.6 GiB"));
        assert_eq!(memory_in("MemTotal: many"), None);
    }
}
