//! How many requests went to brokers, by API. Knows nothing of their answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::ApiKey;

/// Requests sent, by API. Copies count together.
#[derive(Clone, Debug, Default)]
pub struct RequestCounts(Arc<Mutex<BTreeMap<i16, u64>>>);

impl RequestCounts {
    pub(crate) fn add(&self, api: ApiKey) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(api.0).or_default() += 1;
    }

    /// The count of each API, by Kafka's name of it.
    pub fn by_name(&self) -> BTreeMap<String, u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |(api, count): (&i16, &u64)| (ApiKey(*api).to_string(), *count);
        counts.iter().map(named).collect()
    }
}
