//! The end of a checker whose invariant does not hold: whatever rests
//! on it cannot tell, and the process goes on. Knows nothing of any invariant;
//! they are asserted where they are relied on, with a text that says what is
//! wrong, and must hold for every history, however hostile.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a part of a check.
///
/// # Errors
/// The text of the invariant, where one is broken: the check then cannot tell
/// anything.
pub fn guarded<T>(part: impl FnOnce() -> T) -> Result<T, String> {
    // What the part leaves behind half done is dropped with it.
    catch_unwind(AssertUnwindSafe(part)).map_err(|panic| text_of(panic.as_ref()))
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let fixed = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = fixed.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it does not say which".to_owned())
}

/// A whole without a part of it.
pub(crate) fn without(whole: u64, part: u64, of: &str) -> u64 {
    assert!(part <= whole, "{of}: {part} of {whole}");
    whole - part
}
