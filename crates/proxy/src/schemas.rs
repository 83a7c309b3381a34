//! The messages that the proxy looks into: answers that carry brokers'
//! addresses, and requests that faults can pick by what they ask for. From the
//! message definitions of Apache Kafka 4.3
//! (`clients/src/main/resources/common/message`). Knows nothing of what is done
//! with them.

use crate::schema::Kind::{Array, Blob, Fixed, Here, Tags, Text};
use crate::schema::{Field, Kind, Mark, Schema};

/// The keys of the APIs that the proxy treats in a way of their own.
pub(crate) mod api {
    pub(crate) const PRODUCE: i16 = 0;
    pub(crate) const FETCH: i16 = 1;
    pub(crate) const METADATA: i16 = 3;
    pub(crate) const FIND_COORDINATOR: i16 = 10;
    pub(crate) const SASL_HANDSHAKE: i16 = 17;
    pub(crate) const API_VERSIONS: i16 = 18;
    pub(crate) const SASL_AUTHENTICATE: i16 = 36;
    pub(crate) const DESCRIBE_CLUSTER: i16 = 60;
    pub(crate) const SHARE_FETCH: i16 = 78;
    pub(crate) const SHARE_ACKNOWLEDGE: i16 = 79;
}

/// How the answers of an API tell clients where brokers are.
#[derive(Debug)]
pub(crate) struct Addressed {
    pub(crate) schema: &'static Schema,
    /// The oldest version with addresses in it.
    pub(crate) since: i16,
    /// Whether it may carry records, and so be larger than is worth holding.
    pub(crate) size: Size,
}

/// How large an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Held as a whole.
    Held,
    /// With records: streamed up to its tail when it is large.
    Streamed,
}

/// The answers of this API, if they carry addresses in some version.
pub(crate) fn addressed(api: i16) -> Option<&'static Addressed> {
    Some(match api {
        api::PRODUCE => &PRODUCE_ANSWER,
        api::FETCH => &FETCH_ANSWER,
        api::METADATA => &METADATA_ANSWER,
        api::FIND_COORDINATOR => &FIND_COORDINATOR_ANSWER,
        api::DESCRIBE_CLUSTER => &DESCRIBE_CLUSTER_ANSWER,
        api::SHARE_FETCH => &SHARE_FETCH_ANSWER,
        api::SHARE_ACKNOWLEDGE => &SHARE_ACKNOWLEDGE_ANSWER,
        _ => return None,
    })
}

const fn f(kind: Kind) -> Field {
    Field::new(kind)
}

const TAGS: Field = f(Tags(&[]));
const NODE: Field = f(Fixed(4)).marked(Mark::Node);
const HOST: Field = f(Text).marked(Mark::Host);
const PORT: Field = f(Fixed(4)).marked(Mark::Port);
const TAIL: Field = f(Here).marked(Mark::Tail);

/// Id, host, port, rack.
const NODE_ENDPOINTS: Kind = Array(&[NODE, HOST, PORT, f(Text), TAGS]);

static METADATA_ANSWER: Addressed = Addressed {
    since: 0,
    size: Size::Held,
    schema: &Schema {
        newest: 13,
        flexible_from: 9,
        fields: &[
            f(Fixed(4)).from(3),
            f(Array(&[NODE, HOST, PORT, f(Text).from(1), TAGS])),
            f(Text).from(2),
            f(Fixed(4)).from(1),
            f(Array(&[
                f(Fixed(2)).marked(Mark::TopicError),
                f(Text).marked(Mark::TopicName),
                f(Fixed(16)).from(10).marked(Mark::TopicId),
                f(Fixed(1)).from(1),
                f(Array(&[
                    f(Fixed(10)),
                    f(Fixed(4)).from(7),
                    f(Array(&[f(Fixed(4))])),
                    f(Array(&[f(Fixed(4))])),
                    f(Array(&[f(Fixed(4))])).from(5),
                    TAGS,
                ])),
                f(Fixed(4)).from(8),
                TAGS,
            ])),
            f(Fixed(4)).from(8).to(10),
            f(Fixed(2)).from(13),
            TAGS,
        ],
    },
};

static FIND_COORDINATOR_ANSWER: Addressed = Addressed {
    since: 0,
    size: Size::Held,
    schema: &Schema {
        newest: 6,
        flexible_from: 3,
        fields: &[
            f(Fixed(4)).from(1),
            f(Fixed(2)).to(3),
            f(Text).from(1).to(3),
            NODE.to(3),
            HOST.to(3),
            PORT.to(3),
            f(Array(&[
                f(Text),
                NODE,
                HOST,
                PORT,
                f(Fixed(2)),
                f(Text),
                TAGS,
            ]))
            .from(4),
            TAGS,
        ],
    },
};

