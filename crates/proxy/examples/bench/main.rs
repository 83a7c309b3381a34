//! What a proxy costs: the same slices of work direct and through each proxy, in
//! turns and many times, so that all meet the same moods of the machine.
//!
//! `cargo run --release -p ackproof-proxy --example bench -- ROUNDS RECORDS
//! ACKPROOF [TOXIPROXY]`, where the last two are programs. One broker, 512-byte
//! records, lz4, `acks=all`, librdkafka with its own defaults for the rest.
//!
//! Two figures for each proxy: its throughput as a share of the direct one of
//! the same round, and the processor time of its process for each GB of
//! records. The second does not depend on what else the machine does.

mod held;

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use stack::artefacts::Parts;
use stack::embedded::StackSpec;
use stack::jvm::Compiler;
use stack::ports::ReservedPort;
use testkit::Kafka;

const RECORD_BYTES: usize = 512;
const PARTITIONS: i32 = 3;
/// The broker's compiler needs work to learn from.
const WARM_UP_ROUNDS: usize = 3;
const LIMIT: Duration = Duration::from_mins(1);
/// What /proc counts processor time in, on every Linux of today.
const TICKS_PER_S: f64 = 100.0;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// One way to the broker, with clients that stay connected.
struct Way {
    name: &'static str,
    topic: String,
    producer: BaseProducer,
    consumer: BaseConsumer,
    proxy: Option<Proxy>,
    rounds: Vec<Round>,
}

/// A proxy in a process of its own, which ends with this.
struct Proxy {
    process: Child,
    cpu_produce_s: f64,
    cpu_fetch_s: f64,
}

/// MB/s of records.
#[derive(Clone, Copy)]
struct Round {
    produce: f64,
    fetch: f64,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Proxy {
    fn started(process: Child) -> Self {
        Self {
            process,
            cpu_produce_s: 0.0,
            cpu_fetch_s: 0.0,
        }
    }

    /// User and system time so far.
    fn cpu_s(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The name in brackets may hold anything.
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks = |at: usize| -> Outcome<f64> { Ok(fields.get(at).ok_or("stat")?.parse()?) };
        Ok((ticks(11)? + ticks(12)?) / TICKS_PER_S)
    }
}

/// Letters at random, as Kafka's own performance tool has them: lz4 makes less
/// of them, but not nothing.
struct Payloads(Vec<u8>);

impl Payloads {
    fn new() -> Self {
        let mut state = 41u64;
        let letters = (0..RECORD_BYTES * 997).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            b'A' + (state >> 33).to_le_bytes()[0] % 26
        });
        Self(letters.collect())
    }

    fn get(&self, number: usize) -> &[u8] {
        let at = (number % 996) * RECORD_BYTES + number % 13;
        &self.0[at..at + RECORD_BYTES]
    }
}

