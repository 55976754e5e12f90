//! Tokens → tree, by Go's grammar (text/template/parse/parse.go). Functions are found here, so that an unknown one
//! refuses the template even in a branch that is never taken, as in Go.

use std::sync::Arc;

use super::HashMap;
use super::ast::{
    Body, Branch, Call, Callee, Command, Expr, ExprKind, Node, Number, Parsed, Pipe, Segment, Span, Text, Variable,
};
use super::builtins::Builtin;
use super::error::{ParseError, Site};
use super::func::Function;
use super::lex::{Kind, Token, lex};
use super::literal;

/// How deep parentheses and blocks may nest; each level costs stack when the template runs.
pub const NESTING_MAX: u32 = 500;

/// The functions that templates may call: Go's built-in ones and those of some tables.
pub struct Functions {
    callees: HashMap<&'static str, Callee>,
}

impl Functions {
    /// Go's built-in functions, then `include` and `tpl`, then those of the tables; later ones win.
    pub fn new(tables: &[&'static [Function]]) -> Functions {
        let rows: usize = tables.iter().map(|table| table.len()).sum();
        let mut callees = HashMap::default();
        callees.reserve(Builtin::ALL.len() + 2 + rows);
        callees.extend(Builtin::ALL.iter().map(|b| (b.name(), Callee::Builtin(*b))));
        for callee in [Callee::Include, Callee::Tpl] {
            callees.insert(callee.name(), callee);
        }
        callees.extend(tables.iter().copied().flatten().map(|row| (row.name, Callee::Row(row))));
        Functions { callees }
    }

    /// A function of the tables.
    pub(super) fn row(&self, name: &str) -> Option<&'static Function> {
        match self.callees.get(name) {
            Some(Callee::Row(row)) => Some(row),
            _ => None,
        }
    }

    /// All names, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.callees.keys().copied()
    }
}

/// Parses a text.
///
/// # Errors
/// The first thing in it that Go would refuse.
pub fn parse(text: &Arc<Text>, functions: &Functions) -> Result<Parsed, Box<ParseError>> {
    let lexed = lex(&text.text);
    let mut parser = Parser {
        text,
        functions,
        tokens: &lexed.tokens,
        lexical_error: &lexed.error,
        next: 0,
        names: vec!["$"],
        visible: vec![Variable::ROOT],
        definitions: Vec::new(),
        range_depth: 0,
        depth: 0,
        open: Vec::new(),
        nodes: Vec::new(),
        commands: Vec::new(),
        args: Vec::new(),
        words: HashMap::default(),
    };
    let nodes = parser.top_level()?;
    let main = parser.body(text.name.clone(), nodes);
    Ok(Parsed { main, definitions: parser.definitions })
}

struct Parser<'a> {
    text: &'a Arc<Text>,
    functions: &'a Functions,
    tokens: &'a [Token],
    lexical_error: &'a str,
    next: usize,
    /// The variable names of this text; a [`Variable`] is an index into them.
    names: Vec<&'a str>,
    /// The variables in scope.
    visible: Vec<Variable>,
    definitions: Vec<Arc<Body>>,
    range_depth: u32,
    depth: u32,
    /// The actions that wait for their `end`.
    open: Vec<Span>,
    // What is parsed so far of the lists that are open, the innermost last: each list is taken off when its length is
    // known.
    nodes: Vec<Node>,
    commands: Vec<Command>,
    args: Vec<Expr>,
    /// The names in paths; one text says `Values` many times.
    words: HashMap<&'a str, Arc<str>>,
}

/// The elements from `mark` on.
fn take_from<T>(stack: &mut Vec<T>, mark: usize) -> Box<[T]> {
    stack.drain(mark..).collect()
}

type Result<T, E = Box<ParseError>> = std::result::Result<T, E>;

/// How a list of nodes ended.
enum ListEnd {
    End,
    /// `else`, at this place; `chained` if `if` or `with` follows.
    Else {
        span: Span,
        chained: bool,
    },
}

/// An action, or the end of the list it stands in.
enum Item {
    Node(Node),
    ListEnd(ListEnd, Span),
}

impl<'a> Parser<'a> {
    fn token(&self) -> Token {
        self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.token();
        self.next += 1;
        token
    }

    fn peek_non_space(&mut self) -> Token {
        while self.token().kind == Kind::Space {
            self.next += 1;
        }
        self.token()
    }

    fn take_non_space(&mut self) -> Token {
        self.peek_non_space();
        self.take()
    }

