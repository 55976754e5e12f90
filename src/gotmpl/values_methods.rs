//! The methods of Helm's `chartutil.Values`, the type of `.` and of `.Values`: like all methods they come before keys
//! of the same name.
//!
//! `Encode` is among them, though no template can have the writer that it asks for.

use super::ast::Span;
use super::exec::{Executor, Operand, Result};
use super::func::Param;
use super::functions::Functions;
use super::value::{Map, MapType, Value};

/// A method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    AsMap,
    Encode,
    PathValue,
    Table,
    Yaml,
}

impl Method {
    pub(super) fn of(name: &str) -> Option<Method> {
        Some(match name {
            "AsMap" => Method::AsMap,
            "Encode" => Method::Encode,
            "PathValue" => Method::PathValue,
            "Table" => Method::Table,
            "YAML" => Method::Yaml,
            _ => return None,
        })
    }

    pub(super) fn params(self) -> &'static [Param] {
        match self {
            Method::AsMap | Method::Yaml => &[],
            Method::Encode => &[Param::Object("io.Writer")],
            Method::PathValue | Method::Table => &[Param::Str],
        }
    }

    /// `args` are already checked against [`Method::params`].
    fn call(
        self,
        map: &Map,
        functions: &Functions,
        args: &[Value],
        executor: &mut Executor<'_>,
    ) -> Result<Value, String> {
        let path = match args {
            [Value::Str(path)] => &**path,
            _ => "",
        };
        match self {
            Method::AsMap => Ok(typed(map, MapType::Interface)),
            Method::Encode => Err("no template has an io.Writer".into()),
            Method::PathValue => path_value(map, path),
            Method::Table => table(map, path).map(|found| typed(&found, MapType::Values)),
            Method::Yaml => match functions.row("toYaml").map(|row| (row.call)(executor, &[Value::Map(map.clone())])) {
                Some(Ok(Value::Str(text))) => Ok(Value::str(format!("{text}\n"))),
                Some(other) => other,
                None => Err("there is no toYaml here".into()),
            },
        }
    }
}

impl Executor<'_> {
    /// Calls a method; the number of arguments is not yet checked.
    pub(super) fn values_method(
        &mut self,
        method: Method,
        map: &Map,
        (name, span): (&str, Span),
        args: &[Value],
    ) -> Result<Operand> {
        let params = method.params().len();
        if args.len() != params {
            let message = format!("wrong number of args for {name}: want {params} got {}", args.len());
            return Err(self.error(span, message));
        }
        let functions = self.functions;
        let result = method.call(map, functions, args, self);
        result.map(Some).map_err(|message| self.error(span, format!("error calling {name}: {message}")))
    }
}

fn typed(map: &Map, map_type: MapType) -> Value {
    Value::Map(Map { entries: map.entries.clone(), map_type })
}

fn table(map: &Map, path: &str) -> Result<Map, String> {
    path.split('.').try_fold(map.clone(), |map, name| match map.get(name) {
        Some(Value::Map(below)) => Ok(below),
        _ => Err(format!("{name:?} is not a table")),
    })
}

/// The value at a path of keys with dots between them; a mapping is none.
fn path_value(map: &Map, path: &str) -> Result<Value, String> {
    if path.is_empty() {
        return Err("YAML path cannot be empty".into());
    }
    let (above, key) = path.rsplit_once('.').map_or((None, path), |(above, key)| (Some(above), key));
    let map = above.map_or_else(|| Some(map.clone()), |above| table(map, above).ok());
    match map.and_then(|map| map.get(key)) {
        Some(value) if !matches!(value, Value::Map(_)) => Ok(value),
        _ => Err(format!("{key:?} is not a value")),
    }
}
