//! Whose a file is, by its first events: a verifiable client has one topic,
//! and a producer one prefix. Knows nothing of the rest of the file.

use super::error::{KafkatestError, KafkatestFlaw};
use super::json::ToolEvent;
use super::numbers::{Counting, counting};
use super::quick::Kind;
use super::reading::{Halt, Halted, LineEvent, read};
use super::source::Source;
use super::summary::KafkatestSummary;

/// A client tells its topic in its first lines, or the file is an odd one.
const LINES_MAX: u64 = 1000;

/// The kind of client that wrote a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `VerifiableProducer`
    Producer,
    /// `VerifiableConsumer`
    Consumer,
}

impl Role {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// The kind of client that prints such events; none where both do.
    pub(super) const fn of(told: &LineEvent<'_>) -> Option<(Self, &'static str)> {
        match told {
            LineEvent::Record(record) => match record.kind {
                Kind::Sent => Some((Self::Producer, "producer_send_success")),
                Kind::Read => Some((Self::Consumer, "record_data")),
            },
            LineEvent::Other { said, .. } => match said {
                ToolEvent::Sent(_) => Some((Self::Producer, "producer_send_success")),
                ToolEvent::Unsent(_) => Some((Self::Producer, "producer_send_error")),
                ToolEvent::Total(_) => Some((Self::Producer, "tool_data")),
                ToolEvent::Read(_) => Some((Self::Consumer, "record_data")),
                ToolEvent::Consumed(_) => Some((Self::Consumer, "records_consumed")),
                ToolEvent::Assigned(_) => Some((Self::Consumer, "partitions_assigned")),
                ToolEvent::Revoked(_) => Some((Self::Consumer, "partitions_revoked")),
                ToolEvent::Committed(_) => Some((Self::Consumer, "offsets_committed")),
                ToolEvent::Started | ToolEvent::Ended | ToolEvent::Idle | ToolEvent::Unknown(_) => {
                    None
                }
            },
        }
    }

    /// Refuses events of the other kind.
    pub(super) const fn admit(self, told: &LineEvent<'_>) -> Result<(), KafkatestFlaw> {
        match (self, Self::of(told)) {
            (Self::Producer, Some((Self::Consumer, name))) => Err(KafkatestFlaw::Mixed {
                name,
                found: Self::Consumer.name(),
                file: Self::Producer.name(),
            }),
            (Self::Consumer, Some((Self::Producer, name))) => Err(KafkatestFlaw::Mixed {
                name,
                found: Self::Producer.name(),
                file: Self::Consumer.name(),
            }),
            _ => Ok(()),
        }
    }
}

/// The facts in the first events of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// None where nothing in the file tells.
    pub(super) role: Option<Role>,
    /// When its first event was.
    pub(super) first_ms: Option<u64>,
    pub(super) topic: Option<Vec<u8>>,
    /// The value of its first record, of a producer.
    pub(super) value: Option<Counting>,
    /// Whether its first record has a key.
    pub(super) is_keyed: bool,
}

/// Reads as far as needed to know whose a file is.
pub(super) fn recognise(source: &Source) -> Result<Head, KafkatestError> {
    let mut head = Head::default();
    let mut events = 0;
    let mut records = 0;
    let went = read(source, &mut KafkatestSummary::default(), |told| {
        events += 1;
        head.learn(&told);
        records += u32::from(matches!(told, LineEvent::Record(_)));
        let known = head.topic.is_some() && records > 0;
        if head.role.is_some() && (known || events > LINES_MAX) {
            return Err(Halt::Enough);
        }
        Ok(())
    });
    match went {
        Ok(()) | Err(Halted::Enough | Halted::Anew) => Ok(head),
        Err(Halted::Error(error)) => Err(error),
    }
}

impl Head {
    fn learn(&mut self, told: &LineEvent<'_>) {
        let role = Role::of(told).map(|(role, _)| role);
        self.role = self.role.or(role);
        let (at_ms, topic, value) = match told {
            LineEvent::Record(record) => {
                self.is_keyed |= record.key.flatten().is_some();
                (record.at_ms, Some(record.topic), record.value)
            }
            LineEvent::Other { at_ms, said } => {
                let topic = match said {
                    ToolEvent::Unsent(unsent) => Some(&unsent.topic),
                    ToolEvent::Assigned(all) | ToolEvent::Revoked(all) => {
                        all.partitions.first().map(|it| &it.topic)
                    }
                    ToolEvent::Consumed(sum) => sum.partitions.first().map(|it| &it.topic),
                    ToolEvent::Committed(all) => all.offsets.first().map(|it| &it.topic),
                    _ => None,
                };
                let value = match said {
                    ToolEvent::Unsent(unsent) => unsent.value.as_ref(),
                    _ => None,
                };
                (
                    *at_ms,
                    topic.map(|topic| topic.as_bytes()),
                    value.map(|value| value.as_bytes()),
                )
            }
        };
        self.first_ms.get_or_insert(at_ms);
        if self.topic.is_none() && topic.is_some() {
            self.topic = topic.map(<[u8]>::to_vec);
            self.value = value.and_then(counting);
        }
    }
}