impl Way {
    async fn new(name: &'static str, bootstrap: &str, proxy: Option<Proxy>) -> Outcome<Self> {
        let topic = format!("bench-{name}");
        let config = |more: &[(&str, &str)]| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", bootstrap);
            for (key, value) in more {
                config.set(*key, *value);
            }
            config
        };
        let admin: AdminClient<DefaultClientContext> = config(&[]).create()?;
        let new = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(1));
        for made in admin.create_topics([&new], &AdminOptions::new()).await? {
            made.map_err(|(_, code)| code.to_string())?;
        }
        let producer: BaseProducer = config(&[
            ("acks", "all"),
            ("compression.type", "lz4"),
            ("linger.ms", "5"),
            ("batch.size", "65536"),
        ])
        .create()?;
        let consumer: BaseConsumer = config(&[
            ("group.id", name),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "false"),
        ])
        .create()?;
        let mut partitions = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(&topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&partitions)?;
        Ok(Self {
            name,
            topic,
            producer,
            consumer,
            proxy,
            rounds: Vec::new(),
        })
    }

    fn cpu_s(&self) -> Outcome<f64> {
        self.proxy.as_ref().map_or(Ok(0.0), Proxy::cpu_s)
    }

    fn round(&mut self, records: usize, payloads: &Payloads) -> Outcome<()> {
        let mine = self.consumer.assignment()?;
        self.consumer.pause(&mine)?;
        let began = self.cpu_s()?;
        let produce = self.produce(records, payloads)?;
        let between = self.cpu_s()?;
        self.consumer.resume(&mine)?;
        let fetch = self.fetch(records)?;
        let ended = self.cpu_s()?;
        if let Some(proxy) = &mut self.proxy {
            proxy.cpu_produce_s += between - began;
            proxy.cpu_fetch_s += ended - between;
        }
        self.rounds.push(Round { produce, fetch });
        Ok(())
    }

    /// Forgets what was measured so far.
    fn forget(&mut self) {
        self.rounds.clear();
        if let Some(proxy) = &mut self.proxy {
            (proxy.cpu_produce_s, proxy.cpu_fetch_s) = (0.0, 0.0);
        }
    }

    fn produce(&self, records: usize, payloads: &Payloads) -> Outcome<f64> {
        let since = Instant::now();
        for number in 0..records {
            let mut record = BaseRecord::<(), [u8]>::to(&self.topic)
                .partition(i32::try_from(number / 128)? % PARTITIONS)
                .payload(payloads.get(number));
            while let Err((error, back)) = self.producer.send(record) {
                match error {
                    KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) => {
                        self.producer.poll(Duration::from_millis(1));
                    }
                    error => return Err(error.into()),
                }
                record = back;
            }
        }
        // Its own `flush` looks every 100 ms whether all is done, which is a third
        // of what is measured here.
        while self.producer.in_flight_count() > 0 {
            if since.elapsed() > LIMIT {
                return Err("not all was acknowledged".into());
            }
            self.producer.poll(Duration::from_millis(1));
        }
        Ok(mb_per_s(records, since))
    }

    /// From the first record on: how long a consumer takes to notice that it
    /// may go on says nothing of the way.
    fn fetch(&self, records: usize) -> Outcome<f64> {
        let mut since = Instant::now();
        let mut fetched = 0;
        while fetched < records {
            let Some(record) = self.consumer.poll(LIMIT) else {
                if since.elapsed() > LIMIT {
                    return Err(format!("{fetched} of {records} fetched").into());
                }
                continue;
            };
            record?;
            if fetched == 0 {
                since = Instant::now();
            }
            fetched += 1;
        }
        Ok(mb_per_s(records, since))
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn megabytes(records: usize) -> f64 {
    (records * RECORD_BYTES) as f64 / 1e6
}

fn mb_per_s(records: usize, since: Instant) -> f64 {
    megabytes(records) / since.elapsed().as_secs_f64()
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(mut of: Vec<f64>) -> [f64; 3] {
    of.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| of[(of.len() - 1) * quarter / 4])
}

type Figure = fn(&Round) -> f64;
type Cpu = fn(&Proxy) -> f64;

fn report(ways: &[Way], records: usize) {
    let direct = &ways[0].rounds;
    let figures: [(&str, Figure, Cpu); 2] = [
        ("produce", |it| it.produce, |it| it.cpu_produce_s),
        ("fetch", |it| it.fetch, |it| it.cpu_fetch_s),
    ];
    for (what, figure, cpu) in figures {
        for way in ways {
            let [low, median, high] = quartiles(way.rounds.iter().map(figure).collect());
            print!(
                "  {what:8} {:10} {median:7.1} MB/s ({low:.1}-{high:.1})",
                way.name
            );
            if let Some(proxy) = &way.proxy {
                let pairs = way.rounds.iter().zip(direct);
                let shares = pairs.map(|(a, b)| 100.0 * figure(a) / figure(b));
                let [low, median, high] = quartiles(shares.collect());
                let gb = megabytes(records * way.rounds.len()) / 1e3;
                print!(
                    "   {median:5.1} % of direct ({low:.1}-{high:.1})   {:.2} s of processor per GB",
                    cpu(proxy) / gb
                );
            }
            println!();
        }
    }
}

/// `ackproof proxy` before the broker, and where clients find it.
fn ackproof(program: &str, broker: SocketAddr) -> Outcome<(Proxy, String)> {
    let mut process = Command::new(program)
        .args(["proxy", "--bootstrap", &broker.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let out = process.stdout.take().ok_or("no output")?;
    let proxy = Proxy::started(process);
    let mut first = String::new();
    BufReader::new(out).read_line(&mut first)?;
    let bootstrap = first.split_whitespace().last().ok_or("no address")?;
    Ok((proxy, bootstrap.to_owned()))
}

/// Toxiproxy before the broker's other listener, which advertises where it
/// listens.
fn toxiproxy(program: &str, listens: SocketAddr, before: SocketAddr) -> Outcome<Proxy> {
    let config = std::env::temp_dir().join(format!("ackproof-toxi-{}.json", std::process::id()));
    std::fs::write(
        &config,
        format!(
            r#"[{{"name": "kafka", "listen": "{listens}", "upstream": "{before}", "enabled": true}}]"#
        ),
    )?;
    let api = ReservedPort::take()?;
    let process = Command::new(program)
        .arg("-config")
        .arg(&config)
        .args(["-port", &api.number().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let proxy = Proxy::started(process);
    let since = Instant::now();
    while TcpStream::connect(listens).is_err() {
        if since.elapsed() > LIMIT {
            return Err("toxiproxy does not listen".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::remove_file(config)?;
    Ok(proxy)
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [rounds, records, program, others @ ..] = args.as_slice() else {
        return Err("usage: bench ROUNDS RECORDS ACKPROOF [TOXIPROXY]".into());
    };
    let (rounds, records): (usize, usize) = (rounds.parse()?, records.parse()?);
    let kafka = Kafka::find(Parts::Kafka);
    let dir = std::env::temp_dir().join(format!("ackproof-bench-{}", std::process::id()));
    let (listens, port) = (ReservedPort::take()?, ReservedPort::take()?);
    let behind_toxiproxy = port.addr();
    let mut spec = StackSpec {
        // Throughput, not a fast start, is what is measured.
        compiler: Compiler::Full,
        ..kafka.spec(&dir)
    };
    spec.advertise.insert(1, listens.addr());
    spec.client_ports.insert(1, port);
    let stack = kafka.start(spec).await;
    let broker = stack.direct_servers()[0];

    let mut ways = vec![Way::new("direct", &broker.to_string(), None).await?];
    let (proxy, bootstrap) = ackproof(program, broker)?;
    ways.push(Way::new("ackproof", &bootstrap, Some(proxy)).await?);
    if let Some(program) = others.first() {
        let proxy = toxiproxy(program, listens.addr(), behind_toxiproxy)?;
        let bootstrap = listens.addr().to_string();
        ways.push(Way::new("toxiproxy", &bootstrap, Some(proxy)).await?);
    }
    let payloads = Payloads::new();
    let count = ways.len();
    let ways = tokio::task::block_in_place(|| -> Outcome<Vec<Way>> {
        for round in 0..WARM_UP_ROUNDS + rounds {
            if round == WARM_UP_ROUNDS {
                ways.iter_mut().for_each(Way::forget);
            }
            // Each way is first, and last, as often as the others.
            for turn in 0..count {
                ways[(round + turn) % count].round(records, &payloads)?;
            }
        }
        Ok(ways)
    })?;
    report(&ways, records);
    drop(ways);
    let (fresh, bootstrap) = ackproof(program, broker)?;
    held::hold(&fresh, &bootstrap)?;
    drop(fresh);
    stack.stop(Duration::from_millis(100)).await;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
