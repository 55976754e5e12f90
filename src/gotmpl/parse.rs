//! Tokens → tree, by Go's grammar (text/template/parse/parse.go). Functions are found here, so that an unknown one
//! refuses the template even in a branch that is never taken, as in Go.

use std::sync::Arc;

use super::ast::{
    Arrays, Body, Branch, Call, Command, Expr, ExprKind, Id, List, Node, Number, Parsed, Pipe, Segment, Span, Text,
    Tree, Variable,
};
use super::error::{ParseError, Site};
use super::functions::Functions;
use super::lex::{Kind, Token, lex};
use super::literal::{self, Unquoted};

/// How deep parentheses and blocks may nest; each level costs stack when the template runs.
pub const NESTING_MAX: u32 = 500;

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
        arrays: room_for(&lexed.tokens),
        nodes: Vec::new(),
        commands: Vec::new(),
        args: Vec::new(),
    };
    let nodes = parser.top_level()?;
    let main = parser.definition_of(text.name.clone(), nodes);
    let (arrays, definitions) = (parser.arrays, parser.definitions);
    let tree = Arc::new(Tree { text: text.clone(), arrays });
    let body = |defined: Definition| {
        let Definition { name, is_empty, nodes } = defined;
        Arc::new(Body { name, is_empty, tree: tree.clone(), nodes })
    };
    Ok(Parsed { main: body(main), definitions: definitions.into_iter().map(body).collect() })
}

/// Arrays that hold what the tokens can become, and hardly more: so they need not grow.
fn room_for(tokens: &[Token]) -> Arrays {
    let (mut nodes, mut pipes, mut commands, mut exprs, mut segments) = (0_usize, 0_usize, 0_usize, 0, 0);
    for token in tokens {
        match token.kind {
            Kind::Text => nodes += 1,
            Kind::LeftDelim => {
                nodes += 1;
                pipes += 1;
                commands += 1;
            }
            // These actions have no pipeline.
            Kind::End | Kind::Define => {
                nodes = nodes.saturating_sub(1);
                pipes = pipes.saturating_sub(1);
                commands = commands.saturating_sub(1);
            }
            Kind::LeftParen => {
                pipes += 1;
                commands += 1;
                exprs += 1;
            }
            Kind::Pipe => commands += 1,
            Kind::Field => {
                exprs += usize::from(token.is_apart);
                segments += 1;
            }
            Kind::Identifier | Kind::Variable | Kind::Dot | Kind::Str | Kind::RawStr | Kind::Number | Kind::Bool => {
                exprs += 1;
            }
            _ => {}
        }
    }
    Arrays::with_room(nodes, pipes, commands, exprs, segments)
}

