//! Which ackproof this is.

use std::sync::OnceLock;

/// Its version, and the commit it was built from where that is known:
/// `0.1.0 (599a425f61de)`.
pub(crate) fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| match option_env!("ACKPROOF_COMMIT") {
        Some(commit) => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_owned(),
    })
}
