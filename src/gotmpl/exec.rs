//! Running a template: actions, scopes, ranges, and the calls from template to template (text/template/exec.go,
//! and Helm's `include` and `tpl`). Evaluating what stands in an action is in `eval.rs`.

use std::sync::Arc;

use super::HashMap;
use super::ast::{Arrays, Body, Branch, Call, Command, List, Node, Parsed, Span, TPL_NAME, Text, Tree, Variable};
use super::error::{Culprit, Error, Frame, FrameKind, Site};
use super::fmt;
use super::func::{Generator, Host};
use super::functions::Functions;
use super::parse::parse;
use super::random_text::{Alphabet, RandomText};
use super::set::{Scope, TemplateSet};
use super::value::{IntKind, Value};

/// How much text and how many list elements (24 bytes each) the functions of one render may make together: what
/// they make is either kept, which costs memory, or thrown away, which costs time.
pub const PRODUCED_BYTES_MAX: usize = 512 << 20;
/// How often one template may stand in the chain of running `include`s: Helm's limit.
pub const INCLUDE_RECURSION_MAX: u32 = 1000;
/// How deep lists, pipelines and calls may nest while they run. A level takes up to 6 KiB of stack in a debug build.
pub const DEPTH_MAX: u32 = 20_000;
/// The stack that [`DEPTH_MAX`] levels need.
pub const STACK_BYTES: usize = 256 << 20;
/// How many rounds all `range` actions of one render may take together; real charts take hundreds.
pub const ROUNDS_MAX: u64 = 1_000_000;
/// How many levels of lists and maps the functions of one render may make: a call that gives one makes a level, or as many
/// as stand in each other in what it copied or read. A value can become as deep as that, and dropping a level takes stack.
pub const CONTAINERS_MAX: u32 = 200_000;
/// How much text one template may put out, with all that it includes.
pub const OUTPUT_BYTES_MAX: usize = 256 << 20;

/// How deep the templates of one render may go: a matter of the stack that they run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Levels, as of [`DEPTH_MAX`].
    depth: u32,
    /// Lists and maps, as of [`CONTAINERS_MAX`].
    containers: u32,
    /// The stack that this needs.
    pub stack_bytes: usize,
}

impl Reach {
    /// As deep as templates may go at all.
    pub const FULL: Reach = Reach { depth: DEPTH_MAX, containers: CONTAINERS_MAX, stack_bytes: STACK_BYTES };
    /// Deeper than charts go that people write, in the same proportion to the stack; it fits in 6 MB.
    pub const USUAL: Reach = {
        const PART: u32 = 43;
        Reach { depth: DEPTH_MAX / PART, containers: CONTAINERS_MAX / PART, stack_bytes: STACK_BYTES / PART as usize }
    };
}

/// What Go prints for nil; Helm removes it from its output.
pub const NO_VALUE: &str = "<no value>";

/// A value as the executor sees it: `None` is Go's invalid `reflect.Value`, of which any field is nil again;
/// `Some(Value::Nil)` is a nil inside a map or list, of which a field is an error.
pub(super) type Operand = Option<Value>;

pub(super) type Result<T, E = Box<Error>> = std::result::Result<T, E>;

/// Runs the templates of one render, one after the other. Needs a stack as its [`Reach`] says.
pub struct Executor<'a> {
    pub(super) functions: &'a Functions,
    pub(super) generator: &'a mut dyn Generator,
    pub(super) scope: Scope,
    /// The template that runs.
    pub(super) body: Arc<Body>,
    /// The variables of all templates that run; those of the innermost one begin at `base`.
    pub(super) variables: Vec<(Variable, Operand)>,
    pub(super) base: usize,
    pub(super) depth: u32,
    reach: Reach,
    out_of_reach: bool,
    /// What the templates that run have printed: each as much as stands from its `out_start` on.
    out: Printed,
    /// Where the output of the innermost `include`, `tpl` or whole template begins.
    out_start: usize,
    rounds: u64,
    produced_bytes: usize,
    containers: u32,
    /// How often a template stands in the chain of includes.
    included: HashMap<Arc<str>, u32>,
    /// The texts that `tpl` was given, parsed.
    texts: HashMap<Arc<str>, Arc<Parsed>>,
    /// The function call that runs.
    pub(super) call: Span,
    /// The calls of templates that led to the template that runs, the outermost first.
    calls: Vec<Site>,
    /// The calls that asked for randomness or the time, each with the calls that led there, nearest first.
    random_calls: Vec<Vec<Site>>,
    /// What the function that runs warned of.
    pub(super) warning: Option<&'static str>,
    warnings: Vec<(&'static str, Site)>,
}

