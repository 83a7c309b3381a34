//! How many open connections the proxy holds, and what each costs it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{LIMIT, Outcome, Proxy};

/// What is asked for.
const WANTED: usize = 10_000;
/// What a process has open besides connections, generously.
const OTHER_DESCRIPTORS: usize = 72;
/// `ApiVersions` version 0: key, version, correlation id, no client id.
const REQUEST: &[u8] = b"\0\0\0\x0a\0\x12\0\0\0\0\0\x07\xff\xff";

/// Opens as many connections as the limit of descriptors allows, asks on each
/// before and after all are open, and says what the proxy's process needed.
pub(crate) fn hold(proxy: &Proxy, bootstrap: &str) -> Outcome<()> {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    let descriptors = limit
        .maximum
        .map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX));
    // Two for each: the client's and the broker's.
    let count = WANTED.min(descriptors.saturating_sub(OTHER_DESCRIPTORS) / 2);
    if count < WANTED {
        println!("  {descriptors} descriptors allow {count} of the {WANTED} connections asked for");
    }
    let before = usage(proxy)?;
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(bootstrap)?;
        stream.set_read_timeout(Some(LIMIT))?;
        ask(&mut stream)?;
        open.push(stream);
    }
    for stream in &mut open {
        ask(stream)?;
    }
    let held = usage(proxy)?;
    let bytes = (held.resident_bytes.saturating_sub(before.resident_bytes)) / count;
    println!(
        "  {count} connections open, each asked before and after all were: \
         {} descriptors, {} MiB resident, {bytes} bytes for each connection",
        held.descriptors,
        held.resident_bytes >> 20,
    );
    Ok(())
}

fn ask(stream: &mut TcpStream) -> Outcome<()> {
    stream.write_all(REQUEST)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(length))?];
    stream.read_exact(&mut answer)?;
    if answer.starts_with(&[0, 0, 0, 7]) {
        Ok(())
    } else {
        Err("an answer to something else".into())
    }
}

struct Usage {
    resident_bytes: usize,
    descriptors: usize,
}

fn usage(proxy: &Proxy) -> Outcome<Usage> {
    let of = format!("/proc/{}", proxy.process.id());
    let status = std::fs::read_to_string(format!("{of}/status"))?;
    let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|it| it.split_whitespace().next());
    Ok(Usage {
        resident_bytes: kib.ok_or("status")?.parse::<usize>()? * 1024,
        descriptors: std::fs::read_dir(format!("{of}/fd"))?.count(),
    })
}
