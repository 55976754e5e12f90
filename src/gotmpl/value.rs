//! The values that templates work on, with Go's kinds and Go's sharing: a map is a reference, so `set` on it is
//! seen by everybody who holds it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// A value of a running template. Lives on one thread; templates themselves are shared between threads.
#[derive(Clone)]
pub enum Value {
    /// Go's untyped nil: a missing key, a YAML null, the literal `nil`.
    Nil,
    /// `bool`.
    Bool(bool),
    /// Any of Go's integer types that a template can meet.
    Int(i64, IntKind),
    /// `float64`: every number that came from YAML or JSON.
    Float(f64),
    /// `string` that is valid UTF-8: nearly all.
    Str(Arc<str>),
    /// `string` (or `[]byte`) of other bytes: a binary file, a decoded key.
    Bytes(Arc<[u8]>),
    /// A slice; the functions that change one make a new one.
    List(List),
    /// `map[string]interface {}` and its named kin, shared by reference.
    Map(Map),
    /// A Go struct or interface value with fields and methods: `.Capabilities`, `.Files`, a `time.Time`.
    Object(Rc<dyn Object>),
}

/// Which of Go's integer types a number has; seen by `typeOf`, `printf "%T"` and nothing much else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IntKind {
    Int,
    Int64,
    Int32,
    Uint64,
    Uint8,
}

/// A slice with the name of its element type.
#[derive(Clone)]
pub struct List {
    /// The elements.
    pub items: Rc<Vec<Value>>,
    /// The Go type of the elements, for `typeOf` and `%T`.
    pub element: ElementType,
}

/// The element type of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ElementType {
    Interface,
    String,
    Int,
    List,
    /// A nil `[]interface {}`: empty, but `null` in JSON and YAML.
    NilInterface,
    /// A nil `[]string`.
    NilString,
}

/// A Go map with text keys, sorted as `range` and printing sort them.
#[derive(Clone)]
pub struct Map {
    /// The entries; borrow for short, never across a call into a template.
    pub entries: Rc<RefCell<BTreeMap<Arc<str>, Value>>>,
    /// The Go type.
    pub map_type: MapType,
}

/// The Go type of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapType {
    /// `map[string]interface {}`.
    Interface,
    /// `chartutil.Values`: what Helm makes of `.Values` and of the root.
    Values,
    /// `map[string]string`.
    Strings,
}

/// A Go value with fields and methods.
pub trait Object {
    /// The Go type's name, as `%T` prints it.
    fn type_name(&self) -> &str;
    /// A field; `None` where Go would say "can't evaluate field".
    fn field(&self, name: &str) -> Option<Value>;
    /// The names of the fields, for suggestions.
    fn field_names(&self) -> Vec<&str> {
        Vec::new()
    }
    /// Whether `name` is a method (called with or without arguments) rather than a field.
    fn has_method(&self, name: &str) -> bool;
    /// Calls a method.
    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String>;
    /// What `{{ . }}` prints (`fmt.Stringer`, or Go's struct notation).
    fn print(&self) -> String;
    /// The same as plain data, for `toYaml`, `range`, `index` and friends; `None` where Go could not either.
    fn as_data(&self) -> Option<Value> {
        None
    }
    /// The fields of a struct as JSON shows them, in the order that JSON has them in; `None` for what is no struct.
    fn json_fields(&self) -> Option<Vec<(&str, Value)>> {
        None
    }
    /// The fields of a struct in Go's order, the hidden ones too, as `fmt` walks them; `None` for what is no struct.
    fn struct_fields(&self) -> Option<Vec<(&str, Value)>> {
        None
    }
    /// Whether `fmt` prints it by a method, so that [`Object::print`] is what `%s` and its kin show.
    fn is_stringer(&self) -> bool {
        true
    }
    /// What a function is given of it: a copy, which has lost the methods that only an addressable value has.
    fn copied(&self) -> Option<Value> {
        None
    }
    /// The content of a `[]byte`, which is text for some functions, Base64 in JSON, and numbers elsewhere.
    fn byte_slice(&self) -> Option<&[u8]> {
        None
    }
    /// Go's `reflect.Kind` name: `struct`, `slice`, `map`, `ptr`.
    fn kind(&self) -> &'static str {
        "struct"
    }
    /// For functions that need the concrete type back (a `time.Time`, a certificate).
    fn as_any(&self) -> &dyn std::any::Any;
}

impl Value {
    /// A `string`.
    pub fn str(text: impl Into<Arc<str>>) -> Value {
        Value::Str(text.into())
    }

    /// A `string` from bytes: [`Value::Str`] where they are UTF-8.
    pub fn bytes(bytes: Vec<u8>) -> Value {
        match String::from_utf8(bytes) {
            Ok(text) => Value::str(text),
            Err(error) => Value::Bytes(error.into_bytes().into()),
        }
    }

    /// An `int`.
    pub fn int(n: i64) -> Value {
        Value::Int(n, IntKind::Int)
    }

    /// An `int64`, which sprig's arithmetic gives.
    pub fn int64(n: i64) -> Value {
        Value::Int(n, IntKind::Int64)
    }

