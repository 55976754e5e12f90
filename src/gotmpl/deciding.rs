//! Which values decide that a call runs: those that its own pipeline would rather have (`default`) and those whose
//! absence leads into the branch it stands in; and the other conditions around it. So that an error can say what to set.

use std::sync::Arc;

use super::ast::{Branch, Command, Expr, ExprKind, Id, List, Node, Pipe, Span, Tree};
use super::error::Site;
use super::set::TemplateSet;

/// Paths below `.Values`, the nearest to a call first.
#[derive(Debug, Default)]
pub struct DecidingValues {
    /// What would have been taken instead of the call, had it been set.
    pub instead: Vec<Vec<Arc<str>>>,
    /// What is set so that the call runs.
    pub because: Vec<Vec<Arc<str>>>,
}

impl TemplateSet {
    /// The values that decide about the call at `site`. None where none are known, or where the call stands in a text
    /// that only `tpl` saw.
    pub fn deciding_values(&self, site: &Site) -> DecidingValues {
        let mut found = DecidingValues::default();
        for body in self.bodies().filter(|body| Arc::ptr_eq(&body.text().text, &site.text.text)) {
            if search(&body.tree, body.nodes, site.span, &mut found) {
                break;
            }
        }
        found
    }
}

type Paths = Vec<Vec<Arc<str>>>;

/// Whether the call is in one of the nodes. The values are added on the way back, so the nearest come first.
fn search(tree: &Tree, nodes: List<Node>, call: Span, found: &mut DecidingValues) -> bool {
    tree[nodes].iter().any(|node| match *node {
        Node::Text(_) | Node::Break | Node::Continue => false,
        Node::Action(pipe) => in_pipe(tree, pipe, call, found),
        Node::Template(template) => tree[template].pipe.is_some_and(|pipe| in_pipe(tree, pipe, call, found)),
        Node::If(branch) | Node::With(branch) => in_branch(tree, &tree[branch], call, true, found),
        Node::Range(branch) => in_branch(tree, &tree[branch], call, false, found),
    })
}

fn in_branch(tree: &Tree, branch: &Branch, call: Span, is_condition: bool, found: &mut DecidingValues) -> bool {
    if in_pipe(tree, branch.pipe, call, found) {
        return true;
    }
    let is_not = says_not(tree, branch.pipe);
    let is_there = search(tree, branch.then, call, found);
    if !is_there && !search(tree, branch.otherwise, call, found) {
        return false;
    }
    if is_condition {
        // Of `if A else B`, A is what B does without.
        let list = if is_there == is_not { &mut found.instead } else { &mut found.because };
        add_pipe(tree, branch.pipe, call, list);
    }
    true
}

fn in_pipe(tree: &Tree, pipe: Id<Pipe>, call: Span, found: &mut DecidingValues) -> bool {
    let span = tree[pipe].span;
    let is_inside = span.start <= call.start && call.end <= span.end;
    if is_inside {
        add_pipe(tree, pipe, call, &mut found.instead);
    }
    is_inside
}

fn says_not(tree: &Tree, pipe: Id<Pipe>) -> bool {
    let is_not = |expr: &Expr| matches!(expr.kind, ExprKind::Function(f) if matches!(f.name(), "not" | "empty"));
    tree[tree[pipe].commands].iter().any(|command| is_not(&tree[command.args][0]))
}

fn add_pipe(tree: &Tree, pipe: Id<Pipe>, call: Span, found: &mut Paths) {
    for command in tree[tree[pipe].commands].iter().filter(|command| command.span != call) {
        add_command(tree, command, call, found);
    }
}

fn add_command(tree: &Tree, command: &Command, call: Span, found: &mut Paths) {
    if let Some(path) = looked_up(tree, command) {
        add(path, found);
        return;
    }
    for arg in &tree[command.args] {
        match arg.kind {
            ExprKind::Pipe(pipe) => add_pipe(tree, pipe, call, found),
            ExprKind::Chain { base, .. } => {
                if let ExprKind::Pipe(pipe) = tree[base].kind {
                    add_pipe(tree, pipe, call, found);
                }
            }
            _ => add(path_of(tree, arg).unwrap_or_default(), found),
        }
    }
}