/// A template whose text is not parsed to its end yet.
struct Definition {
    name: Arc<str>,
    is_empty: bool,
    nodes: List<Node>,
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
    definitions: Vec<Definition>,
    range_depth: u32,
    depth: u32,
    /// The actions that wait for their `end`.
    open: Vec<Span>,
    arrays: Arrays,
    // What is parsed so far of the lists that are open, the innermost last: each list goes into its array when it is
    // whole, so that its elements stand beside each other.
    nodes: Vec<Node>,
    commands: Vec<Command>,
    args: Vec<Expr>,
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
        let token = self.take();
        if token.kind != kind {
            return self.unexpected(token, context);
        }
        Ok(token)
    }

    fn definition_of(&self, name: Arc<str>, nodes: List<Node>) -> Definition {
        let is_empty = self.arrays[nodes].iter().all(|node| match node {
            Node::Text(span) => span.of(&self.text.text).trim().is_empty(),
            _ => false,
        });
        Definition { name, is_empty, nodes }
    }

    /// The nodes from `mark` on, which are all of a list.
    fn keep_nodes(&mut self, mark: usize) -> List<Node> {
        self.arrays.keep_all(self.nodes.drain(mark..))
    }

    fn top_level(&mut self) -> Result<List<Node>> {
        while self.token().kind != Kind::Eof {
            if self.token().kind == Kind::LeftDelim {
                let start = self.next;
                self.next += 1;
                if self.take().kind == Kind::Define {
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
        Ok(self.keep_nodes(0))
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let token = self.take();
        let name = self.template_name(token, CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        let nodes = self.separate_list(token, CONTEXT)?;
        self.define(token, name, nodes)
    }

    /// The nodes of a definition, which sees no variable of its surroundings.
    fn separate_list(&mut self, opened_by: Token, context: &str) -> Result<List<Node>> {
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

    fn define(&mut self, token: Token, name: Arc<str>, nodes: List<Node>) -> Result<()> {
        let body = self.definition_of(name, nodes);
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
    fn list(&mut self) -> Result<(List<Node>, ListEnd)> {
        let mark = self.nodes.len();
        self.descend()?;
        while self.token().kind != Kind::Eof {
            match self.text_or_action()? {
                Item::Node(node) => self.nodes.push(node),
                Item::ListEnd(end, _) => {
                    self.depth -= 1;
                    return Ok((self.keep_nodes(mark), end));
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
        let token = self.take();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.span))),
            Kind::LeftDelim => self.action(),
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item> {
        let token = self.token();
        if token.kind.is_keyword() && !matches!(token.kind, Kind::Dot | Kind::Nil) {
            self.next += 1;
        }
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break | Kind::Continue => {
                let word = self.source(token);
                let end = self.take();
                if end.kind != Kind::RightDelim {
                    return self.unexpected(end, &format!("{{{{{word}}}}}"));
                }
                if self.range_depth == 0 {
                    return self.error(token.span, format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                if token.kind == Kind::Break { Node::Break } else { Node::Continue }
            }
            Kind::Else => {
                let chained = matches!(self.token().kind, Kind::If | Kind::With);
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

    fn control(&mut self, token: Token, context: &'static str) -> Result<Id<Branch>> {
        let visible = self.visible.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let is_range = u32::from(context == "range");
        self.range_depth += is_range;
        self.open.push(token.span);
        let (then, end) = self.list()?;
        self.range_depth -= is_range;
        let mut otherwise = List::EMPTY;
        if let ListEnd::Else { chained, .. } = end {
            let next = self.token();
            if chained && context == "if" && next.kind == Kind::If {
                self.next += 1;
                self.descend()?;
                let chained = Node::If(self.control(next, "if")?);
                otherwise = self.arrays.keep_all(std::iter::once(chained));
                self.depth -= 1;
            } else if chained && context == "with" && next.kind == Kind::With {
                self.next += 1;
                self.descend()?;
                let chained = Node::With(self.control(next, "with")?);
                otherwise = self.arrays.keep_all(std::iter::once(chained));
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
        Ok(self.arrays.keep(Branch { pipe, then, otherwise }))
    }

    fn block(&mut self) -> Result<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.take();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        let nodes = self.separate_list(token, CONTEXT)?;
        self.define(token, name.clone(), nodes)?;
        Ok(Node::Template(self.arrays.keep(Call { name, span: token.span, pipe: Some(pipe) })))
    }

    fn template(&mut self, keyword: Token) -> Result<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.take();
        let name = self.template_name(token, CONTEXT)?;
        let span = keyword.span.to(token.span);
        let pipe = if self.token().kind == Kind::RightDelim {
            self.next += 1;
            None
        } else {
            Some(self.pipeline(CONTEXT, Kind::RightDelim)?)
        };
        Ok(Node::Template(self.arrays.keep(Call { name, span, pipe })))
    }

    fn template_name(&mut self, token: Token, context: &str) -> Result<Arc<str>> {
        if !matches!(token.kind, Kind::Str | Kind::RawStr) {
            return self.unexpected(token, context);
        }
        match literal::unquote(self.source(token)) {
            Ok(Unquoted::Text(text)) => Ok(text.into()),
            Ok(Unquoted::Bytes(bytes)) => Ok(String::from_utf8_lossy(&bytes).into()),
            Err(message) => self.error(token.span, message),
        }
    }

    fn pipeline(&mut self, context: &'static str, end: Kind) -> Result<Id<Pipe>> {
        let start = self.token().span;
        let (declared, is_assignment) = self.declarations(context)?;
        let mark = self.commands.len();
        loop {
            let token = self.token();
            match token.kind {
                kind if kind == end => {
                    if self.commands.len() == mark {
                        return self.error(token.span, format!("missing value for {context}"));
                    }
                    let span = start.to(self.previous_end());
                    self.next += 1;
                    let commands = self.arrays.keep_all(self.commands.drain(mark..));
                    return Ok(self.arrays.keep(Pipe { span, declared, is_assignment, commands }));
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
                    let first = self.arrays[command.args][0];
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

    /// The token before the next one.
    fn previous_end(&self) -> Span {
        self.tokens[(self.next.min(self.tokens.len())).saturating_sub(1)].span
    }

    fn declarations(&mut self, context: &'static str) -> Result<(List<Variable>, bool)> {
        let mut declared = [Variable::ROOT; 2];
        let mut count = 0;
        loop {
            let variable = self.token();
            if variable.kind != Kind::Variable {
                return Ok((self.keep_declared(&declared[..count]), false));
            }
            let start = self.next;
            self.next += 1;
            let next = self.token();
            let is_comma = next.kind == Kind::Char && self.source(next) == ",";
            if !is_comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                self.next = start;
                return Ok((self.keep_declared(&declared[..count]), false));
            }
            self.next += 1;
            let id = self.intern(self.source(variable));
            declared[count] = id;
            count += 1;
            self.visible.push(id);
            if !is_comma {
                return Ok((self.keep_declared(&declared[..count]), next.kind == Kind::Assign));
            }
            if context != "range" || count > 1 {
                return self.error(next.span, format!("too many declarations in {context}"));
            }
            let after = self.token();
            if !matches!(after.kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                return self.error(after.span, "range can only initialize variables");
            }
        }
    }

    fn keep_declared(&mut self, declared: &[Variable]) -> List<Variable> {
        self.arrays.keep_all(declared.iter().copied())
    }

    fn intern(&mut self, name: &'a str) -> Variable {
        let index = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.names.push(name);
            self.names.len() - 1
        });
        Variable(u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn command(&mut self) -> Result<Command> {
        let start = self.token();
        let mark = self.args.len();
        loop {
            let operand = self.operand()?;
            self.args.extend(operand);
            let token = self.token();
            let span = start.span.to(self.previous_end());
            match token.kind {
                Kind::RightDelim | Kind::RightParen => {}
                Kind::Pipe => self.next += 1,
                _ if operand.is_some() && token.is_apart => continue,
                _ => return self.unexpected(token, "operand"),
            }
            if self.args.len() == mark {
                return self.error(token.span, "empty command");
            }
            return Ok(Command { span, args: self.arrays.keep_all(self.args.drain(mark..)) });
        }
    }

    /// A term and the fields that follow it; `None` if what comes next is no operand.
    fn operand(&mut self) -> Result<Option<Expr>> {
        let Some(term) = self.term()? else { return Ok(None) };
        let path = self.fields(self.next);
        let Some(last) = self.arrays[path].last() else { return Ok(Some(term)) };
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
            _ => ExprKind::Chain { base: self.arrays.keep(term), path },
        };
        Ok(Some(Expr { span, kind }))
    }

    /// The fields that come next, up to one that stands apart; those before `taken` are known to belong to them.
    fn fields(&mut self, taken: usize) -> List<Segment> {
        let first = self.next;
        while self.next < self.tokens.len() && {
            let token = self.tokens[self.next];
            token.kind == Kind::Field && (self.next < taken || !token.is_apart)
        } {
            self.next += 1;
        }
        let fields = &self.tokens[first.min(self.next)..self.next];
        self.arrays.keep_all(fields.iter().map(|token| Segment { span: token.span }))
    }

    fn term(&mut self) -> Result<Option<Expr>> {
        let token = self.take();
        let source = self.source(token);
        let kind = match token.kind {
            Kind::Identifier => match self.functions.get(source) {
                Some(callee) => ExprKind::Function(callee),
                None => return self.error(token.span, format!("function {source:?} not defined")),
            },
            Kind::Dot => ExprKind::Dot,
            Kind::Nil => ExprKind::Nil,
            Kind::Variable => {
                let known = self.names.iter().position(|name| *name == source).map(|i| Variable(i as u32));
                match known.filter(|id| self.visible.contains(id)) {
                    Some(id) => ExprKind::Variable { id, path: List::EMPTY },
                    None => return self.error(token.span, format!("undefined variable {source:?}")),
                }
            }
            Kind::Field => {
                let taken = self.next;
                self.next -= 1;
                let path = self.fields(taken);
                let span = self.arrays[path].last().map_or(token.span, |last| token.span.to(last.span));
                return Ok(Some(Expr { span, kind: ExprKind::Field(path) }));
            }
            Kind::Bool => ExprKind::Bool(source == "true"),
            Kind::CharConstant => match literal::unquote_char(source) {
                Some(code) => {
                    let number = Number { int: Some(code), float: Some(code as f64), is_int_like: true };
                    ExprKind::Number(self.arrays.keep(number))
                }
                None => return self.error(token.span, format!("malformed character constant: {source}")),
            },
            Kind::Number | Kind::Complex => match literal::number(source) {
                Ok(number) => ExprKind::Number(self.arrays.keep(number)),
                Err(message) => return self.error(token.span, message),
            },
            Kind::LeftParen => {
                self.descend()?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                let end = self.tokens[self.next - 1].span;
                return Ok(Some(Expr { span: token.span.to(end), kind: ExprKind::Pipe(pipe) }));
            }
            Kind::Str | Kind::RawStr => match literal::unquote(source) {
                Ok(Unquoted::Text(text)) => ExprKind::Str(self.arrays.keep(text.into())),
                Ok(Unquoted::Bytes(bytes)) => ExprKind::Bytes(self.arrays.keep(bytes.into())),
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
