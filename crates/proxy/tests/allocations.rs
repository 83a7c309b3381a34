//! Records pass without one allocation for each: what a request or an answer
//! costs does not depend on how many records are in it.
#![allow(
    clippy::unwrap_used,
    reason = "clippy's exemption for tests leaves out their fixtures"
)]

use std::alloc::System;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use proxy::{ClusterProxy, ClusterSettings};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORD_BYTES: usize = 512;
const FETCH: i16 = 1;

/// A frame: its length, then this.
fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
}

/// Produce version 9: no transaction, acks=all, one partition of one topic.
fn produce(records_bytes: usize) -> Vec<u8> {
    let mut length = Vec::new();
    let mut left = records_bytes + 1;
    while left > 0x7f {
        length.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
        left >>= 7;
    }
    length.push(u8::try_from(left).unwrap());
    frame(&[
        b"\0\0\0\x09\0\0\0\x07\0\x03app\0",
        b"\0\xff\xff\0\0\0\0\x02\x02t\x02\0\0\0\0",
        &length,
        &vec![7; records_bytes],
        b"\0\0\0",
    ])
}

/// Its answer: one partition, written at offset 1.
fn produced() -> Vec<u8> {
    frame(&[
        b"\0\0\0\x07\0\x02\x02t\x02\0\0\0\0\0\0",
        &1u64.to_be_bytes(),
        &[0xff; 8],
        &[0; 8],
        b"\x01\0\0\0\0\0\0\0\0",
    ])
}

/// Fetch version 4, of which the proxy looks at nothing but the header.
fn fetch() -> Vec<u8> {
    frame(&[b"\0\x01\0\x04\0\0\0\x07\0\x03app", &[0; 20]])
}

fn fetched(records_bytes: usize) -> Vec<u8> {
    frame(&[b"\0\0\0\x07", &vec![7; records_bytes]])
}

/// Reads one frame into a buffer that is large enough; says what API it is of.
fn read_frame(from: &mut TcpStream, into: &mut [u8]) -> std::io::Result<i16> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap();
    from.read_exact(&mut into[..bytes])?;
    Ok(i16::from_be_bytes([into[0], into[1]]))
}

/// Neither end allocates once it has its buffers.
fn serve(listener: &TcpListener, to_produce: &[u8], to_fetch: &[u8]) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut buffer = vec![0; 2 << 20];
    while let Ok(api) = read_frame(&mut stream, &mut buffer) {
        let answer = if api == FETCH { to_fetch } else { to_produce };
        stream.write_all(answer).unwrap();
    }
}

#[test]
fn a_request_costs_as_much_with_many_records_as_with_few() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let from_the_start = Region::new(ALLOCATOR);
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let broker = TcpListener::bind(anywhere).unwrap();
    let settings = ClusterSettings {
        bootstrap: vec![broker.local_addr().unwrap().into()],
        listen: anywhere,
        advertised_host: None,
    };
    let proxy = ClusterProxy::start(settings, Arc::new(|note| eprintln!("{note:?}")));
    let proxy = runtime.block_on(proxy).unwrap();
    let (records_of_produce, records_of_fetch) = (256, 2048);
    let answers = (produced(), fetched(records_of_fetch * RECORD_BYTES));
    std::thread::spawn(move || serve(&broker, &answers.0, &answers.1));

    let mut client = TcpStream::connect(proxy.brokers()[0].listens).unwrap();
    let mut buffer = vec![0; 2 << 20];
    for (request, records) in [
        (
            produce(records_of_produce * RECORD_BYTES),
            records_of_produce,
        ),
        (fetch(), records_of_fetch),
    ] {
        let mut ask = |times: usize| {
            for _ in 0..times {
                client.write_all(&request).unwrap();
                read_frame(&mut client, &mut buffer).unwrap();
            }
        };
        ask(20);
        assert!(from_the_start.change().allocations > 0, "they are counted");
        let (times, region) = (200, Region::new(ALLOCATOR));
        ask(times);
        let allocations = region.change().allocations;
        eprintln!("{allocations} allocations for {times} requests of {records} records each");
        assert!(allocations < times, "one for each request, or more");
    }
}