fn add(path: Vec<Arc<str>>, found: &mut Paths) {
    if !path.is_empty() && !found.contains(&path) {
        found.push(path);
    }
}

/// `get .Values.a "b"`, `index .Values "a" "b"`, `hasKey .Values.a "b"`.
fn looked_up(tree: &Tree, command: &Command) -> Option<Vec<Arc<str>>> {
    let [Expr { kind: ExprKind::Function(callee), .. }, map, keys @ ..] = &tree[command.args] else { return None };
    if !matches!(callee.name(), "get" | "index" | "hasKey") {
        return None;
    }
    let keys: Option<Vec<Arc<str>>> = keys
        .iter()
        .map(|key| match key.kind {
            ExprKind::Str(text) => Some(tree[text].clone()),
            _ => None,
        })
        .collect();
    Some(path_of(tree, map)?.into_iter().chain(keys?).collect())
}

/// What follows `.Values` in a path, if it is in it.
fn path_of(tree: &Tree, expr: &Expr) -> Option<Vec<Arc<str>>> {
    let path = match expr.kind {
        ExprKind::Field(path) | ExprKind::Variable { path, .. } => path,
        _ => return None,
    };
    let mut names = tree[path].iter().map(|segment| segment.name(&tree.text));
    names.find(|name| *name == "Values")?;
    Some(names.map(Into::into).collect())
}

#[cfg(test)]
mod tests {
    use super::super::functions::Functions;
    use super::super::parse::parse;
    use super::super::sprig;
    use super::*;
    use crate::gotmpl::Text;

    #[test]
    fn the_nearest_values_come_first_and_those_whose_presence_leads_here_stand_apart() {
        for (template, expected) in [
            ("{{ .Values.a.b | default (randAlphaNum 8) }}", "a.b |"),
            ("{{ default (randAlphaNum 8) $.Values.a | b64enc | quote }}", "a |"),
            ("{{ if .Values.a }}x{{ else }}{{ randAlphaNum 8 }}{{ end }}", "a |"),
            ("{{ if .Values.a }}x{{ else if .Values.b }}y{{ else }}{{ randAlphaNum 8 }}{{ end }}", "b a |"),
            ("{{ if .Values.on }}{{ with .Values.a }}x{{ else }}{{ randAlphaNum 8 }}{{ end }}{{ end }}", "a | on"),
            (
                "{{ if not .Values.existing }}{{ $x := coalesce .Values.a .Values.b (randAlphaNum 8) }}{{ end }}",
                "a b existing |",
            ),
            ("{{ if not .Values.a }}x{{ else }}{{ randAlphaNum 8 }}{{ end }}", "| a"),
            ("{{ if hasKey .Values.a \"b\" }}{{ else }}{{ randAlphaNum (int .Values.length) }}{{ end }}", "a.b |"),
            ("{{ define \"p\" }}{{ if .context.Values.a }}{{ else }}{{ randAlphaNum 8 }}{{ end }}{{ end }}", "a |"),
            ("{{ range .Values.a }}{{ randAlphaNum 8 }}{{ end }}", "|"),
        ] {
            let functions = Functions::new(sprig::TABLES);
            let text = Arc::new(Text { name: "t".into(), text: template.into() });
            let mut set = TemplateSet::default();
            set.add(&"t".into(), &parse(&text, &functions).unwrap());
            let start = template.find("randAlphaNum").unwrap();
            let end = start + template[start..].find(')').filter(|_| template[..start].ends_with('(')).unwrap_or(14);
            let end = if template.contains("(int") { start + "randAlphaNum (int .Values.length)".len() } else { end };
            let site = Site { text, span: Span::new(start, end) };
            let found = set.deciding_values(&site);
            let shown = |paths: Paths| paths.iter().map(|path| path.join(".")).collect::<Vec<_>>().join(" ");
            let found = format!("{} | {}", shown(found.instead), shown(found.because));
            assert_eq!(found.trim(), expected, "{template}");
        }
    }
}