    fn source(&self, token: Token) -> &'a str {
        token.span.of(&self.text.text)
    }

    fn error<T>(&self, span: Span, message: impl Into<String>) -> Result<T> {
        let site = Site { text: self.text.clone(), span };
        Err(Box::new(ParseError { message: message.into(), site, opened: None }))
    }

    fn unexpected<T>(&self, token: Token, context: &str) -> Result<T> {
        if token.kind == Kind::Error {
            return self.error(token.span, self.lexical_error);
        }
        self.error(token.span, format!("unexpected {} in {context}", self.show(token)))
    }

    /// A token as Go's messages show it.
    fn show(&self, token: Token) -> String {
        /// Longer tokens are cut.
        const SHOWN_MAX: usize = 10;
        let source = self.source(token);
        match token.kind {
            Kind::Eof => "EOF".into(),
            kind if kind.is_keyword() => format!("<{source}>"),
            _ if source.chars().count() > SHOWN_MAX => {
                format!("{:?}...", source.chars().take(SHOWN_MAX).collect::<String>())
            }
            _ => format!("{source:?}"),
        }
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token> {
        let token = self.take_non_space();
        if token.kind != kind {
            return self.unexpected(token, context);
        }
        Ok(token)
    }

    fn body(&self, name: Arc<str>, nodes: Box<[Node]>) -> Arc<Body> {
        let is_empty = nodes.iter().all(|node| match node {
            Node::Text(span) => span.of(&self.text.text).trim().is_empty(),
            _ => false,
        });
        Arc::new(Body { name, text: self.text.clone(), is_empty, nodes })
    }

    fn top_level(&mut self) -> Result<Box<[Node]>> {
        while self.token().kind != Kind::Eof {
            if self.token().kind == Kind::LeftDelim {
                let start = self.next;
                self.next += 1;
                if self.take_non_space().kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.next = start;
            }
            match self.text_or_action()? {
                Item::Node(node) => self.nodes.push(node),
                Item::ListEnd(ListEnd::End, span) => return self.error(span, "unexpected {{end}}"),
                Item::ListEnd(ListEnd::Else { .. }, span) => return self.error(span, "unexpected {{else}}"),
            }
        }
        Ok(take_from(&mut self.nodes, 0))
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let token = self.take_non_space();
        let name = self.template_name(token, CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        let nodes = self.separate_list(token, CONTEXT)?;
        self.define(token, name, nodes)
    }

    /// The nodes of a definition, which sees no variable of its surroundings.
    fn separate_list(&mut self, opened_by: Token, context: &str) -> Result<Box<[Node]>> {
        let visible = std::mem::replace(&mut self.visible, vec![Variable::ROOT]);
        let range_depth = std::mem::take(&mut self.range_depth);
        self.open.push(opened_by.span);
        let (nodes, end) = self.list()?;
        self.open.pop();
        self.visible = visible;
        self.range_depth = range_depth;
        match end {
            ListEnd::End => Ok(nodes),
            ListEnd::Else { span, .. } => self.error(span, format!("unexpected {{{{else}}}} in {context}")),
        }
    }

    fn define(&mut self, token: Token, name: Arc<str>, nodes: Box<[Node]>) -> Result<()> {
        let body = self.body(name, nodes);
        match self.definitions.iter_mut().find(|other| other.name == body.name) {
            None => self.definitions.push(body),
            Some(other) if other.is_empty => *other = body,
            Some(_) if body.is_empty => {}
            Some(_) => {
                let message = format!("multiple definition of template {:?}", &*body.name);
                return self.error(token.span, message);
            }
        }
        Ok(())
    }

    /// Nodes up to an `end` or `else`.
    fn list(&mut self) -> Result<(Box<[Node]>, ListEnd)> {
        let mark = self.nodes.len();
        self.descend()?;
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => self.nodes.push(node),
                Item::ListEnd(end, _) => {
                    self.depth -= 1;
                    return Ok((take_from(&mut self.nodes, mark), end));
                }
            }
        }
        let site = Site { text: self.text.clone(), span: self.token().span };
        Err(Box::new(ParseError { message: "unexpected EOF".into(), site, opened: self.open.last().copied() }))
    }

    fn descend(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return self.error(self.token().span, format!("max expression depth exceeded ({NESTING_MAX})"));
        }
        Ok(())
    }

    fn text_or_action(&mut self) -> Result<Item> {
        let token = self.take_non_space();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.span))),
            Kind::LeftDelim => self.action(),
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item> {
        let token = self.peek_non_space();
        if token.kind.is_keyword() && !matches!(token.kind, Kind::Dot | Kind::Nil) {
            self.next += 1;
        }
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break | Kind::Continue => {
                let word = self.source(token);
                let end = self.take_non_space();
                if end.kind != Kind::RightDelim {
                    return self.unexpected(end, &format!("{{{{{word}}}}}"));
                }
                if self.range_depth == 0 {
                    return self.error(token.span, format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                if token.kind == Kind::Break { Node::Break } else { Node::Continue }
            }
            Kind::Else => {
                let chained = matches!(self.peek_non_space().kind, Kind::If | Kind::With);
                if !chained {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Item::ListEnd(ListEnd::Else { span: token.span, chained }, token.span));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::ListEnd(ListEnd::End, token.span));
            }
            Kind::If => Node::If(self.control(token, "if")?),
            Kind::With => Node::With(self.control(token, "with")?),
            Kind::Range => Node::Range(self.control(token, "range")?),
            Kind::Template => self.template(token)?,
            _ => {
                // Go's own words when an action begins with a keyword that cannot begin one.
                if token.kind == Kind::Define {
                    return self.unexpected(token, "command");
                }
                Node::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        };
        Ok(Item::Node(node))
    }

    fn control(&mut self, token: Token, context: &'static str) -> Result<Box<Branch>> {
        let visible = self.visible.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let is_range = u32::from(context == "range");
        self.range_depth += is_range;
        self.open.push(token.span);
        let (then, end) = self.list()?;
        self.range_depth -= is_range;
        let mut otherwise: Box<[Node]> = Box::default();
        if let ListEnd::Else { chained, .. } = end {
            let next = self.token();
            if chained && context == "if" && next.kind == Kind::If {
                self.next += 1;
                self.descend()?;
                otherwise = Box::new([Node::If(self.control(next, "if")?)]);
                self.depth -= 1;
            } else if chained && context == "with" && next.kind == Kind::With {
                self.next += 1;
                self.descend()?;
                otherwise = Box::new([Node::With(self.control(next, "with")?)]);
                self.depth -= 1;
            } else {
                let (nodes, end) = self.list()?;
                if let ListEnd::Else { span, .. } = end {
                    return self.error(span, "expected end; found {{else}}");
                }
                otherwise = nodes;
            }
        }
        self.open.pop();
        self.visible.truncate(visible);
        Ok(Box::new(Branch { pipe, then, otherwise }))
    }

    fn block(&mut self) -> Result<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.take_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        let nodes = self.separate_list(token, CONTEXT)?;
        self.define(token, name.clone(), nodes)?;
        Ok(Node::Template(Box::new(Call { name, span: token.span, pipe: Some(pipe) })))
    }

    fn template(&mut self, keyword: Token) -> Result<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.take_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let span = keyword.span.to(token.span);
        let pipe = if self.peek_non_space().kind == Kind::RightDelim {
            self.next += 1;
            None
        } else {
            Some(self.pipeline(CONTEXT, Kind::RightDelim)?)
        };
        Ok(Node::Template(Box::new(Call { name, span, pipe })))
    }

    fn template_name(&mut self, token: Token, context: &str) -> Result<Arc<str>> {
        if !matches!(token.kind, Kind::Str | Kind::RawStr) {
            return self.unexpected(token, context);
        }
        match literal::unquote(self.source(token)) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into()),
            Err(message) => self.error(token.span, message),
        }
    }

    fn pipeline(&mut self, context: &'static str, end: Kind) -> Result<Pipe> {
        let start = self.peek_non_space().span;
        let (declared, is_assignment) = self.declarations(context)?;
        let mark = self.commands.len();
        loop {
            let token = self.peek_non_space();
            match token.kind {
                kind if kind == end => {
                    if self.commands.len() == mark {
                        return self.error(token.span, format!("missing value for {context}"));
                    }
                    let span = start.to(self.previous_end(token));
                    self.next += 1;
                    let commands = take_from(&mut self.commands, mark);
                    return Ok(Pipe { span, declared, is_assignment, commands });
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawStr
                | Kind::Str
                | Kind::Variable
                | Kind::LeftParen => {
                    let command = self.command()?;
                    let first = &command.args[0];
                    let is_value = matches!(
                        first.kind,
                        ExprKind::Bool(_)
                            | ExprKind::Dot
                            | ExprKind::Nil
                            | ExprKind::Number(_)
                            | ExprKind::Str(_)
                            | ExprKind::Bytes(_)
                    );
                    if is_value && self.commands.len() > mark {
                        let stage = self.commands.len() - mark + 1;
                        return self.error(first.span, format!("non executable command in pipeline stage {stage}"));
                    }
                    self.commands.push(command);
                }
                _ => return self.unexpected(token, context),
            }
        }
    }

    /// The end of what stands before a token, without the space between.
    fn previous_end(&self, token: Token) -> Span {
        let before = &self.text.text[..token.span.start as usize];
        let end = before.trim_end().len();
        Span::new(end, end)
    }

    fn declarations(&mut self, context: &'static str) -> Result<(Box<[Variable]>, bool)> {
        let mut declared = Vec::new();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok((declared.into(), false));
            }
            let start = self.next;
            self.next += 1;
            let next = self.peek_non_space();
            let is_comma = next.kind == Kind::Char && self.source(next) == ",";
            if !is_comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                self.next = start;
                return Ok((declared.into(), false));
            }
            self.next += 1;
            let id = self.intern(self.source(variable));
            declared.push(id);
            self.visible.push(id);
            if !is_comma {
                return Ok((declared.into(), next.kind == Kind::Assign));
            }
            if context != "range" || declared.len() > 1 {
                return self.error(next.span, format!("too many declarations in {context}"));
            }
            let after = self.peek_non_space();
            if !matches!(after.kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                return self.error(after.span, "range can only initialize variables");
            }
        }
    }

    fn intern(&mut self, name: &'a str) -> Variable {
        let index = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        Variable(u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn command(&mut self) -> Result<Command> {
        let start = self.peek_non_space();
        let mark = self.args.len();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                self.args.push(operand);
            }
            let token = self.token();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => {}
                Kind::Pipe => self.next += 1,
                _ => return self.unexpected(token, "operand"),
            }
            if self.args.len() == mark {
                return self.error(token.span, "empty command");
            }
            let span = start.span.to(self.previous_end(token));
            return Ok(Command { span, args: take_from(&mut self.args, mark) });
        }
    }

    /// A term and the fields that follow it; `None` if what comes next is no operand.
    fn operand(&mut self) -> Result<Option<Expr>> {
        let Some(term) = self.term()? else { return Ok(None) };
        let path = self.fields();
        let Some(last) = path.last() else { return Ok(Some(term)) };
        let span = term.span.to(last.span);
        let kind = match term.kind {
            ExprKind::Variable { id, .. } => ExprKind::Variable { id, path },
            ExprKind::Bool(_)
            | ExprKind::Str(_)
            | ExprKind::Bytes(_)
            | ExprKind::Number(_)
            | ExprKind::Nil
            | ExprKind::Dot => {
                let term = term.span.of(&self.text.text);
                return self.error(span, format!("unexpected . after term {term:?}"));
            }
            _ => ExprKind::Chain { base: Box::new(term), path },
        };
        Ok(Some(Expr { span, kind }))
    }

    /// The fields that come next.
    fn fields(&mut self) -> Box<[Segment]> {
        let count =
            self.tokens[self.next.min(self.tokens.len())..].iter().take_while(|t| t.kind == Kind::Field).count();
        let fields = &self.tokens[self.next..self.next + count];
        self.next += count;
        let mut segment = |token: &Token| {
            let word = &self.source(*token)[1..];
            let name = self.words.entry(word).or_insert_with(|| word.into()).clone();
            Segment { name, span: token.span }
        };
        fields.iter().map(&mut segment).collect()
    }

    fn term(&mut self) -> Result<Option<Expr>> {
        let token = self.take_non_space();
        let source = self.source(token);
        let kind = match token.kind {
            Kind::Identifier => match self.functions.callees.get(source) {
                Some(callee) => ExprKind::Function(*callee),
                None => return self.error(token.span, format!("function {source:?} not defined")),
            },
            Kind::Dot => ExprKind::Dot,
            Kind::Nil => ExprKind::Nil,
            Kind::Variable => {
                let known = self.names.iter().position(|name| *name == source).map(|i| Variable(i as u32));
                match known.filter(|id| self.visible.contains(id)) {
                    Some(id) => ExprKind::Variable { id, path: Box::new([]) },
                    None => return self.error(token.span, format!("undefined variable {source:?}")),
                }
            }
            Kind::Field => {
                self.next -= 1;
                let path = self.fields();
                let span = path.last().map_or(token.span, |last| token.span.to(last.span));
                return Ok(Some(Expr { span, kind: ExprKind::Field(path) }));
            }
            Kind::Bool => ExprKind::Bool(source == "true"),
            Kind::CharConstant => match literal::unquote_char(source) {
                Some(code) => {
                    ExprKind::Number(Box::new(Number { int: Some(code), float: Some(code as f64), is_int_like: true }))
                }
                None => return self.error(token.span, format!("malformed character constant: {source}")),
            },
            Kind::Number | Kind::Complex => match literal::number(source) {
                Ok(number) => ExprKind::Number(Box::new(number)),
                Err(message) => return self.error(token.span, message),
            },
            Kind::LeftParen => {
                self.descend()?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                let end = self.tokens[self.next - 1].span;
                return Ok(Some(Expr { span: token.span.to(end), kind: ExprKind::Pipe(Box::new(pipe)) }));
            }
            Kind::Str | Kind::RawStr => match literal::unquote(source) {
                Ok(bytes) => match String::from_utf8(bytes) {
                    Ok(text) => ExprKind::Str(text.into()),
                    Err(error) => ExprKind::Bytes(error.into_bytes().into()),
                },
                Err(message) => return self.error(token.span, message),
            },
            _ => {
                self.next -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Expr { span: token.span, kind }))
    }
}
