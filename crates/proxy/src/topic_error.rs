//! A broker's answer to Metadata that says of one topic that it has an error, and
//! is right otherwise: with the brokers, without which clients take no answer for
//! one. Pure.

use crate::fault::InjectedError;
use crate::schema::{Malformed, Mark, Seen, look_through};
use crate::schemas::{addressed, api};

/// An error that an answer is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicError {
    pub(crate) code: InjectedError,
    /// Of this topic; of every one where none is named.
    pub(crate) topic: Option<String>,
}

impl TopicError {
    /// Puts it into the body of an answer of this version.
    pub(crate) fn put_into(&self, version: i16, body: &mut [u8]) -> Result<(), Malformed> {
        let Some(metadata) = addressed(api::METADATA) else {
            return Ok(());
        };
        let mut places = Vec::new();
        let mut last = None;
        look_through(metadata.schema, version, body, |seen| {
            match seen {
                Seen::Field {
                    mark: Mark::TopicError,
                    at,
                    ..
                } => last = Some(at),
                Seen::Field {
                    mark: Mark::TopicName,
                    value,
                    ..
                } => {
                    let wanted = self.topic.as_deref().map(str::as_bytes);
                    if wanted.is_none_or(|wanted| wanted == value) {
                        places.extend(last);
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        for at in places {
            let place = body.get_mut(at..at + 2).ok_or(Malformed::End)?;
            place.copy_from_slice(&self.code.0.to_be_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponseTopic,
    };
    use kafka_protocol::messages::{MetadataResponse, TopicName};
    use kafka_protocol::protocol::{Decodable as _, StrBytes};

    use super::*;
    use crate::messages::encoded;

    #[test]
    fn one_topic_gets_the_error_and_nothing_else_changes() {
        let topic = |name: &'static str| {
            let name = TopicName(StrBytes::from_static_str(name));
            MetadataResponseTopic::default().with_name(Some(name))
        };
        for version in 1..=13 {
            let answer = MetadataResponse::default()
                .with_brokers(vec![MetadataResponseBroker::default()])
                .with_topics(vec![topic("orders"), topic("invoices")]);
            let mut body = encoded(&answer, version);
            let error = TopicError {
                code: InjectedError(3),
                topic: Some("invoices".to_owned()),
            };
            error.put_into(version, &mut body).unwrap();
            let mut read = bytes::Bytes::from(body);
            let read = MetadataResponse::decode(&mut read, version).unwrap();
            let codes: Vec<i16> = read.topics.iter().map(|it| it.error_code).collect();
            assert_eq!((read.brokers.len(), codes), (1, vec![0, 3]), "{version}");
        }
    }
}
