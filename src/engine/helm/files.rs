//! `.Files`: the files of a chart that are no templates.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use data_encoding::BASE64;

use super::funcs::to_yaml;
use super::glob::Glob;
use crate::chart::{Bytes, ChartFile};
use crate::gotmpl::{IntKind, Object, Value, fmt};

/// A Go map from path to bytes, with methods.
pub(super) struct Files {
    /// By path.
    files: Vec<(Arc<str>, Bytes)>,
}

impl Files {
    /// The `.Files` of a chart.
    pub(super) fn value(files: &[ChartFile]) -> Value {
        let mut files: Vec<_> = files.iter().map(|file| (file.path.as_str().into(), file.bytes.clone())).collect();
        files.sort_by(|a: &(Arc<str>, _), b| a.0.cmp(&b.0));
        Value::Object(Rc::new(Files { files }))
    }

    /// The content of a file; of one that is not there Go's zero value, which is empty.
    fn bytes(&self, path: &str) -> Arc<[u8]> {
        let found = self.files.binary_search_by(|(known, _)| (**known).cmp(path));
        found.map_or_else(|_| Arc::default(), |i| self.files[i].1.shared())
    }

    fn get(&self, path: &str) -> Value {
        Value::bytes(self.bytes(path).to_vec())
    }

    /// The files by the last part of their path; of several the last one, as in Go's sorted maps it need not be.
    fn by_base_name(&self, value: impl Fn(&[u8]) -> Value) -> Value {
        let entries = self.files.iter().map(|(path, bytes)| {
            let base = path.rsplit('/').next().unwrap_or(path);
            (base.into(), value(bytes))
        });
        to_yaml(&Value::map(entries.collect()))
    }

    fn lines(&self, path: &str) -> Value {
        let text = match self.get(path) {
            Value::Str(text) => text,
            Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into(),
            _ => return Value::strings(Vec::<&str>::new()),
        };
        if text.is_empty() {
            return Value::strings(Vec::<&str>::new());
        }
        Value::strings(text.strip_suffix('\n').unwrap_or(&text).split('\n'))
    }
}

impl Object for Files {
    fn type_name(&self) -> &str {
        "engine.files"
    }

    fn kind(&self) -> &'static str {
        "map"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(ByteSlice::value(&self.bytes(name)))
    }

    fn is_stringer(&self) -> bool {
        false
    }

    fn has_method(&self, name: &str) -> bool {
        matches!(name, "Get" | "GetBytes" | "Glob" | "AsConfig" | "AsSecrets" | "Lines")
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let wanted = usize::from(!matches!(name, "AsConfig" | "AsSecrets"));
        if args.len() != wanted {
            return Err(format!("wrong number of args for {name}: want {wanted} got {}", args.len()));
        }
        match (name, args) {
            ("AsConfig", _) => Ok(self.by_base_name(|bytes| Value::bytes(bytes.to_vec()))),
            ("AsSecrets", _) => Ok(self.by_base_name(|bytes| Value::str(BASE64.encode(bytes)))),
            ("Get", [Value::Str(path)]) => Ok(self.get(path)),
            ("GetBytes", [Value::Str(path)]) => Ok(ByteSlice::value(&self.bytes(path))),
            ("Lines", [Value::Str(path)]) => Ok(self.lines(path)),
            ("Glob", [Value::Str(pattern)]) => {
                let glob = Glob::new(pattern);
                let files = self.files.iter().filter(|(path, _)| glob.matches(path)).cloned().collect();
                Ok(Value::Object(Rc::new(Files { files })))
            }
            (_, [Value::Nil]) => Err("wrong type for value; expected string; got interface {}".into()),
            (_, [other, ..]) => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
            _ => Err(format!("no method {name}")),
        }
    }

    fn print(&self) -> String {
        let mut out = String::new();
        if let Some(data) = self.as_data() {
            fmt::write_value(&mut out, &data);
        }
        out
    }

    fn as_data(&self) -> Option<Value> {
        let entries = self.files.iter().map(|(path, bytes)| (path.clone(), ByteSlice::value(&bytes.shared())));
        Some(Value::map(entries.collect()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A `[]byte`: Go prints it as a list of numbers, JSON holds it in Base64, and functions that take text refuse it.
struct ByteSlice(Arc<[u8]>);

impl ByteSlice {
    fn value(bytes: &Arc<[u8]>) -> Value {
        Value::Object(Rc::new(ByteSlice(bytes.clone())))
    }
}

impl Object for ByteSlice {
    fn type_name(&self) -> &str {
        "[]uint8"
    }

    fn kind(&self) -> &'static str {
        "slice"
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn has_method(&self, _: &str) -> bool {
        false
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        Err(format!("no method {name}"))
    }

    fn is_stringer(&self) -> bool {
        false
    }

    fn byte_slice(&self) -> Option<&[u8]> {
        Some(&self.0)
    }

    fn print(&self) -> String {
        let numbers: Vec<_> = self.0.iter().map(u8::to_string).collect();
        format!("[{}]", numbers.join(" "))
    }

    fn as_data(&self) -> Option<Value> {
        Some(Value::list(self.0.iter().map(|byte| Value::Int(i64::from(*byte), IntKind::Uint8)).collect()))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