static DESCRIBE_CLUSTER_ANSWER: Addressed = Addressed {
    since: 0,
    size: Size::Held,
    schema: &Schema {
        newest: 2,
        flexible_from: 0,
        fields: &[
            f(Fixed(6)),
            f(Text),
            f(Fixed(1)).from(1),
            f(Text),
            f(Fixed(4)),
            f(Array(&[
                NODE,
                HOST,
                PORT,
                f(Text),
                f(Fixed(1)).from(2),
                TAGS,
            ])),
            f(Fixed(4)),
            TAGS,
        ],
    },
};

/// KIP-951: where the new leader is, told with the error.
static PRODUCE_ANSWER: Addressed = Addressed {
    since: 10,
    size: Size::Streamed,
    schema: &Schema {
        newest: 13,
        flexible_from: 9,
        fields: &[
            f(Array(&[
                f(Text).to(12),
                f(Fixed(16)).from(13),
                f(Array(&[
                    f(Fixed(22)),
                    f(Fixed(8)).from(5),
                    f(Array(&[f(Fixed(4)), f(Text), TAGS])).from(8),
                    f(Text).from(8),
                    TAGS,
                ])),
                TAGS,
            ])),
            f(Fixed(4)),
            TAIL,
            f(Tags(&[(0, &[f(NODE_ENDPOINTS)])])),
        ],
    },
};

/// KIP-951 likewise.
static FETCH_ANSWER: Addressed = Addressed {
    since: 16,
    size: Size::Streamed,
    schema: &Schema {
        newest: 18,
        flexible_from: 12,
        fields: &[
            f(Fixed(4)),
            f(Fixed(6)).from(7),
            f(Array(&[
                f(Text).to(12),
                f(Fixed(16)).from(13),
                f(Array(&[
                    f(Fixed(22)),
                    f(Fixed(8)).from(5),
                    f(Array(&[f(Fixed(16)), TAGS])),
                    f(Fixed(4)).from(11),
                    f(Blob),
                    TAGS,
                ])),
                TAGS,
            ])),
            TAIL,
            f(Tags(&[(0, &[f(NODE_ENDPOINTS)])])),
        ],
    },
};

/// KIP-932; version 0 is the early access of Kafka 4.0.
static SHARE_FETCH_ANSWER: Addressed = Addressed {
    since: 0,
    size: Size::Streamed,
    schema: &Schema {
        newest: 2,
        flexible_from: 0,
        fields: &[
            f(Fixed(6)),
            f(Text),
            f(Fixed(4)).from(1),
            f(Array(&[
                f(Fixed(16)),
                f(Array(&[
                    f(Fixed(6)),
                    f(Text),
                    f(Fixed(2)),
                    f(Text),
                    f(Fixed(8)),
                    TAGS,
                    f(Blob),
                    f(Array(&[f(Fixed(18)), TAGS])),
                    TAGS,
                ])),
                TAGS,
            ])),
            TAIL,
            f(NODE_ENDPOINTS),
            TAGS,
        ],
    },
};

static SHARE_ACKNOWLEDGE_ANSWER: Addressed = Addressed {
    since: 0,
    size: Size::Streamed,
    schema: &Schema {
        newest: 2,
        flexible_from: 0,
        fields: &[
            f(Fixed(6)),
            f(Text),
            f(Fixed(4)).from(2),
            f(Array(&[
                f(Fixed(16)),
                f(Array(&[f(Fixed(6)), f(Text), f(Fixed(8)), TAGS, TAGS])),
                TAGS,
            ])),
            TAIL,
            f(NODE_ENDPOINTS),
            TAGS,
        ],
    },
};

/// The keys and versions of the APIs that a broker offers. What follows them
/// is of no interest.
pub(crate) static API_VERSIONS_ANSWER: Schema = Schema {
    newest: i16::MAX,
    flexible_from: 3,
    fields: &[
        f(Fixed(2)),
        f(Array(&[
            f(Fixed(2)).marked(Mark::ApiKey),
            f(Fixed(2)),
            f(Fixed(2)).marked(Mark::MaxVersion),
            TAGS,
        ])),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{ANSWERS, answer, oldest};
    use crate::schema::look_through;

    /// Kafka's own definitions, as another generator made code of them, are
    /// what the schemas are held against.
    #[test]
    fn every_version_is_walked_along_to_its_last_byte() {
        for &(api, newest) in ANSWERS {
            let known = addressed(api).unwrap();
            assert!(known.schema.newest >= newest);
            for version in oldest(api)..=newest {
                for brokers in [0, 1, 3] {
                    let body = answer(api, version, brokers);
                    let end = look_through(known.schema, version, &body, |_| Ok(()));
                    assert_eq!(end, Ok(body.len()), "API {api} version {version}");
                }
            }
        }
    }

    #[test]
    fn a_message_that_is_cut_off_anywhere_is_malformed() {
        for &(api, newest) in ANSWERS {
            let body = answer(api, newest, 2);
            for end in 0..body.len() {
                let walked =
                    look_through(addressed(api).unwrap().schema, newest, &body[..end], |_| {
                        Ok(())
                    });
                assert!(walked.is_err(), "API {api}, {end} bytes");
            }
        }
    }
}
