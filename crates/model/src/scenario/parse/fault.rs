//! A fault as it is written: one flat table. Knows how plans nest the keys that
//! go together; nothing of which keys a fault has.

use serde::Deserialize;
use toml::{Table, Value};

use crate::scenario::Fault;

/// Reads a fault whose keys and values fit the format.
pub(super) fn read(mut keys: Table) -> Result<Fault, String> {
    let flat = keys.clone();
    // A part with keys of its own has them beside it.
    match keys.get_mut("broker") {
        Some(Value::String(part)) if part != "all" && part != "controller" => {
            let part = std::mem::take(part);
            keys.insert("broker".to_owned(), nested(part, flat.clone()));
        }
        Some(number @ Value::Integer(_)) => *number = nested("number".to_owned(), number.clone()),
        _ => {}
    }
    if keys.contains_key("api") {
        keys.insert("requests".to_owned(), flat.clone().into());
    }
    let is_once = !keys.contains_key("times");
    let kind = Value::from(keys.clone());
    keys.insert("kind".to_owned(), kind);
    let fault = Fault::deserialize(Value::from(keys));
    let fault = fault.map_err(|error| error.message().to_owned())?;
    if is_once && fault.pause_ms > 0 {
        return Err("`pause_ms` lies between the `times` of a fault".to_owned());
    }
    Ok(fault)
}

fn nested(key: String, value: impl Into<Value>) -> Value {
    Table::from_iter([(key, value.into())]).into()
}
