//! A client's configuration, before the client is made of it.

use std::ffi::{CString, c_char};
use std::ptr;

use crate::functions::Conf;
use crate::library::{Librdkafka, text};

/// Room for librdkafka's words on what is wrong.
pub(crate) const WORDS: usize = 512;

/// `rd_kafka_conf_t`.
pub struct Properties {
    pub(crate) library: Librdkafka,
    raw: *mut Conf,
}

/// Why a property is not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// This version has no such property.
    #[error("{0}")]
    Unknown(String),
    /// The value does not fit.
    #[error("{0}")]
    Invalid(String),
}

impl Properties {
    /// librdkafka's defaults.
    pub fn new(library: Librdkafka) -> Self {
        // SAFETY: as documented: takes nothing.
        let raw = unsafe { (library.functions.rd_kafka_conf_new)() };
        Self { library, raw }
    }

    /// Sets a property.
    ///
    /// # Errors
    /// librdkafka's words.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SetError> {
        // `rd_kafka_conf_res_t`.
        const UNKNOWN: i32 = -2;
        let zero = |_| SetError::Invalid("it contains a zero byte".to_owned());
        let (key, value) = (
            CString::new(key).map_err(zero)?,
            CString::new(value).map_err(zero)?,
        );
        let mut words = [0 as c_char; WORDS];
        // SAFETY: alive: the configuration is ours. As documented: two strings,
        // and room for words in its length.
        let result = unsafe {
            (self.library.functions.rd_kafka_conf_set)(
                self.raw,
                key.as_ptr(),
                value.as_ptr(),
                words.as_mut_ptr(),
                words.len(),
            )
        };
        // SAFETY: it starts as zeros, and librdkafka ends what it writes there
        // with a zero.
        let words = unsafe { text(words.as_ptr()) };
        match result {
            0 => Ok(()),
            UNKNOWN => Err(SetError::Unknown(words)),
            _ => Err(SetError::Invalid(words)),
        }
    }

    /// The value of a property, if there is one. Of topics' own properties
    /// (`acks`, `auto.offset.reset`) only once one of them was set.
    pub fn get(&self, key: &str) -> Option<String> {
        // SAFETY: alive: it is ours.
        unsafe { get(self.library, self.raw, key) }
    }

    /// Gives up the configuration to a client.
    pub(crate) fn into_raw(self) -> *mut Conf {
        let raw = self.raw;
        std::mem::forget(self);
        raw
    }

    pub(crate) const fn raw(&mut self) -> *mut Conf {
        self.raw
    }
}

impl Drop for Properties {
    fn drop(&mut self) {
        // SAFETY: alive: it is ours, and was not given up.
        unsafe { (self.library.functions.rd_kafka_conf_destroy)(self.raw) }
    }
}

/// The value of a property, if there is one.
///
/// # Safety
/// `conf` lives during the call.
pub(crate) unsafe fn get(library: Librdkafka, conf: *const Conf, key: &str) -> Option<String> {
    let key = CString::new(key).ok()?;
    let get = library.functions.rd_kafka_conf_get;
    let mut size = 0;
    // SAFETY: as documented: without room, it tells how much the value needs,
    // with its zero byte.
    if unsafe { get(conf, key.as_ptr(), ptr::null_mut(), &raw mut size) } != 0 {
        return None;
    }
    let mut value = vec![0 as c_char; size.max(1)];
    // SAFETY: as documented: room in its length.
    if unsafe { get(conf, key.as_ptr(), value.as_mut_ptr(), &raw mut size) } != 0 {
        return None;
    }
    // SAFETY: it ends with a zero byte, also where librdkafka wrote nothing.
    Some(unsafe { text(value.as_ptr()) })
}