/// What templates printed.
#[derive(Default)]
struct Printed {
    /// U+FFFD stands for each byte that is no UTF-8.
    text: String,
    /// Where such a byte stands in the text, and which it is.
    raw: Vec<(usize, u8)>,
    /// Where in the text what printed such bytes began, and what it was.
    raw_sites: Vec<(usize, Site)>,
    /// What printed the first such byte of the text that was taken last.
    taken_raw_site: Option<Site>,
}

impl Printed {
    fn push_bytes(&mut self, bytes: &[u8], site: Site) {
        self.raw_sites.push((self.text.len(), site));
        for chunk in bytes.utf8_chunks() {
            self.text.push_str(chunk.valid());
            for byte in chunk.invalid() {
                self.raw.push((self.text.len(), *byte));
                self.text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// Takes what was printed from `start` on off again, as the value of `include` and `tpl`.
    fn take_from(&mut self, start: usize) -> Value {
        let first = self.raw.partition_point(|(at, _)| *at < start);
        let printed = &self.text[start..];
        let value = if self.raw.len() == first {
            Value::str(printed)
        } else {
            let mut bytes = Vec::with_capacity(printed.len());
            let mut taken = start;
            for (at, byte) in self.raw.drain(first..) {
                bytes.extend_from_slice(&self.text.as_bytes()[taken..at]);
                bytes.push(byte);
                taken = at + char::REPLACEMENT_CHARACTER.len_utf8();
            }
            bytes.extend_from_slice(&self.text.as_bytes()[taken..]);
            let first = self.raw_sites.partition_point(|(at, _)| *at < start);
            self.taken_raw_site = self.raw_sites.drain(first..).next().map(|(_, site)| site);
            Value::Bytes(bytes.into())
        };
        self.text.truncate(start);
        value
    }
}

/// What a node did to the loop around it.
#[derive(PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

impl<'a> Executor<'a> {
    /// An executor for a set of templates.
    pub fn new(
        set: Arc<TemplateSet>,
        functions: &'a Functions,
        generator: &'a mut dyn Generator,
        reach: Reach,
    ) -> Executor<'a> {
        let text = Arc::new(Text { name: "".into(), text: "".into() });
        let tree = Arc::new(Tree { text, arrays: Arrays::default() });
        let body = Arc::new(Body { name: "".into(), is_empty: true, tree, nodes: List::EMPTY });
        Executor {
            functions,
            generator,
            scope: Scope::new(set),
            body,
            variables: Vec::new(),
            base: 0,
            depth: 0,
            reach,
            out_of_reach: false,
            out: Printed::default(),
            out_start: 0,
            rounds: 0,
            produced_bytes: 0,
            containers: 0,
            included: HashMap::default(),
            texts: HashMap::default(),
            call: Span::new(0, 0),
            calls: Vec::new(),
            random_calls: Vec::new(),
            warning: None,
            warnings: Vec::new(),
        }
    }

    /// Runs a template. Its text may hold [`NO_VALUE`].
    ///
    /// # Errors
    /// The first action that failed.
    pub fn execute(&mut self, name: &str, dot: Value) -> Result<Arc<str>> {
        let Some(body) = self.scope.get(name).cloned() else {
            let site = Site { text: self.body.text().clone(), span: Span::new(0, 0) };
            let message = format!("no template {name:?}");
            return Err(Box::new(Error::new(message, site)));
        };
        let result = self.run(&body, dot).and_then(|printed| match printed {
            Value::Str(text) => Ok(text),
            printed => {
                let first = match &printed {
                    Value::Bytes(bytes) => bytes.utf8_chunks().find_map(|chunk| chunk.invalid().first().copied()),
                    _ => None,
                };
                let site = Site { text: body.text().clone(), span: Span::new(0, 0) };
                let site = self.out.taken_raw_site.take().unwrap_or(site);
                let message =
                    format!("the output is not UTF-8: this prints the byte {:#04x}", first.unwrap_or_default());
                Err(Box::new(Error::new(message, site)))
            }
        });
        if result.is_err() {
            // The next template starts afresh.
            self.out = Printed::default();
            self.out_start = 0;
            self.variables.clear();
            self.base = 0;
            self.depth = 0;
            self.included.clear();
            self.calls.clear();
            self.generator.spare_keys();
        }
        result
    }

    /// Whether a template wanted to go deeper than the [`Reach`], which was an error.
    pub fn out_of_reach(&self) -> bool {
        self.out_of_reach
    }

    /// The random texts and the checksums that were made since the last time, if the generator keeps records.
    pub fn take_records(&mut self) -> (Vec<RandomText>, Vec<String>) {
        self.generator.take_records()
    }

    /// The calls that asked for randomness or the time since the last time, each with the calls that led there, nearest
    /// first. Of very many, the first ones.
    pub fn take_random_calls(&mut self) -> Vec<Vec<Site>> {
        std::mem::take(&mut self.random_calls)
    }

    /// What functions warned of, each warning once, with the first place that gave it.
    pub fn take_warnings(&mut self) -> Vec<(&'static str, Site)> {
        std::mem::take(&mut self.warnings)
    }

    /// Gives a warning its place.
    pub(super) fn place_warning(&mut self, message: &'static str, span: Span) {
        if !self.warnings.iter().any(|(known, _)| *known == message) {
            self.warnings.push((message, Site { text: self.body.text().clone(), span }));
        }
    }

    /// Runs a template; gives what it printed.
    fn run(&mut self, body: &Arc<Body>, dot: Value) -> Result<Value> {
        let dot = if matches!(dot, Value::Nil) { None } else { Some(dot) };
        let start = std::mem::replace(&mut self.out_start, self.out.text.len());
        self.enter(body, &dot)?;
        let printed = self.out.take_from(self.out_start);
        self.out_start = start;
        Ok(printed)
    }

    /// Runs a template into the current text, with no variable but `$`.
    fn enter(&mut self, body: &Arc<Body>, dot: &Operand) -> Result<()> {
        let caller = std::mem::replace(&mut self.body, body.clone());
        let base = std::mem::replace(&mut self.base, self.variables.len());
        self.variables.push((Variable::ROOT, dot.clone()));
        let result = self.walk(&body.tree, dot, body.nodes);
        self.variables.truncate(self.base);
        self.base = base;
        self.body = caller;
        result.map(|_| ())
    }

    /// Counts a level of nesting; the caller counts it off again.
    pub(super) fn descend(&mut self, span: Span) -> Result<()> {
        self.depth += 1;
        if self.depth > self.reach.depth {
            self.out_of_reach = true;
            return Err(self.error(span, format!("exceeded maximum template depth ({DEPTH_MAX})")));
        }
        Ok(())
    }

    fn walk(&mut self, tree: &Tree, dot: &Operand, nodes: List<Node>) -> Result<Flow> {
        for node in &tree[nodes] {
            match *node {
                Node::Text(span) => self.out.text.push_str(span.of(&tree.text.text)),
                Node::Action(pipe) => {
                    let pipe = &tree[pipe];
                    let value = self.pipeline(tree, dot, pipe)?;
                    if pipe.declared.is_empty() {
                        self.print(value, pipe.span)?;
                    }
                }
                Node::If(branch) | Node::With(branch) => {
                    let mark = self.variables.len();
                    let flow = self.if_or_with(tree, dot, &tree[branch], matches!(node, Node::With(_)))?;
                    self.variables.truncate(mark);
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
                Node::Range(branch) => {
                    let mark = self.variables.len();
                    let flow = self.range(tree, dot, &tree[branch])?;
                    self.variables.truncate(mark);
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
                Node::Template(call) => self.template(tree, dot, &tree[call])?,
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::Next)
    }

    fn print(&mut self, value: Operand, span: Span) -> Result<()> {
        match value {
            None => self.out.text.push_str(NO_VALUE),
            Some(Value::Str(text)) => self.out.text.push_str(&text),
            // Only what is printed itself is asked for its `String` method; inside of others Go prints the struct.
            Some(Value::Object(object)) if object.has_method("String") => match object.call("String", &[]) {
                Ok(text) => fmt::write_value(&mut self.out.text, &text),
                Err(message) => return Err(self.error(span, message)),
            },
            Some(Value::Bytes(bytes)) => {
                let site = Site { text: self.body.text().clone(), span };
                self.out.push_bytes(&bytes, site);
            }
            // Of a pointer to a struct Go prints the struct.
            Some(Value::Object(object)) if object.kind() == "ptr" && !object.is_stringer() => {
                self.out.text.push_str(object.print().trim_start_matches('&'));
            }
            Some(value) => fmt::write_value(&mut self.out.text, &value),
        }
        self.check_output(span)
    }

    fn check_output(&self, span: Span) -> Result<()> {
        if self.out.text.len() - self.out_start > OUTPUT_BYTES_MAX {
            return Err(
                self.error(span, format!("the output is larger than {OUTPUT_BYTES_MAX} bytes (OUTPUT_BYTES_MAX)"))
            );
        }
        Ok(())
    }

    fn if_or_with(&mut self, tree: &Tree, dot: &Operand, branch: &Branch, is_with: bool) -> Result<Flow> {
        let pipe = &tree[branch.pipe];
        let value = self.pipeline(tree, dot, pipe)?;
        self.descend(pipe.span)?;
        let flow = if value.as_ref().is_some_and(Value::truth) {
            self.walk(tree, if is_with { &value } else { dot }, branch.then)?
        } else {
            self.walk(tree, dot, branch.otherwise)?
        };
        self.depth -= 1;
        Ok(flow)
    }

    fn range(&mut self, tree: &Tree, dot: &Operand, branch: &Branch) -> Result<Flow> {
        let pipe = &tree[branch.pipe];
        let value = self.pipeline(tree, dot, pipe)?;
        let data = match &value {
            Some(Value::Object(object)) if matches!(object.kind(), "map" | "slice") => object.as_data(),
            _ => value,
        };
        self.descend(pipe.span)?;
        let ran = match &data {
            None => false,
            Some(Value::List(list)) => {
                let items = list.items.clone();
                for (i, item) in items.iter().enumerate() {
                    let index = Value::int(i64::try_from(i).unwrap_or(i64::MAX));
                    if self.round(tree, branch, Some(index), item.clone())? == Flow::Break {
                        break;
                    }
                }
                !items.is_empty()
            }
            Some(Value::Map(map)) => {
                // Go sorts the entries before the first round, so that a round may change the map.
                let entries: Vec<_> = map.entries.borrow().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
                let ran = !entries.is_empty();
                for (key, item) in entries {
                    if self.round(tree, branch, Some(Value::Str(key)), item)? == Flow::Break {
                        break;
                    }
                }
                ran
            }
            Some(Value::Int(count, kind)) => {
                if pipe.declared.len() > 1 {
                    let message = format!("can't use {count} to iterate over more than one variable");
                    return Err(self.error(pipe.span, message));
                }
                self.range_integer(tree, branch, *count, *kind)?
            }
            Some(other) => {
                let mut shown = String::new();
                fmt::write_value(&mut shown, other);
                let mut error = self.error(pipe.span, format!("range can't iterate over {shown}"));
                error.culprit = self.culprit_of_pipe(tree, dot, pipe);
                return Err(error);
            }
        };
        if !ran {
            let flow = self.walk(tree, dot, branch.otherwise)?;
            self.depth -= 1;
            return Ok(flow);
        }
        self.depth -= 1;
        Ok(Flow::Next)
    }

    fn range_integer(&mut self, tree: &Tree, branch: &Branch, count: i64, kind: IntKind) -> Result<bool> {
        for i in 0..count {
            if self.round(tree, branch, None, Value::Int(i, kind))? == Flow::Break {
                break;
            }
        }
        Ok(count > 0)
    }

    fn round(&mut self, tree: &Tree, branch: &Branch, index: Operand, item: Value) -> Result<Flow> {
        let pipe = &tree[branch.pipe];
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return Err(
                self.error(pipe.span, format!("more than {ROUNDS_MAX} rounds of range in one render (ROUNDS_MAX)"))
            );
        }
        let item = Some(item);
        let values = match pipe.declared.len() {
            0 => [None, None],
            1 => [Some(item.clone()), None],
            _ => [Some(index), Some(item.clone())],
        };
        let mark = self.variables.len();
        let declared = pipe.declared.len();
        for (i, (name, value)) in tree[pipe.declared].iter().zip(values.into_iter().flatten()).enumerate() {
            if pipe.is_assignment {
                self.assign(*name, value, pipe.span)?;
            } else {
                self.variables[mark - declared + i].1 = value;
            }
        }
        let flow = self.walk(tree, &item, branch.then)?;
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn template(&mut self, tree: &Tree, dot: &Operand, call: &Call) -> Result<()> {
        let Some(body) = self.scope.get(&call.name).cloned() else {
            return Err(self.error(call.span, format!("template {:?} not defined", &*call.name)));
        };
        let dot = match call.pipe {
            Some(pipe) => self.pipeline(tree, dot, &tree[pipe])?,
            None => None,
        };
        self.descend(call.span)?;
        self.push_call(call.span);
        let result = self.enter(&body, &dot);
        self.calls.pop();
        self.depth -= 1;
        result.map_err(|error| self.frame(error, FrameKind::Template(call.name.clone()), call.span))?;
        self.check_output(call.span)
    }

    /// Counts what a function gave.
    pub(super) fn count_produced(&mut self, value: &Value, span: Span) -> Result<()> {
        self.produced_bytes += match value {
            Value::Str(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(list) => size_of::<Value>() * list.items.len(),
            _ => 0,
        };
        self.containers += value.levels_made();
        if self.containers > self.reach.containers {
            self.out_of_reach = true;
            let message = format!(
                "the functions made more than {CONTAINERS_MAX} levels of lists and maps in one render (CONTAINERS_MAX)"
            );
            return Err(self.error(span, message));
        }
        if self.produced_bytes > PRODUCED_BYTES_MAX {
            return Err(self.error(
                span,
                format!("the functions made more than {PRODUCED_BYTES_MAX} bytes in one render (PRODUCED_BYTES_MAX)"),
            ));
        }
        Ok(())
    }

    /// `include`: the text of a template.
    pub(super) fn include(&mut self, name: &Arc<str>, dot: Value, command: &Command) -> Result<Value> {
        let fail = |executor: &mut Self, message: String| {
            let mut error = executor.error(command.span, message);
            error.function = Some("include");
            Err(error)
        };
        let Some(body) = self.scope.get(name).cloned() else {
            return fail(self, format!("no template {:?} associated with template {TPL_NAME:?}", &**name));
        };
        let count = self.included.entry(name.clone()).or_insert(0);
        if *count > INCLUDE_RECURSION_MAX {
            let message = format!("rendering template has a nested reference name: {name}: unable to execute template");
            return fail(self, message);
        }
        *count += 1;
        self.descend(command.span)?;
        self.push_call(command.span);
        let printed =
            self.run(&body, dot).map_err(|error| self.frame(error, FrameKind::Include(name.clone()), command.span))?;
        self.calls.pop();
        self.depth -= 1;
        if let Some(count) = self.included.get_mut(name) {
            *count -= 1;
        }
        Ok(printed)
    }

    /// `tpl`: a text as a template, which sees all that its caller sees.
    pub(super) fn tpl(&mut self, text: &Arc<str>, dot: Value, command: &Command) -> Result<Value> {
        if !text.contains("{{") {
            return Ok(if text.contains(NO_VALUE) {
                Value::str(text.replace(NO_VALUE, ""))
            } else {
                Value::Str(text.clone())
            });
        }
        let parsed = match self.texts.get(text) {
            Some(parsed) => parsed.clone(),
            None => {
                let named = Arc::new(Text { name: TPL_NAME.into(), text: text.clone() });
                let parsed = parse(&named, self.functions).map_err(|error| {
                    let message = format!("cannot parse template: {}", error.message);
                    self.frame(Box::new(Error::new(message, error.site.clone())), FrameKind::Tpl, command.span)
                })?;
                let parsed = Arc::new(parsed);
                self.texts.insert(text.clone(), parsed.clone());
                parsed
            }
        };
        self.descend(command.span)?;
        let scope = self.scope.with(&parsed);
        let outer = std::mem::replace(&mut self.scope, scope);
        self.push_call(command.span);
        let result = self.run(&parsed.main, dot);
        self.calls.pop();
        self.scope = outer;
        let printed = result.map_err(|error| self.frame(error, FrameKind::Tpl, command.span))?;
        self.depth -= 1;
        Ok(match printed {
            Value::Str(text) if text.contains(NO_VALUE) => Value::str(text.replace(NO_VALUE, "")),
            printed => printed,
        })
    }

    fn push_call(&mut self, span: Span) {
        self.calls.push(Site { text: self.body.text().clone(), span });
    }

    fn note_random_call(&mut self) {
        /// Loops may call very often.
        const RANDOM_CALLS_MAX: usize = 100;
        let site = Site { text: self.body.text().clone(), span: self.call };
        let is_known = |known: &Vec<Site>| known[0].span == site.span && Arc::ptr_eq(&known[0].text, &site.text);
        if self.random_calls.len() < RANDOM_CALLS_MAX && !self.random_calls.iter().any(is_known) {
            self.random_calls.push(std::iter::once(site).chain(self.calls.iter().rev().cloned()).collect());
        }
    }

    pub(super) fn variable(&self, name: Variable) -> Option<&Operand> {
        self.variables[self.base..].iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(super) fn assign(&mut self, name: Variable, value: Operand, span: Span) -> Result<()> {
        let base = self.base;
        match self.variables[base..].iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, slot)) => *slot = value,
            None => {
                let shown = span.of(&self.body.text().text).split([' ', ',', '=', ':']).next().unwrap_or_default();
                return Err(self.error(span, format!("undefined variable: {shown}")));
            }
        }
        Ok(())
    }

    pub(super) fn error(&self, span: Span, message: impl Into<String>) -> Box<Error> {
        let site = Site { text: self.body.text().clone(), span };
        Box::new(Error::new(message.into(), site))
    }

    pub(super) fn error_about(&self, span: Span, message: String, culprit: Option<Culprit>) -> Box<Error> {
        let mut error = self.error(span, message);
        error.culprit = culprit;
        error
    }

    fn frame(&self, mut error: Box<Error>, kind: FrameKind, span: Span) -> Box<Error> {
        error.frames.push(Frame { kind, site: Site { text: self.body.text().clone(), span } });
        error
    }
}

impl Host for Executor<'_> {
    fn generator(&mut self) -> &mut dyn Generator {
        self.note_random_call();
        self.generator
    }

    fn random_text(&mut self, alphabet: Alphabet, length: usize) -> String {
        self.note_random_call();
        let site = Site { text: self.body.text().clone(), span: self.call };
        let calls = &self.calls;
        self.generator
            .text(alphabet, length, &mut || std::iter::once(&site).chain(calls.iter().rev()).cloned().collect())
    }

    fn note_checksum(&mut self, checksum: &str) {
        self.generator.note_checksum(checksum);
    }

    fn warn(&mut self, message: &'static str) {
        self.warning = Some(message);
    }
}