    /// A `[]interface {}`.
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(List { items: Rc::new(items), element: ElementType::Interface })
    }

    /// A nil `[]interface {}`.
    pub fn nil_list() -> Value {
        Value::List(List { items: Rc::new(Vec::new()), element: ElementType::NilInterface })
    }

    /// A nil `[]string`.
    pub fn nil_strings() -> Value {
        Value::List(List { items: Rc::new(Vec::new()), element: ElementType::NilString })
    }

    /// A `[]string`.
    pub fn strings<S: Into<Arc<str>>>(items: impl IntoIterator<Item = S>) -> Value {
        let items = items.into_iter().map(|s| Value::Str(s.into())).collect();
        Value::List(List { items: Rc::new(items), element: ElementType::String })
    }

    /// A `map[string]interface {}`.
    pub fn map(entries: BTreeMap<Arc<str>, Value>) -> Value {
        Value::Map(Map { entries: Rc::new(RefCell::new(entries)), map_type: MapType::Interface })
    }

    /// How many levels of lists and maps whoever gives this value has made: its own, and those within it that nothing else
    /// holds. It is as quick as they were made.
    pub(super) fn levels_made(&self) -> u32 {
        fn below<'v>(values: impl Iterator<Item = &'v Value>) -> u32 {
            values.map(|value| if value.is_held_once() { value.levels_made() } else { 0 }).max().unwrap_or(0)
        }
        match self {
            Value::List(list) if self.is_held_once() => 1 + below(list.items.iter()),
            Value::Map(map) if self.is_held_once() => 1 + below(map.entries.borrow().values()),
            Value::List(_) | Value::Map(_) => 1,
            _ => 0,
        }
    }

    fn is_held_once(&self) -> bool {
        match self {
            Value::List(list) => Rc::strong_count(&list.items) == 1,
            Value::Map(map) => Rc::strong_count(&map.entries) == 1,
            _ => false,
        }
    }

    /// Go's `reflect.Kind` name, as sprig's `kindOf` gives it: `invalid` for nil.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "invalid",
            Value::Bool(_) => "bool",
            Value::Int(_, kind) => kind.name(),
            Value::Float(_) => "float64",
            Value::Str(_) | Value::Bytes(_) => "string",
            Value::List(_) => "slice",
            Value::Map(_) => "map",
            Value::Object(object) => object.kind(),
        }
    }

    /// The Go type's name, as `%T` and sprig's `typeOf` print it.
    pub fn type_name(&self) -> String {
        match self {
            Value::Nil => "<nil>".into(),
            Value::List(list) => match list.element {
                ElementType::Interface | ElementType::NilInterface => "[]interface {}".into(),
                ElementType::String | ElementType::NilString => "[]string".into(),
                ElementType::Int => "[]int".into(),
                ElementType::List => "[][]interface {}".into(),
            },
            Value::Map(map) => match map.map_type {
                MapType::Interface => "map[string]interface {}".into(),
                MapType::Values => "chartutil.Values".into(),
                MapType::Strings => "map[string]string".into(),
            },
            Value::Object(object) => object.type_name().into(),
            other => other.kind().into(),
        }
    }

    /// Go's truth (`text/template`'s `IsTrue`): nil, false, zero, and what is empty are false; a struct is true.
    pub fn truth(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n, _) => *n != 0,
            Value::Float(f) => *f != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => !map.entries.borrow().is_empty(),
            Value::Object(object) => match object.kind() {
                "slice" if let Some(bytes) = object.byte_slice() => !bytes.is_empty(),
                "map" | "slice" => object.as_data().is_some_and(|data| data.truth()),
                _ => true,
            },
        }
    }
}

impl IntKind {
    /// The Go type's name.
    pub fn name(self) -> &'static str {
        match self {
            IntKind::Int => "int",
            IntKind::Int64 => "int64",
            IntKind::Int32 => "int32",
            IntKind::Uint64 => "uint64",
            IntKind::Uint8 => "uint8",
        }
    }
}

impl List {
    /// Whether it is a nil slice, which JSON and YAML write as `null`.
    pub fn is_nil(&self) -> bool {
        matches!(self.element, ElementType::NilInterface | ElementType::NilString)
    }
}

impl Map {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.entries.borrow().get(key).cloned()
    }

    /// Whether it is a nil map, which JSON and YAML write as `null`: of the maps of text only a chart's annotations can
    /// be empty.
    pub fn is_nil(&self) -> bool {
        self.map_type == MapType::Strings && self.entries.borrow().is_empty()
    }

    /// Sets a key, for everybody who holds this map.
    pub fn set(&self, key: impl Into<Arc<str>>, value: Value) {
        self.entries.borrow_mut().insert(key.into(), value);
    }

    /// Whether both are the same map, not merely equal ones.
    pub fn same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.borrow().iter()).finish()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n, kind) => write!(f, "{n}{}", kind.name()),
            Value::Float(x) => write!(f, "{x}f"),
            Value::Str(text) => write!(f, "{text:?}"),
            Value::Bytes(bytes) => write!(f, "{bytes:?}"),
            Value::List(list) => f.debug_list().entries(list.items.iter()).finish(),
            Value::Map(map) => map.fmt(f),
            Value::Object(object) => write!(f, "{}{{…}}", object.type_name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_small() {
        assert_eq!(std::mem::size_of::<Value>(), 24);
    }
}
