//! A panic is a broken invariant of our own. It ends the scenario in which it
//! happens, with its text, and never the process. Knows nothing of scenarios.

use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::pin::pin;
use std::sync::Once;
use std::task::Poll;

use crate::error::EngineError;

tokio::task_local! {
    /// The text of a panic of the task at hand.
    static TEXT: RefCell<Option<String>>;
}

static HOOK: Once = Once::new();

/// Does work whose panics are errors with the panic's text. Such a panic is not
/// printed: the user reads it once, as the reason why the scenario ended.
///
/// What the work held is dropped with it. The recorder, which others share,
/// knows when it was left half-way.
pub(crate) async fn caught<T>(
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    HOOK.call_once(keep_texts);
    let caught = async {
        let mut work = pin!(work);
        poll_fn(|context| {
            let polled = panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context)));
            polled.unwrap_or_else(|_| {
                let text = TEXT.with(RefCell::take).unwrap_or_default();
                Poll::Ready(Err(EngineError::Broken(text)))
            })
        })
        .await
    };
    TEXT.scope(RefCell::default(), caught).await
}

/// Keeps the text of panics that are caught, and leaves all others to the hook
/// that was there before.
fn keep_texts() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if TEXT
            .try_with(|text| text.replace(Some(text_of(info))))
            .is_err()
        {
            before(info);
        }
    }));
}

fn text_of(info: &PanicHookInfo<'_>) -> String {
    let text = info.payload_as_str().unwrap_or("a panic without a text");
    match info.location() {
        Some(at) => format!("{text} ({}:{})", at.file(), at.line()),
        None => text.to_owned(),
    }
}
