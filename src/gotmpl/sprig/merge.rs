//! mergo v1.0.1 for maps, as `merge` and `mergeOverwrite` call it.
//!
//! In: two maps. Out: the first one changed. What surprises, and is kept:
//! - a value of the source is shared, not copied: a later `set` in it shows in both;
//! - nil in the source overwrites, but adds nothing; an empty list, `""`, 0 and false overwrite as well;
//! - a value of the destination that is empty (`""`, 0, false, an empty list or map, nil) gives way without
//!   `Overwrite` too.

use super::super::json::VALUE_DEPTH_MAX;
use super::super::value::{Map, Value};

/// Merges a source into a destination, in place.
pub(super) fn merge(into: &Map, from: &Map, overwrite: bool) -> Result<(), String> {
    merge_at(into, from, overwrite, 0)
}

fn merge_at(into: &Map, from: &Map, overwrite: bool, depth: usize) -> Result<(), String> {
    if into.same(from) {
        return Ok(());
    }
    if depth > VALUE_DEPTH_MAX {
        return Err("merge: a dictionary holds itself".into());
    }
    // Nothing is borrowed while maps within are merged, as they may be these ones again.
    let sources: Vec<_> = from.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, source) in sources {
        let present = into.entries.borrow().get(&key).cloned();
        if matches!(source, Value::Nil) {
            if overwrite {
                into.set(key, source);
            }
            continue;
        }
        let Some(present) = present else {
            into.set(key, source);
            continue;
        };
        if let (Value::Map(inner), Value::Map(source)) = (&present, &source) {
            merge_at(inner, source, overwrite, depth + 1)?;
            if present.truth() {
                continue;
            }
        }
        if overwrite || is_empty(&present) {
            into.set(key, source);
        }
    }
    Ok(())
}

/// mergo's `isEmptyValue`.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(object) if object.kind() == "struct" || object.kind() == "ptr" => false,
        other => !other.truth(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(entries: &[(&str, Value)]) -> Map {
        match Value::map(entries.iter().map(|(key, value)| ((*key).into(), value.clone())).collect()) {
            Value::Map(map) => map,
            _ => unreachable!("made as a map"),
        }
    }

    #[test]
    fn what_was_merged_in_is_shared() {
        let inner = dict(&[("x", Value::int(1))]);
        let (into, from) = (dict(&[]), dict(&[("inner", Value::Map(inner.clone()))]));
        merge(&into, &from, false).unwrap();
        inner.set("y", Value::int(2));
        assert_eq!(format!("{:?}", Value::Map(into)), r#"{"inner": {"x": 1int, "y": 2int}}"#);
    }

    #[test]
    fn maps_that_hold_themselves_end() {
        let (a, b) = (dict(&[]), dict(&[]));
        a.set("self", Value::Map(a.clone()));
        b.set("self", Value::Map(b.clone()));
        assert!(merge(&a, &b, true).is_err());
        assert!(merge(&a, &a, true).is_ok());
    }
}
