//! A fault that is switched on: which requests it picks, and what it has met.
//! Knows nothing of bytes.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::evidence::EvidenceCounters;
use crate::fault::{FaultEffect, Pick, ProxyFault, RequestFilter};
use crate::requests::Content;

/// A fault while it lasts.
#[derive(Debug)]
pub(crate) struct ActiveFault {
    pub(crate) id: u64,
    pub(crate) fault: ProxyFault,
    pub(crate) evidence: EvidenceCounters,
    /// Requests that fitted.
    fitted: AtomicU64,
    /// The state that jitter is drawn from.
    draws: Mutex<u64>,
}

/// A request, as far as faults can tell requests apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) api: i16,
    pub(crate) client_id: Option<&'a str>,
    /// `None` for an API that the proxy cannot read.
    pub(crate) content: Option<&'a Content>,
}

impl ActiveFault {
    pub(crate) fn new(id: u64, fault: ProxyFault) -> Self {
        Self {
            id,
            draws: Mutex::new(fault.seed),
            fault,
            evidence: EvidenceCounters::default(),
            fitted: AtomicU64::new(0),
        }
    }

    /// Whether requests of this API can be its, by what their header says.
    pub(crate) fn concerns(&self, api: i16, client_id: Option<&str>) -> bool {
        self.fault.is_for(client_id)
            && self.fault.effect.requests().is_some_and(|on| {
                on.api.is_none_or(|it| it.0 == api)
                    && on
                        .client_id
                        .as_deref()
                        .is_none_or(|it| Some(it) == client_id)
            })
    }

    /// Whether it meets this request. Counts those that fit: each request must
    /// be asked about once.
    pub(crate) fn picks(
        &self,
        asked: Asked<'_>,
        name_of: impl Fn([u8; 16]) -> Option<String>,
    ) -> bool {
        let Some(on) = self.fault.effect.requests() else {
            return false;
        };
        if !self.concerns(asked.api, asked.client_id) || !fits(on, asked.content, name_of) {
            return false;
        }
        let number = self.fitted.fetch_add(1, Relaxed) + 1;
        match on.pick {
            Pick::Every => true,
            Pick::Nth(nth) => number == nth,
            Pick::First(first) => number <= first,
            Pick::Probability(probability) => {
                unit(split_mix(self.fault.seed ^ split_mix(number))) < probability
            }
        }
    }

    /// How much later bytes of now arrive, jitter included.
    pub(crate) fn latency(&self) -> Duration {
        let FaultEffect::Latency {
            latency_ms,
            jitter_ms,
            ..
        } = self.fault.effect
        else {
            return Duration::ZERO;
        };
        if jitter_ms == 0 {
            return Duration::from_millis(latency_ms);
        }
        let mut state = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(1);
        let drawn = split_mix(*state) % (2 * jitter_ms * 1000 + 1);
        let latest_us = (latency_ms + jitter_ms) * 1000;
        Duration::from_micros(latest_us.saturating_sub(drawn))
    }
}

fn fits(
    on: &RequestFilter,
    content: Option<&Content>,
    name_of: impl Fn([u8; 16]) -> Option<String>,
) -> bool {
    if !on.looks_inside() {
        return true;
    }
    let Some(content) = content else {
        return false;
    };
    let one_of = |wanted: &Option<String>, asked: &[String]| {
        wanted
            .as_ref()
            .is_none_or(|it| asked.contains(it) || content.keys.contains(it))
    };
    let topic_fits = || {
        content.topics.iter().any(|topic| {
            on.topic.as_ref().is_none_or(|wanted| {
                topic.name.as_ref() == Some(wanted)
                    || topic.id.and_then(&name_of).as_ref() == Some(wanted)
            }) && on.partition.is_none_or(|it| topic.partitions.contains(&it))
        })
    };
    one_of(&on.group, &content.groups)
        && one_of(&on.transactional_id, &content.transactional_ids)
        && ((on.topic.is_none() && on.partition.is_none()) || topic_fits())
}

/// The finaliser of Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators" (2014): enough to spread a seed.
fn split_mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// From 0 up to, and without, 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn unit(drawn: u64) -> f64 {
    (drawn >> 11) as f64 / (1u64 << 53) as f64
}
