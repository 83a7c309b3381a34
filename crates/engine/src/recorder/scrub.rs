//! Words of others in a history, without the secrets of who was configured.
//! Names and numbers stay as they are: the history means something by them.

use model::event::{Body, Outcome, TransactionOutcome};
use secret::Secrets;

/// Removes secrets from texts that are not ours.
pub(super) fn scrub(body: &mut Body, secrets: &Secrets) {
    let clean = |text: &mut String| *text = secrets.scrub(text).into_owned();
    match body {
        Body::Aborted { reason: text }
        | Body::Incomplete { description: text }
        | Body::ConnectorSeen { trace: text, .. }
        | Body::FaultNotHealed { why: text, .. }
        | Body::SendCompleted {
            outcome: Outcome::Failed { error: text } | Outcome::Unknown { error: text },
            ..
        }
        | Body::TransactionCompleted {
            outcome: TransactionOutcome::Unknown { error: text },
            ..
        } => clean(text),
        Body::ClientErred { error, reason, .. } => {
            clean(error);
            clean(reason);
        }
        Body::FaultEvidence { evidence, .. } | Body::FaultAftermath { evidence, .. } => {
            clean(&mut evidence.detail);
        }
        Body::CaptureBegan { settings, .. } => {
            for setting in settings {
                clean(&mut setting.description);
            }
        }
        _ => {}
    }
}
