//! Where librdkafka comes from: the version that is built in, or a shared
//! library. Knows nothing of clients.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};

use crate::functions::{BUILT_IN, Functions};

/// A librdkafka, ready to be used. Copies are the same one.
#[derive(Clone, Copy)]
pub struct Librdkafka {
    pub(crate) functions: &'static Functions,
}

/// Why a file cannot be used as librdkafka.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is none that can be loaded.
    #[error("cannot load {path} as a shared library: {reason}", path = path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// It is a library, and another one.
    #[error("{path} is no librdkafka: it has no rd_kafka_version_str", path = path.display())]
    Other {
        /// Which.
        path: PathBuf,
    },
    /// It lacks what ackproof needs.
    #[error(
        "{path} is librdkafka {version}, which has no {function}: ackproof runs librdkafka 1.4.0 and later",
        path = path.display()
    )]
    TooOld {
        /// Which.
        path: PathBuf,
        /// Its version.
        version: String,
        /// What it lacks.
        function: &'static str,
    },
}

/// `rd_kafka_version_str`.
type Version = unsafe extern "C" fn() -> *const c_char;

impl Librdkafka {
    /// The version that is part of this program.
    pub const fn built_in() -> Self {
        Self {
            functions: &BUILT_IN,
        }
    }

    /// Loads a shared library, and keeps it loaded for good: threads of a
    /// client may still run in its code a moment after the client is gone.
    ///
    /// The file's own initialisers run. It is code that the user chose to run.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        // A name without a folder would be searched for in the system's.
        let file = path.canonicalize().map_err(|error| LoadError::Open {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        // SAFETY: initialisers of a shared library can do anything; that the
        // file is one to run is the user's word. Its symbols stay its own
        // (`RTLD_LOCAL`), beside those of the version that is built in.
        let library = unsafe { libloading::Library::new(&file) };
        let library = library.map_err(|error| LoadError::Open {
            path: path.to_owned(),
            reason: words_of(&error),
        })?;
        // SAFETY: a function of this name is librdkafka's, of this type.
        let version = unsafe { library.get::<Version>("rd_kafka_version_str") };
        let Ok(version) = version.map(|it| *it) else {
            let path = path.to_owned();
            return Err(LoadError::Other { path });
        };
        // SAFETY: as documented: it takes nothing and returns a constant.
        let version = unsafe { text(version()) };
        // SAFETY: it has librdkafka's own function for its version.
        let functions = unsafe { Functions::of(&library) };
        let functions = functions.map_err(|function| LoadError::TooOld {
            path: path.to_owned(),
            version,
            function,
        })?;
        std::mem::forget(library);
        Ok(Self {
            functions: Box::leak(Box::new(functions)),
        })
    }

    /// Its version by its own word, such as `2.12.1`.
    pub fn version(self) -> String {
        // SAFETY: as documented: a constant.
        unsafe { text((self.functions.rd_kafka_version_str)()) }
    }
}

impl std::fmt::Debug for Librdkafka {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "librdkafka {}", self.version())
    }
}

/// The loader's words, which it keeps apart from its error.
fn words_of(error: &libloading::Error) -> String {
    use std::error::Error as _;
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// A copy of a text of the library's; empty for none.
///
/// # Safety
/// `chars` is null or a string that ends with a zero byte.
pub(crate) unsafe fn text(chars: *const c_char) -> String {
    if chars.is_null() {
        return String::new();
    }
    // SAFETY: the caller's.
    let text = unsafe { CStr::from_ptr(chars) };
    text.to_string_lossy().trim().to_owned()
}
