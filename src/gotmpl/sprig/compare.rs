//! Go's `reflect.DeepEqual`: equal only if of one type, so the int 1 and the float 1 differ.

use std::rc::Rc;

use super::super::value::{List, Value};

/// Values deeper than this count as equal where they were so far; they hold themselves.
const DEPTH_MAX: usize = 1_000;

/// Whether two values have one type and one content.
pub fn deep_equal(a: &Value, b: &Value) -> bool {
    equal(a, b, 0)
}

fn equal(a: &Value, b: &Value, depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return true;
    }
    match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a, kind), Value::Int(b, other)) => kind == other && a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::List(a), Value::List(b)) => lists_equal(a, b, depth),
        (Value::Map(a), Value::Map(b)) => {
            if a.map_type != b.map_type {
                return false;
            }
            if a.same(b) {
                return true;
            }
            let (a, b) = (a.entries.borrow(), b.entries.borrow());
            a.len() == b.len()
                && a.iter().zip(b.iter()).all(|((key, x), (other, y))| key == other && equal(x, y, depth + 1))
        }
        (Value::Object(a), Value::Object(b)) => {
            if Rc::ptr_eq(a, b) {
                return true;
            }
            a.type_name() == b.type_name()
                && match (a.as_data(), b.as_data()) {
                    (Some(a), Some(b)) => equal(&a, &b, depth + 1),
                    _ => a.print() == b.print(),
                }
        }
        _ => false,
    }
}

fn lists_equal(a: &List, b: &List, depth: usize) -> bool {
    a.element == b.element
        && a.items.len() == b.items.len()
        && (Rc::ptr_eq(&a.items, &b.items) || a.items.iter().zip(b.items.iter()).all(|(x, y)| equal(x, y, depth + 1)))
}
