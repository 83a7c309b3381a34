//! What passes takes no memory of its own: no allocation for each record, nothing
//! unpacked, nothing kept of what is announced and does not come. All in one
//! test, because what is counted is the whole process.
#![allow(
    clippy::unwrap_used,
    reason = "clippy's exemption for tests leaves out their fixtures"
)]

use std::alloc::System;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy::{
    ClusterProxy, ClusterSettings, FaultEffect, InjectedError, ProxyFault, RequestApi,
    RequestFilter, When,
};
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
fn produce(records: &[u8]) -> Vec<u8> {
    let mut length = Vec::new();
    let mut left = records.len() + 1;
    while left > 0x7f {
        length.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
        left >>= 7;
    }
    length.push(u8::try_from(left).unwrap());
    frame(&[
        b"\0\0\0\x09\0\0\0\x07\0\x03app\0",
        b"\0\xff\xff\0\0\0\0\x02\x02t\x02\0\0\0\0",
        &length,
        records,
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

/// Reads one frame into a buffer that is large enough; says what API it is of.
fn read_frame(from: &mut TcpStream, into: &mut [u8]) -> std::io::Result<i16> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap();
    from.read_exact(&mut into[..bytes])?;
    Ok(i16::from_be_bytes([into[0], into[1]]))
}

/// Neither end allocates once it has its buffers.
fn serve(mut stream: TcpStream, answers: &Answers) {
    let mut buffer = vec![0; 2 << 20];
    while let Ok(api) = read_frame(&mut stream, &mut buffer) {
        let answer = if api == FETCH {
            &answers.to_fetch
        } else {
            &answers.to_produce
        };
        stream.write_all(answer).unwrap();
    }
}

struct Answers {
    to_produce: Vec<u8>,
    to_fetch: Vec<u8>,
}

/// Reads all and says nothing.
fn drain(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|it| it > 0) {}
}

/// The proxy, and the broker behind it.
struct Site {
    runtime: tokio::runtime::Runtime,
    proxy: ClusterProxy,
    broker: TcpListener,
}

impl Site {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let broker = TcpListener::bind(anywhere).unwrap();
        let settings = ClusterSettings {
            bootstrap: vec![broker.local_addr().unwrap().into()],
            listen: anywhere,
            ports: None,
            advertised_host: None,
            security: proxy::ProxySecurity::default(),
        };
        let proxy = ClusterProxy::start(settings, Arc::new(|note| eprintln!("{note:?}")));
        Self {
            proxy: runtime.block_on(proxy).unwrap(),
            runtime,
            broker,
        }
    }

    /// Both ends of a connection through the proxy.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.proxy.brokers()[0].listens).unwrap();
        (client, self.broker.accept().unwrap().0)
    }

    fn delivered(&self) -> u64 {
        self.proxy.brokers()[0].stats.bytes_delivered_to_upstream
    }
}

#[test]
fn what_passes_takes_no_memory_of_its_own() {
    let from_the_start = Region::new(ALLOCATOR);
    let site = Site::new();
    assert!(from_the_start.change().allocations > 0, "they are counted");
    records_pass_without_an_allocation_for_each(&site);
    a_compression_bomb_stays_packed(&site);
    what_is_announced_and_does_not_come_is_not_kept(&site);
}

fn records_pass_without_an_allocation_for_each(site: &Site) {
    let (of_produce, of_fetch) = (256, 2048);
    let answers = Answers {
        to_produce: produced(),
        to_fetch: frame(&[b"\0\0\0\x07", &vec![7; of_fetch * RECORD_BYTES]]),
    };
    let (mut client, broker) = site.connect();
    std::thread::spawn(move || serve(broker, &answers));
    let mut buffer = vec![0; 2 << 20];
    let produced = produce(&vec![7; of_produce * RECORD_BYTES]);
    for (request, records) in [(produced, of_produce), (fetch(), of_fetch)] {
        let mut ask = |times: usize| {
            for _ in 0..times {
                client.write_all(&request).unwrap();
                read_frame(&mut client, &mut buffer).unwrap();
            }
        };
        ask(20);
        let (times, region) = (200, Region::new(ALLOCATOR));
        ask(times);
        let allocations = region.change().allocations;
        eprintln!("{allocations} allocations for {times} requests of {records} records each");
        assert!(allocations < times, "one for each request, or more");
    }
}

/// It passes as the few bytes that it is, though a fault looks into the request.
fn a_compression_bomb_stays_packed(site: &Site) {
    let unpacked = 64 << 20;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; unpacked]).unwrap();
    let request = produce(&bomb.finish().unwrap());
    let fault = ProxyFault::new(FaultEffect::Error {
        on: RequestFilter {
            api: Some(RequestApi(0)),
            topic: Some("another".to_owned()),
            ..RequestFilter::default()
        },
        code: InjectedError(6),
        when: When::Before,
    });
    site.runtime.block_on(site.proxy.add(fault)).unwrap();
    let (mut client, mut broker) = site.connect();
    let mut received = vec![0; request.len()];
    let region = Region::new(ALLOCATOR);
    client.write_all(&request).unwrap();
    broker.read_exact(&mut received).unwrap();
    let allocated = region.change().bytes_allocated;
    eprintln!("{allocated} bytes for a bomb of {} bytes", request.len());
    assert_eq!(received, request);
    assert!(allocated < unpacked / 64);
    site.runtime.block_on(site.proxy.heal_all());
}

/// A hundred MiB each, of which a little comes.
fn what_is_announced_and_does_not_come_is_not_kept(site: &Site) {
    let records = vec![7; 64 * 1024];
    let mut beginning = produce(&records);
    let announced = u32::try_from(proxy::REQUEST_BYTES_MAX).unwrap();
    beginning[..4].copy_from_slice(&announced.to_be_bytes());
    let (count, before) = (100, site.delivered());
    let region = Region::new(ALLOCATOR);
    let mut ends = Vec::with_capacity(count);
    for _ in 0..count {
        let (mut client, mut broker) = site.connect();
        ends.push((client.try_clone().unwrap(), broker.try_clone().unwrap()));
        std::thread::spawn(move || drain(&mut broker));
        client.write_all(&beginning).unwrap();
    }
    let since = Instant::now();
    while site.delivered() < before + (count * beginning.len()) as u64 {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "it does not pass"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let change = region.change();
    let kept = change
        .bytes_allocated
        .saturating_sub(change.bytes_deallocated);
    eprintln!("{kept} bytes kept for {count} requests of {announced} bytes that began");
    assert!(kept < count * 16 * 1024);
    for (client, broker) in ends {
        client.shutdown(Shutdown::Both).unwrap();
        // It may have been reset by now: half a request is no end.
        let _ = broker.shutdown(Shutdown::Both);
    }
}
