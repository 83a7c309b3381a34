//! The options of `bench`. What they mean is for the command.

use std::path::PathBuf;

use clap::Args;

use super::{DataFormat, VersionArgs, whole};

const BENCH_HELP: &str = "\
Benchmarks:
  baseline    60,000 records of 512 bytes at 1000/s, acks=all, lz4: p95 below 100 ms
  burst       5000/s for 10 s, and how long until latency is normal again
  sustained   500/s for 300 s: no drift of latency or memory
  saturation  a load that grows in steps, until it is not kept up with
  snapshot    895,837 rows that Debezium finds, in 10 minutes and 2 GiB
  streaming   100 row changes a second, visible within 5 s at p95; then as fast
              as the database answers
  startup     until the first acknowledgement and the first processed record,
              with and without the start-up archive
  price       acks, idempotence, requests in flight, compression, batches,
              replicas and transactions, in rounds whose order is reversed

Each runs alone, on brokers of its own, and is checked for loss, duplicates and
order as a scenario is: where records are lost it is VIOLATED, also where the
scenario expects that. Latency counts from the moment at which a record was due.
A limit that is missed while others use the machine is INCONCLUSIVE.

The directory is a run directory; performance.html, performance.md and
performance.json are added. docs/guides/performance.md explains them.

Exit codes:
  0    every criterion held
  1    a criterion is violated
  2    bad usage or bad input; nothing was started
  3    a criterion is inconclusive, and none violated
  4    the environment failed: a download, a port, a process that would not start
  130  interrupted";

#[derive(Clone, Debug, Args)]
#[command(after_help = BENCH_HELP)]
pub(crate) struct BenchArgs {
    /// Benchmarks, or scenarios as `run` takes them [default: all benchmarks]
    #[arg(value_name = "BENCHMARK|SCENARIO|FILE.toml")]
    pub(crate) names: Vec<String>,
    /// Smaller loads of every kind: less than three minutes (the default)
    #[arg(long, conflicts_with = "full")]
    pub(crate) quick: bool,
    /// The loads that are named below
    #[arg(long)]
    pub(crate) full: bool,
    /// Output directory: empty, or not there yet [default: runs/DATE-TIME-SEED, in UTC]
    #[arg(long, alias = "output", value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Random seed of partitions and delays [default: random, and printed]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(0, u64::MAX),
          allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// What goes to standard output
    #[arg(long, value_enum, default_value_t = DataFormat::Human)]
    pub(crate) format: DataFormat,
    #[command(flatten)]
    pub(crate) versions: VersionArgs,
}
