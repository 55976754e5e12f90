//! Evaluating what stands in an action: pipelines, fields, method and function calls, with the type checks that
//! Go's reflection makes.

use super::ast::{Callee, Command, Expr, ExprKind, List, Number, Pipe, Segment, Tree};
use super::builtins::Builtin;
use super::error::{Culprit, Error};
use super::exec::{Executor, Operand, Result};
use super::func::Param;
use super::value::{ElementType, IntKind, MapType, Value};
use super::values_methods::Method;

/// The value that a pipeline hands to its next command, and the command it came from.
struct Piped<'e> {
    value: Operand,
    from: &'e Command,
}

impl Executor<'_> {
    pub(super) fn pipeline(&mut self, tree: &Tree, dot: &Operand, pipe: &Pipe) -> Result<Operand> {
        let mut piped: Option<Piped<'_>> = None;
        for command in &tree[pipe.commands] {
            let value = self.command(tree, dot, command, piped)?;
            // A nil that was read from a map or list is from here on nothing at all.
            let value = value.filter(|value| !matches!(value, Value::Nil));
            piped = Some(Piped { value, from: command });
        }
        let value = piped.and_then(|piped| piped.value);
        for name in &tree[pipe.declared] {
            if pipe.is_assignment {
                self.assign(*name, value.clone(), pipe.span)?;
            } else {
                self.variables.push((*name, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, tree: &Tree, dot: &Operand, command: &Command, piped: Option<Piped<'_>>) -> Result<Operand> {
        let args = &tree[command.args];
        let (first, args) = (&args[0], &args[1..]);
        match first.kind {
            ExprKind::Field(path) => return self.path(tree, dot, dot, &tree[path], args, piped),
            ExprKind::Chain { base, path } => {
                let receiver = self.operand(tree, dot, &tree[base])?;
                return self.path(tree, dot, &receiver, &tree[path], args, piped);
            }
            ExprKind::Variable { id, path } if !path.is_empty() => {
                let receiver = self.variable_value(id, first)?;
                return self.path(tree, dot, &receiver, &tree[path], args, piped);
            }
            ExprKind::Function(callee) => return self.function(tree, dot, callee, command, args, piped),
            _ => {}
        }
        if !args.is_empty() || piped.is_some() {
            let shown = match first.kind {
                ExprKind::Pipe(pipe) => tree[pipe].span,
                _ => first.span,
            };
            let shown = shown.of(&self.body.text().text);
            return Err(self.error(first.span, format!("can't give argument to non-function {shown}")));
        }
        match first.kind {
            ExprKind::Pipe(pipe) => self.parenthesized(tree, dot, &tree[pipe]),
            ExprKind::Nil => Err(self.error(first.span, "nil is not a command")),
            _ => self.operand(tree, dot, first),
        }
    }

    fn parenthesized(&mut self, tree: &Tree, dot: &Operand, pipe: &Pipe) -> Result<Operand> {
        self.descend(pipe.span)?;
        let value = self.pipeline(tree, dot, pipe)?;
        self.depth -= 1;
        Ok(value)
    }

    /// An operand where any type will do.
    fn operand(&mut self, tree: &Tree, dot: &Operand, expr: &Expr) -> Result<Operand> {
        match expr.kind {
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Nil => Ok(None),
            ExprKind::Bool(b) => Ok(Some(Value::Bool(b))),
            ExprKind::Number(number) => Ok(Some(ideal_constant(tree[number]))),
            ExprKind::Str(text) => Ok(Some(Value::Str(tree[text].clone()))),
            ExprKind::Bytes(bytes) => Ok(Some(Value::Bytes(tree[bytes].clone()))),
            ExprKind::Field(path) => self.path(tree, dot, dot, &tree[path], &[], None),
            ExprKind::Variable { id, path } => {
                let receiver = self.variable_value(id, expr)?;
                if path.is_empty() { Ok(receiver) } else { self.path(tree, dot, &receiver, &tree[path], &[], None) }
            }
            ExprKind::Chain { base, path } => {
                let receiver = self.operand(tree, dot, &tree[base])?;
                self.path(tree, dot, &receiver, &tree[path], &[], None)
            }
            ExprKind::Pipe(pipe) => self.parenthesized(tree, dot, &tree[pipe]),
            ExprKind::Function(callee) => {
                let command = Command { span: expr.span, args: List::EMPTY };
                self.function(tree, dot, callee, &command, &[], None)
            }
        }
    }

    fn variable_value(&self, id: super::ast::Variable, expr: &Expr) -> Result<Operand> {
        match self.variable(id) {
            Some(value) => Ok(value.clone()),
            None => {
                let shown = expr.span.of(&self.body.text().text);
                Err(self.error(expr.span, format!("undefined variable: {shown}")))
            }
        }
    }

    /// Follows a path of fields; the last one may be a method, which gets the arguments.
    fn path(
        &mut self,
        tree: &Tree,
        dot: &Operand,
        receiver: &Operand,
        path: &[Segment],
        args: &[Expr],
        mut piped: Option<Piped<'_>>,
    ) -> Result<Operand> {
        let has_args = !args.is_empty() || piped.is_some();
        let mut value: Operand = None;
        for (i, segment) in path.iter().enumerate() {
            let current = if i == 0 { receiver } else { &value };
            let is_call = has_args && i == path.len() - 1;
            let name = segment.name(&tree.text);
            value = match current {
                None => None,
                Some(Value::Map(map))
                    if map.map_type == MapType::Values
                        && let Some(method) = Method::of(name) =>
                {
                    let map = map.clone();
                    let args = match is_call {
                        true => {
                            let given = args.len() + usize::from(piped.is_some());
                            // Too many arguments are an error of their own, before any is looked at.
                            let params = if given == method.params().len() { method.params() } else { &[Param::Any] };
                            self.typed_args(tree, dot, params, given != method.params().len(), args, piped.take())?
                        }
                        false => Vec::new(),
                    };
                    self.values_method(method, &map, (name, segment.span), &args)?
                }
                Some(Value::Map(map)) if !is_call => Some(match map.entries.borrow().get(name) {
                    Some(value) => value.clone(),
                    None => missing(map.map_type),
                }),
                Some(Value::Object(object)) if object.has_method(name) => {
                    let object = object.clone();
                    let args = if is_call { self.any_args(tree, dot, args, piped.take())? } else { Vec::new() };
                    match object.call(name, &args) {
                        Ok(value) => Some(value),
                        Err(message) => return Err(self.error(segment.span, message)),
                    }
                }
                Some(other) => match field(other, name, is_call) {
                    Ok(value) => Some(value),
                    Err(message) => {
                        let names = match other {
                            Value::Object(object) if !is_call => object.field_names(),
                            _ => Vec::new(),
                        };
                        let names: Vec<String> = names.into_iter().map(Into::into).collect();
                        let mut error = self.path_error(tree, receiver, path, i, message);
                        if !names.is_empty() {
                            error.site.span = segment.span;
                            error.unknown_field = Some((name.into(), names));
                        }
                        return Err(error);
                    }
                },
            };
        }
        Ok(value)
    }

    /// The error of a path whose step `failed` was wrong. Where a nil or a value of the wrong kind was read from a
    /// map by the step before, that step is to blame.
    fn path_error(
        &self,
        tree: &Tree,
        receiver: &Operand,
        path: &[Segment],
        failed: usize,
        message: String,
    ) -> Box<Error> {
        if failed == 0 {
            return self.error(path[0].span, message);
        }
        let blamed = failed - 1;
        self.error_about(path[blamed].span, message, culprit_of_path(tree, receiver, &path[..failed]))
    }

    /// The map entry that an expression reads, if it is one.
    pub(super) fn culprit(&self, tree: &Tree, dot: &Operand, expr: &Expr) -> Option<Culprit> {
        match expr.kind {
            ExprKind::Field(path) => culprit_of_path(tree, dot, &tree[path]),
            ExprKind::Variable { id, path } => culprit_of_path(tree, self.variable(id)?, &tree[path]),
            ExprKind::Pipe(pipe) => self.culprit_of_pipe(tree, dot, &tree[pipe]),
            _ => None,
        }
    }

    /// The map entry that a pipeline of one command reads, also through `index`.
    pub(super) fn culprit_of_pipe(&self, tree: &Tree, dot: &Operand, pipe: &Pipe) -> Option<Culprit> {
        match &tree[pipe.commands] {
            [command] => self.culprit_of_command(tree, dot, command),
            _ => None,
        }
    }

    fn culprit_of_command(&self, tree: &Tree, dot: &Operand, command: &Command) -> Option<Culprit> {
        match &tree[command.args] {
            [single] => self.culprit(tree, dot, single),
            _ => None,
        }
    }

    /// Of what a function was given, the first that was read from a map.
    fn culprit_of_args(&self, tree: &Tree, dot: &Operand, args: &[Expr], from: Option<&Command>) -> Option<Culprit> {
        let piped = from.and_then(|command| self.culprit_of_command(tree, dot, command));
        args.iter().find_map(|arg| self.culprit(tree, dot, arg)).or(piped)
    }

    fn function(
        &mut self,
        tree: &Tree,
        dot: &Operand,
        callee: Callee,
        command: &Command,
        args: &[Expr],
        piped: Option<Piped<'_>>,
    ) -> Result<Operand> {
        let from = piped.as_ref().map(|piped| piped.from);
        // Kept until the result is counted, which is by what the function has made and not been given.
        let values;
        let result = match callee {
            Callee::Builtin(builtin @ (Builtin::And | Builtin::Or)) => {
                return self.and_or(tree, dot, builtin, command, args, piped);
            }
            Callee::Builtin(builtin) => {
                self.check_count(callee, command, args, &piped, builtin.params().len(), builtin.is_variadic())?;
                values = self.typed_args(tree, dot, builtin.params(), builtin.is_variadic(), args, piped)?;
                builtin.call(&values)
            }
            Callee::Row(row) => {
                self.check_count(callee, command, args, &piped, row.params.len(), row.variadic)?;
                values = self.typed_args(tree, dot, row.params, row.variadic, args, piped)?;
                self.call = command.span;
                let result = (row.call)(self, &values);
                if let Some(message) = self.warning.take() {
                    self.place_warning(message, command.span);
                }
                result
            }
            Callee::Include | Callee::Tpl => {
                const PARAMS: &[Param] = &[Param::Str, Param::Any];
                self.check_count(callee, command, args, &piped, PARAMS.len(), false)?;
                let mut values = self.typed_args(tree, dot, PARAMS, false, args, piped)?.into_iter();
                let text = match values.next() {
                    Some(Value::Str(text)) => text,
                    Some(Value::Bytes(bytes)) => String::from_utf8_lossy(&bytes).into(),
                    _ => "".into(),
                };
                let data = values.next().unwrap_or(Value::Nil);
                let result = match callee {
                    Callee::Tpl => self.tpl(&text, data, command),
                    _ => self.include(&text, data, command),
                };
                let value = result?;
                self.count_produced(&value, command.span)?;
                return Ok(Some(value));
            }
        };
        match result {
            Ok(value) => {
                self.count_produced(&value, command.span)?;
                Ok(Some(value))
            }
            Err(message) => {
                let culprit = self.culprit_of_args(tree, dot, args, from);
                let mut error = self.error_about(command.span, message, culprit);
                error.function = Some(callee.name());
                Err(error)
            }
        }
    }

    fn check_count(
        &self,
        callee: Callee,
        command: &Command,
        args: &[Expr],
        piped: &Option<Piped<'_>>,
        params: usize,
        variadic: bool,
    ) -> Result<()> {
        let given = args.len() + usize::from(piped.is_some());
        let name = callee.name();
        if variadic && given < params - 1 {
            let message = format!("wrong number of args for {name}: want at least {} got {given}", params - 1);
            return Err(self.error(command.span, message));
        }
        if !variadic && given != params {
            return Err(self.error(command.span, format!("wrong number of args for {name}: want {params} got {given}")));
        }
        Ok(())
    }

    /// `and` and `or` evaluate no more arguments than they need.
    fn and_or(
        &mut self,
        tree: &Tree,
        dot: &Operand,
        builtin: Builtin,
        command: &Command,
        args: &[Expr],
        piped: Option<Piped<'_>>,
    ) -> Result<Operand> {
        self.check_count(Callee::Builtin(builtin), command, args, &piped, 2, true)?;
        let mut value = None;
        for arg in args {
            value = self.operand(tree, dot, arg)?;
            if value.as_ref().is_some_and(Value::truth) == (builtin == Builtin::Or) {
                return Ok(value);
            }
        }
        Ok(match piped {
            Some(piped) => piped.value,
            None => value,
        })
    }

    /// The arguments of a method, whose own code checks their types.
    fn any_args(&mut self, tree: &Tree, dot: &Operand, args: &[Expr], piped: Option<Piped<'_>>) -> Result<Vec<Value>> {
        self.typed_args(tree, dot, &[Param::Any], true, args, piped)
    }

    /// The arguments of a call, each checked against its parameter; their number is checked already.
    fn typed_args(
        &mut self,
        tree: &Tree,
        dot: &Operand,
        params: &[Param],
        variadic: bool,
        args: &[Expr],
        piped: Option<Piped<'_>>,
    ) -> Result<Vec<Value>> {
        let mut values = Vec::with_capacity(args.len() + 1);
        let param = |i: usize| match params.get(i) {
            Some(param) => *param,
            None if variadic => params[params.len() - 1],
            None => Param::Any,
        };
        for arg in args {
            values.push(self.arg(tree, dot, param(values.len()), arg)?);
        }
        if let Some(Piped { value, from }) = piped {
            let param = param(values.len());
            let value = convert(value, param)
                .map_err(|message| self.error_about(from.span, message, self.culprit_of_command(tree, dot, from)))?;
            values.push(value);
        }
        Ok(values)
    }

    fn arg(&mut self, tree: &Tree, dot: &Operand, param: Param, expr: &Expr) -> Result<Value> {
        let wrong = |executor: &Self, expected: &str| {
            let shown = expr.span.of(&executor.body.text().text);
            Err(executor.error(expr.span, format!("expected {expected}; found {shown}")))
        };
        match (expr.kind, param) {
            (ExprKind::Nil, Param::Any | Param::Map | Param::List | Param::Strings) => {}
            (ExprKind::Nil, _) => {
                return Err(self.error(expr.span, format!("cannot assign nil to {}", type_of(param))));
            }
            (ExprKind::Number(number), Param::Int | Param::Uint32 | Param::Float) => match (tree[number], param) {
                (Number { int: Some(int), .. }, Param::Int) => return Ok(Value::int(int)),
                (Number { int: Some(int), .. }, Param::Uint32) if u32::try_from(int).is_ok() => {
                    return Ok(Value::int(int));
                }
                (Number { float: Some(float), .. }, Param::Float) => return Ok(Value::Float(float)),
                (_, Param::Int) => return wrong(self, "integer"),
                (_, Param::Uint32) => return wrong(self, "unsigned integer"),
                _ => return wrong(self, "float"),
            },
            (ExprKind::Str(_) | ExprKind::Bytes(_), Param::Str | Param::Any)
            | (ExprKind::Bool(_), Param::Bool | Param::Any)
            | (ExprKind::Number(_), Param::Any) => {}
            (ExprKind::Str(_) | ExprKind::Bytes(_) | ExprKind::Bool(_) | ExprKind::Number(_), param) => match param {
                Param::Int => return wrong(self, "integer"),
                Param::Uint32 => return wrong(self, "unsigned integer"),
                Param::Float => return wrong(self, "float"),
                Param::Bool => return wrong(self, "bool"),
                Param::Str => return wrong(self, "string"),
                _ => {
                    let shown = expr.span.of(&self.body.text().text);
                    let message = format!("can't handle {shown} for arg of type {}", type_of(param));
                    return Err(self.error(expr.span, message));
                }
            },
            _ => {}
        }
        let value = self.operand(tree, dot, expr)?;
        convert(value, param).map_err(|message| self.error_about(expr.span, message, self.culprit(tree, dot, expr)))
    }
}

/// What a map without the key gives.
fn missing(map_type: MapType) -> Value {
    match map_type {
        MapType::Strings => Value::str(""),
        MapType::Interface | MapType::Values => Value::Nil,
    }
}

/// A field of a value that is no plain map lookup.
fn field(value: &Value, name: &str, is_call: bool) -> Result<Value, String> {
    match value {
        Value::Map(_) => Err(format!("{name} is not a method but has arguments")),
        Value::Nil => Err(format!("nil pointer evaluating interface {{}}.{name}")),
        Value::Object(object) if object.kind() == "map" => {
            if is_call {
                return Err(format!("{name} is not a method but has arguments"));
            }
            Ok(object.field(name).unwrap_or(Value::Nil))
        }
        Value::Object(object) => match object.field(name) {
            Some(_) if is_call => Err(format!("{name} has arguments but cannot be invoked as function")),
            Some(value) => Ok(value),
            None => Err(format!("can't evaluate field {name} in type {}", object.type_name())),
        },
        other => Err(format!("can't evaluate field {name} in type {}", other.type_name())),
    }
}

fn culprit_of_path(tree: &Tree, receiver: &Operand, path: &[Segment]) -> Option<Culprit> {
    let (last, before) = path.split_last()?;
    let mut current = receiver.clone()?;
    for segment in before {
        let name = segment.name(&tree.text);
        current = match &current {
            Value::Map(map) => map.get(name)?,
            Value::Object(object) => object.field(name)?,
            _ => return None,
        };
    }
    match current {
        Value::Map(map) => Some(Culprit { map, key: last.name(&tree.text).into() }),
        _ => None,
    }
}

/// The value of a number literal where no type is asked for.
fn ideal_constant(number: Number) -> Value {
    match number {
        Number { int: Some(int), is_int_like: true, .. } => Value::int(int),
        Number { float: Some(float), .. } => Value::Float(float),
        Number { int, .. } => Value::int(int.unwrap_or(0)),
    }
}

/// Go's name of a parameter's type.
fn type_of(param: Param) -> &'static str {
    match param {
        Param::Any => "interface {}",
        Param::Str => "string",
        Param::Int => "int",
        Param::Bool => "bool",
        Param::Float => "float64",
        Param::Map => "map[string]interface {}",
        Param::List => "[]interface {}",
        Param::Strings => "[]string",
        Param::Uint32 => "uint32",
        Param::Object(name) => name,
    }
}

/// Checks a value against a parameter, as reflection does: no number is converted, nil is an empty map or list.
fn convert(value: Operand, param: Param) -> Result<Value, String> {
    let Some(value) = value else {
        return match param {
            Param::Any | Param::Map => Ok(Value::Nil),
            Param::List => Ok(Value::nil_list()),
            Param::Strings => Ok(Value::nil_strings()),
            _ => Err(format!("invalid value; expected {}", type_of(param))),
        };
    };
    if let (Param::Any, Value::Object(object)) = (param, &value) {
        return Ok(object.copied().unwrap_or(value));
    }
    let fits = match (param, &value) {
        (Param::Any, _)
        | (Param::Str, Value::Str(_) | Value::Bytes(_))
        | (Param::Bool, Value::Bool(_))
        | (Param::Float, Value::Float(_))
        | (Param::Int, Value::Int(_, IntKind::Int)) => true,
        (Param::Map, Value::Map(map)) => map.map_type != MapType::Strings,
        (Param::List, Value::List(list)) => {
            matches!(list.element, ElementType::Interface | ElementType::NilInterface)
        }
        (Param::Strings, Value::List(list)) => matches!(list.element, ElementType::String | ElementType::NilString),
        (Param::Object(name), Value::Object(object)) => object.type_name() == name,
        _ => false,
    };
    if fits {
        return Ok(value);
    }
    let got = match &value {
        Value::Nil => "interface {}".into(),
        other => other.type_name(),
    };
    Err(format!("wrong type for value; expected {}; got {got}", type_of(param)))
}
