//! What the price tables say of common claims about costs, and what follows from all
//! figures. An answer follows from the run's own figures, and from nothing else.

use crate::benchmark::Kind;
use crate::performance::{Answer, BenchmarkResult, CostClaim};
use crate::price::PriceRow;
use crate::shape::knee;
use crate::stats::Ratio;
use crate::words::number;

/// The claimed cost of idempotence, in percent of throughput.
const IDEMPOTENCE_PERCENT: f64 = 5.0;
/// That of exactly once.
const EXACTLY_ONCE_PERCENT: f64 = 30.0;

/// The claims that the tables have something to say about.
pub fn claims(prices: &[PriceRow]) -> Vec<CostClaim> {
    let idempotence = prices.iter().filter(|it| it.variant == "idempotent");
    let idempotence = idempotence.map(|row| {
        claim(
            "Idempotence costs 5 % of a producer's throughput".to_owned(),
            IDEMPOTENCE_PERCENT,
            row,
            "It depends on the size of batches, which share one sequence number, and on the broker's processors",
        )
    });
    let transactions = prices
        .iter()
        .filter(|it| it.variant.starts_with("exactly-once-"));
    let transactions = transactions.map(|row| {
        claim(
            format!("Exactly once costs 30 % of throughput ({})", row.differs),
            EXACTLY_ONCE_PERCENT,
            row,
            "It depends on the records of a transaction: each writes markers and waits for them",
        )
    });
    idempotence.chain(transactions).collect()
}

fn claim(sentence: String, claimed: f64, row: &PriceRow, depends_on: &str) -> CostClaim {
    let (answer, measured) = match row.rate {
        None => (
            Answer::NotEstablished,
            "fewer than two rounds were measured".to_owned(),
        ),
        Some(ratio) => (answer(ratio, claimed), cost_words(ratio)),
    };
    CostClaim {
        sentence,
        answer,
        reason: format!("{measured}, against {}. {depends_on}", row.base),
    }
}

/// A claim that lies in a wide interval is not confirmed by it.
fn answer(ratio: Ratio, claimed: f64) -> Answer {
    let (_, least, most) = ratio.cost_percent();
    if claimed < least || claimed > most {
        Answer::Contradicts
    } else if most - least <= 2.0 * claimed {
        Answer::Agrees
    } else {
        Answer::NotEstablished
    }
}

/// `4.1 % (1.2 % to 7.0 %, 95 % confidence, 10 rounds)`.
pub(crate) fn cost_words(ratio: Ratio) -> String {
    let (cost, least, most) = ratio.cost_percent();
    format!(
        "{cost:.1} % ({least:.1} % to {most:.1} %, 95 % confidence, {} rounds)",
        ratio.rounds
    )
}

/// Recommendations that the figures carry: none where an interval holds no difference.
pub fn advice(benchmarks: &[BenchmarkResult], prices: &[PriceRow]) -> Vec<String> {
    let mut all = Vec::new();
    let saturation = benchmarks.iter().find(|it| it.kind == Kind::Saturation);
    if let Some(run) = saturation.and_then(|it| it.runs.first()) {
        let knee = knee(&run.sections);
        let last = knee.last.and_then(|at| run.sections.get(at));
        if let (Some(last), Some(_)) = (last, knee.turn) {
            all.push(format!(
                "Plan for less than {} records a second for each producer on this machine: behind \
                 that the load is not kept up with.",
                number(last.offered_per_s)
            ));
        }
    }
    let rate = |name: &str| {
        let row = prices.iter().find(|it| it.variant == name);
        row.and_then(|it| it.rate)
    };
    if let (Some(idempotent), Some(one)) = (rate("idempotent"), rate("one-in-flight")) {
        if idempotent.low > one.high {
            all.push(
                "To keep the order, use idempotence and not one request in flight: it is faster \
                 here, and it removes duplicates too."
                    .to_owned(),
            );
        } else if one.low > idempotent.high {
            all.push(
                "One request in flight is faster than idempotence here. It does not remove \
                 duplicates."
                    .to_owned(),
            );
        }
    }
    for (name, setting) in [
        ("lz4", "compression.type=lz4"),
        ("zstd", "compression.type=zstd"),
        ("gzip", "compression.type=gzip"),
        ("large-batches", "batch.size=262144 and linger.ms=20"),
        ("linger-0", "linger.ms=0"),
    ] {
        let Some(ratio) = rate(name).filter(Ratio::differs) else {
            continue;
        };
        let words = if ratio.mean > 1.0 { "raises" } else { "lowers" };
        all.push(format!(
            "`{setting}` {words} throughput to {:.2} of that of the base ({:.2} to {:.2}).",
            ratio.mean, ratio.low, ratio.high
        ));
    }
    if let (Some(small), Some(large)) = (rate("exactly-once-10"), rate("exactly-once-1000"))
        && large.low > small.high
    {
        all.push(
            "Let transactions hold many records: those of 1000 cost less than those of 10. What \
             reads with read_committed waits for their end."
                .to_owned(),
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(variant: &str, rate: Option<Ratio>) -> PriceRow {
        PriceRow {
            table: "One broker".to_owned(),
            variant: variant.to_owned(),
            differs: "transactions of 100 records".to_owned(),
            base: "acks-all".to_owned(),
            rates_per_s: vec![1, 2, 3],
            fixed_p95_us: Vec::new(),
            spilled: 0,
            rate,
            latency: None,
        }
    }

    fn ratio(low: f64, high: f64) -> Ratio {
        Ratio {
            rounds: 10,
            mean: f64::midpoint(low, high),
            low,
            high,
        }
    }

    #[test]
    fn a_claim_agrees_only_where_the_interval_can_tell() {
        let answer = |rate| claims(&[row("idempotent", rate)])[0].answer;
        assert_eq!(answer(Some(ratio(0.93, 0.97))), Answer::Agrees);
        assert_eq!(answer(Some(ratio(0.97, 1.01))), Answer::Contradicts);
        assert_eq!(answer(Some(ratio(0.80, 0.90))), Answer::Contradicts);
        assert_eq!(answer(Some(ratio(0.60, 1.20))), Answer::NotEstablished);
        assert_eq!(answer(None), Answer::NotEstablished);
        let transactions = claims(&[row("exactly-once-100", Some(ratio(0.65, 0.75)))]);
        assert_eq!(transactions[0].answer, Answer::Agrees);
        assert!(transactions[0].sentence.contains("100 records"));
        assert!(claims(&[row("lz4", Some(ratio(0.5, 0.6)))]).is_empty());
    }

    #[test]
    fn nothing_is_recommended_for_a_difference_that_is_not_established() {
        let prices = [
            row("idempotent", Some(ratio(0.9, 1.1))),
            row("one-in-flight", Some(ratio(0.8, 1.0))),
            row("lz4", Some(ratio(0.9, 1.1))),
        ];
        assert!(advice(&[], &prices).is_empty());
        let prices = [
            row("idempotent", Some(ratio(0.9, 1.1))),
            row("one-in-flight", Some(ratio(0.2, 0.3))),
            row("lz4", Some(ratio(1.2, 1.4))),
        ];
        assert_eq!(advice(&[], &prices).len(), 2);
    }
}
