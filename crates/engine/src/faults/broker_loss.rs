//! A broker is killed and never comes back.

use std::time::Duration;

use model::ids::TopicPartition;
use model::scenario::{BrokerLoss, Effect, Election, EndSignal};
use wire::{BrokerId, ElectionType};

use super::broker::states;
use super::held::{HeldBroker, held};
use super::injection::{Breakable, Broken, FaultContext, Healed, Proof, Result};
use crate::connect::connect;
use crate::wait::Wait;

/// How often leaders are looked at.
const LEADER_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Gone {
    brokers: Vec<HeldBroker>,
    /// What they led when they went.
    led: Vec<TopicPartition>,
    election: Election,
}

impl Breakable for BrokerLoss {
    type Broken = Gone;

    async fn inject(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Gone> {
        let mut brokers = held(context, &self.broker, proof).await?;
        let ids: Vec<BrokerId> = brokers.iter().map(HeldBroker::id).collect();
        let mut cluster = connect(&context.target.direct()).await?;
        let mut led = Vec::new();
        for (partition, state) in states(&mut cluster, context).await? {
            if state.leader.is_some_and(|leader| ids.contains(&leader)) {
                led.push(partition);
            }
        }
        if context.effect.is_real() {
            for broker in &mut brokers {
                broker.end(EndSignal::Kill, context.folder, proof).await?;
            }
        }
        Ok(Gone {
            brokers,
            led,
            election: self.election,
        })
    }
}

impl Broken for Gone {
    async fn hold(&mut self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<()> {
        for broker in &self.brokers {
            let what = "the broker's port does not answer";
            broker.prove_silent(what, context, proof).await;
        }
        Ok(())
    }

    async fn heal(self, context: &FaultContext<'_>, proof: &mut Proof) -> Result<Healed> {
        let gone: Vec<BrokerId> = self.brokers.iter().map(HeldBroker::id).collect();
        let mut cluster = connect(&context.target.direct()).await?;
        // A cluster without a rule that lets others lead stays leaderless; then
        // this was no plan for it.
        let waiting = match context.effect {
            Effect::Real => context.recorder.waits().begin(Wait::Takeover, ""),
            Effect::None => context
                .recorder
                .waits()
                .begin_for(Wait::Takeover, "", Duration::ZERO),
        };
        let mut elected = 0u32;
        let led_by_others = loop {
            let now = states(&mut cluster, context).await?;
            let orphans: Vec<TopicPartition> = now
                .iter()
                .filter(|(_, state)| state.leader.is_none_or(|leader| gone.contains(&leader)))
                .map(|(partition, _)| partition.clone())
                .collect();
            if orphans.is_empty() || waiting.is_over() {
                break orphans.is_empty();
            }
            let leaderless: Vec<TopicPartition> = now
                .into_iter()
                .filter(|(_, state)| state.leader.is_none())
                .map(|(partition, _)| partition)
                .collect();
            if self.election == Election::Unclean && !leaderless.is_empty() {
                let outcomes = cluster
                    .elect_leaders(ElectionType::Unclean, &leaderless)
                    .await?;
                for (partition, outcome) in outcomes {
                    if outcome.is_ok() {
                        elected += 1;
                        proof.add(
                            "the operator's unclean election was carried out",
                            true,
                            partition.to_string(),
                        );
                    }
                }
            }
            waiting.pause(LEADER_INTERVAL).await;
        };
        let led: Vec<String> = self.led.iter().map(ToString::to_string).collect();
        proof.after(
            "every partition has a leader among the others",
            led_by_others,
            format!(
                "it led {}; {elected} elections were forced",
                if led.is_empty() {
                    "nothing".to_owned()
                } else {
                    led.join(", ")
                }
            ),
        );
        Ok(Healed::At(context.recorder.clock().now()))
    }
}
