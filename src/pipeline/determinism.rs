//! Renders of one release with different random generators → the objects that depend on nothing random, or what does
//! depend on it, named so that a person can give it a value.
//!
//! Two renders whose generators agree on nothing show where anything random ends up: wherever they differ. One kind of
//! difference is allowed: a leaf of a Secret's data that is nothing but a random text. It is left out, and listed in
//! an annotation (see [`crate::manifest::GENERATED_ANNOTATION`]). A checksum over such a leaf has to be stable, and the
//! proof that it depends on nothing else that is random is two more renders, again with generators that agree on
//! nothing, except that the calls behind the allowed leaves give fixed texts: where those two agree, only the allowed
//! leaves made the difference. A checksum in an annotation takes its value from there; anything else is an error.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use data_encoding::BASE64;

use crate::engine::{Alphabet, CallSite, RandomCall, RandomText};
use crate::error::{Diagnostic, Place, Span};
use crate::manifest::{GENERATED_ENCODINGS_MAX, GeneratedForm, GeneratedLeaf, Manifest, Object};
use crate::yaml::{Node, Value};

/// What a render said of its random texts and checksums.
#[derive(Debug, Default)]
pub struct Records {
    /// The random texts that were made.
    pub texts: Vec<RandomText>,
    /// The calls that asked for randomness or the time.
    pub calls: Vec<RandomCall>,
    /// What checksum functions gave.
    pub checksums: Vec<String>,
}

/// The further renders of a release whose first two differ.
#[derive(Debug)]
pub struct Renders<T> {
    /// With the other generator.
    pub second: T,
    /// With either generator, and fixed texts for the calls behind [`candidates`]; none if there are no such calls.
    pub pinned: Option<[T; 2]>,
    /// What the first and the second render recorded.
    pub records: [Records; 2],
}

/// At most so many random fields of an object are reported.
const FIELDS_MAX: usize = 8;
/// At most so many random fields of a release are reported: each is compared with all random texts.
const ERRORS_MAX: usize = 50;
/// Shorter texts may be part of others by chance.
const PART_LENGTH_MIN: usize = 6;
/// A checksum may be cut to so many characters.
const CHECKSUM_LENGTH_MIN: usize = 8;

/// The calls that made random texts of which some Secret holds one as a whole, in base64 or not.
pub fn candidates(manifests: &[Manifest], records: &Records) -> Vec<CallSite> {
    let texts = records.by_text();
    let mut sites = Vec::new();
    for manifest in manifests.iter().filter(|manifest| manifest.kind == "Secret" || manifest.kind.ends_with("List")) {
        each_text(&manifest.node, &mut |text| {
            for layer in layers(text) {
                if let Some(made) = texts.get(layer.as_str())
                    && !sites.contains(&made.call.site)
                {
                    sites.push(made.call.site.clone());
                }
            }
        });
    }
    sites
}

/// The objects without what is random: Secrets' random leaves left out and listed, checksums over them fixed.
///
/// # Errors
/// Every field that depends on randomness in another way.
pub fn settle(mut objects: Vec<Object>, renders: &Renders<Vec<Object>>) -> Result<Vec<Object>, Vec<Diagnostic>> {
    let settling = Settling {
        objects: &objects,
        renders,
        texts: renders.records.each_ref().map(Records::by_text),
        generated: HashMap::new(),
    };
    let changes = settling.changes()?;
    let mut left_out: HashMap<usize, Vec<GeneratedLeaf>> = HashMap::new();
    for change in changes {
        match change {
            Change::LeaveOut(index, leaf) => left_out.entry(index).or_default().push(leaf),
            Change::Fix(index, path, value) => {
                if let Some(node) = at_mut(&mut objects[index].node, &path) {
                    node.value = value;
                }
            }
        }
    }
    for (index, leaves) in left_out {
        objects[index].leave_out(leaves);
    }
    Ok(objects)
}

impl Records {
    fn by_text(&self) -> HashMap<&str, &RandomText> {
        self.texts.iter().map(|made| (made.text.as_str(), made)).collect()
    }
}

/// A step of a path into an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    Key(Arc<str>),
    Index(usize),
}

type Path = Vec<Step>;

/// What is to be done to an object.
enum Change {
    LeaveOut(usize, GeneratedLeaf),
    Fix(usize, Path, Value),
}

/// A place where two renders differ: a leaf of both, or a key or item that only one has.
struct Difference<'a> {
    path: Path,
    span: Span,
    first: Option<&'a Node>,
    second: Option<&'a Node>,
}

struct Settling<'a> {
    objects: &'a [Object],
    renders: &'a Renders<Vec<Object>>,
    texts: [HashMap<&'a str, &'a RandomText>; 2],
    /// The leaves that are left out, by the random text: the object, the path, the leaf's place.
    generated: HashMap<&'a str, (usize, Path, Span)>,
}

impl<'a> Settling<'a> {
    fn changes(mut self) -> Result<Vec<Change>, Vec<Diagnostic>> {
        let mut changes = Vec::new();
        let mut errors = Vec::new();
        let mut others = Vec::new();
        let mut allowed: HashMap<usize, HashSet<Path>> = HashMap::new();
        for (index, object) in self.objects.iter().enumerate() {
            let Some(second) = counterpart(&self.renders.second, index, object) else {
                let span = object.node.at(&["metadata", "name"]).map_or(Span::NONE, |name| name.span);
                others.push((index, Difference::at(vec![key("metadata"), key("name")], span)));
                continue;
            };
            for difference in differences(&object.node, &second.node) {
                match self.generated_leaf(index, &difference) {
                    Some((made, leaf)) => {
                        if let Some(error) = self.used_twice(index, &difference, made) {
                            errors.push(error);
                            continue;
                        }
                        self.generated.insert(&made.text, (index, difference.path.clone(), difference.span));
                        allowed.entry(index).or_default().insert(difference.path);
                        changes.push(Change::LeaveOut(index, leaf));
                    }
                    None => others.push((index, difference)),
                }
            }
        }
        // What is no leaf of a Secret is judged when all these leaves are known.
        let mut reported = HashMap::new();
        let mut checksums = Vec::new();
        for (index, difference) in others {
            match self.fixed_checksum(index, &difference) {
                Some(value) => {
                    allowed.entry(index).or_default().insert(difference.path.clone());
                    changes.push(Change::Fix(index, difference.path, value));
                }
                None if self.is_checksum(&difference) => checksums.push((index, difference)),
                None => {
                    let count = reported.entry(index).or_insert(0_usize);
                    *count += 1;
                    if *count <= FIELDS_MAX && errors.len() < ERRORS_MAX {
                        errors.push(self.error(index, &difference));
                    }
                }
            }
        }
        // A checksum over what is an error already is none of its own.
        if errors.is_empty() {
            errors.extend(checksums.iter().take(ERRORS_MAX).map(|(index, difference)| self.error(*index, difference)));
        }
        if errors.is_empty() {
            errors.extend(self.unexplained(&allowed));
        }
        if errors.is_empty() && self.objects.len() != self.renders.second.len() {
            errors.push(
                Diagnostic::error("how many objects this chart gives differs on every render").help(
                    "a template's condition depends on a random value or on the time; set the values it depends on",
                ),
            );
        }
        if errors.is_empty() { Ok(changes) } else { Err(errors) }
    }

    /// The leaf of a Secret's data that is nothing but a random text in both renders, made by the same call.
    fn generated_leaf(&self, index: usize, difference: &Difference<'a>) -> Option<(&'a RandomText, GeneratedLeaf)> {
        let [Step::Key(data), Step::Key(key)] = difference.path.as_slice() else { return None };
        if **data != *"data" || !self.objects[index].is_secret() {
            return None;
        }
        let (made, form) = whole(&self.texts[0], difference.first?.as_str()?)?;
        let (other, other_form) = whole(&self.texts[1], difference.second?.as_str()?)?;
        (made.call.site == other.call.site && form == other_form)
            .then(|| (made, GeneratedLeaf { key: key.to_string(), form }))
    }

    fn used_twice(&self, index: usize, difference: &Difference<'_>, made: &RandomText) -> Option<Diagnostic> {
        let (first, path, span) = self.generated.get(made.text.as_str())?;
        let object = &self.objects[index];
        let (field, other) = (shown(&difference.path), &self.objects[*first]);
        let message =
            format!("one random value is used in {} of {} and in {field} of {}", shown(path), other.id, object.id);
        let place = Place { source: other.manifest.rendered.clone(), span: *span };
        let error = Diagnostic::error(message).note("the other one is here", Some(place));
        Some(object.manifest.point(explain(error, &made.call), difference.span))
    }

    /// The value of a checksum that depends on nothing random but leaves that are left out.
    fn fixed_checksum(&self, index: usize, difference: &Difference<'_>) -> Option<Value> {
        let may_be = !self.generated.is_empty() && self.is_checksum(difference) && self.part(difference).is_none();
        may_be.then(|| self.pinned(index, &difference.path))?
    }

    /// Whether it is an annotation that holds a checksum, or the beginning of one.
    fn is_checksum(&self, difference: &Difference<'_>) -> bool {
        let [.., Step::Key(metadata), Step::Key(annotations), Step::Key(_)] = difference.path.as_slice() else {
            return false;
        };
        let holds_one = |node: Option<&Node>, records: &Records| {
            let Some(text) = node.and_then(Node::as_str) else { return false };
            let is_cut = |checksum: &String| text.len() >= CHECKSUM_LENGTH_MIN && checksum.starts_with(text);
            records.checksums.iter().any(|checksum| text.contains(checksum.as_str()) || is_cut(checksum))
        };
        let nodes = [difference.first, difference.second].into_iter();
        (&**metadata, &**annotations) == ("metadata", "annotations")
            && nodes.zip(&self.renders.records).all(|(node, records)| holds_one(node, records))
    }

    /// The value that both pinned renders have at a path, if they agree.
    fn pinned(&self, index: usize, path: &[Step]) -> Option<Value> {
        let [first, second] = self.renders.pinned.as_ref()?;
        let object = &self.objects[index];
        let first = at(&counterpart(first, index, object)?.node, path)?;
        let second = at(&counterpart(second, index, object)?.node, path)?;
        (first == second).then(|| first.value.clone())
    }

    /// The random text that is part of a field in both renders.
    fn part(&self, difference: &Difference<'_>) -> Option<&'a RandomText> {
        let second = layers(difference.second?.as_str()?);
        let is_in = |layers: &[String], made: &RandomText| {
            made.text.len() >= PART_LENGTH_MIN && layers.iter().any(|layer| layer.contains(&made.text))
        };
        let first = layers(difference.first?.as_str()?);
        let [records, others] = &self.renders.records;
        records.texts.iter().find(|made| {
            is_in(&first, made)
                && others.texts.iter().any(|other| other.call.site == made.call.site && is_in(&second, other))
        })
    }

    fn error(&self, index: usize, difference: &Difference<'_>) -> Diagnostic {
        let object = &self.objects[index];
        let field = shown(&difference.path);
        let part = self.part(difference);
        let elsewhere = part.and_then(|made| self.generated.get(made.text.as_str()));
        let mut error = Diagnostic::error(match elsewhere {
            Some((other, path, _)) => {
                let other = &self.objects[*other];
                format!("the random value of {} of {} is used in {field} of {} too", shown(path), other.id, object.id)
            }
            None => format!("{field} of {} differs on every render", object.id),
        });
        if let Some((other, _, span)) = elsewhere {
            let place = Place { source: self.objects[*other].manifest.rendered.clone(), span: *span };
            error = error.note("the other one is here", Some(place));
        }
        let made = part.or_else(|| self.only_generated(index, difference));
        let error = object.manifest.point(error, difference.span);
        match made {
            Some(made) => explain(error, &made.call),
            None => self.explain_by_template(error, object),
        }
    }

    /// What is known of a field that holds no random text itself: it comes from the call on the template's line that made
    /// it, from the only call of its template, or from one of several.
    fn explain_by_template(&self, error: Diagnostic, object: &Object) -> Diagnostic {
        /// Further calls are not shown.
        const CALLS_MAX: usize = 3;
        let is_allowed = |call: &RandomCall| self.generated.keys().any(|t| self.texts[0][t].call.site == call.site);
        let calls = self.renders.records[0].calls.iter();
        let calls: Vec<&RandomCall> = calls.filter(|call| call.path == object.path && !is_allowed(call)).collect();
        match calls.as_slice() {
            [] => error.help(GENERAL_HELP),
            [call] => explain(error, call),
            calls => {
                let line_of = |place: &Place| place.source.line_at(place.span.start).1;
                let is_on_line = |call: &&&RandomCall| {
                    error.notes.iter().filter_map(|note| note.place.as_ref()).any(|line| {
                        line.source.text.is(&call.place.source.text) && line_of(line) == line_of(&call.place)
                    })
                };
                if let Some(call) = calls.iter().find(is_on_line) {
                    return explain(error, call);
                }
                let error = calls
                    .iter()
                    .take(CALLS_MAX)
                    .fold(error, |error, call| error.note("this call may make it up", Some(call.place.clone())));
                error.help(GENERAL_HELP)
            }
        }
    }

    /// Where a field depends on nothing random but leaves that are left out: the call behind these, if there is one only.
    fn only_generated(&self, index: usize, difference: &Difference<'_>) -> Option<&'a RandomText> {
        self.pinned(index, &difference.path)?;
        let mut texts = self.generated.keys().map(|text| self.texts[0][text]);
        let made = texts.next()?;
        texts.all(|other| other.call.site == made.call.site).then_some(made)
    }

    /// What the pinned renders show beside the leaves and checksums that are allowed: it hangs on a random text without
    /// showing in the first two renders.
    fn unexplained(&self, allowed: &HashMap<usize, HashSet<Path>>) -> Vec<Diagnostic> {
        let Some([first, second]) = &self.renders.pinned else { return Vec::new() };
        let nothing = HashSet::new();
        let mut errors = Vec::new();
        for (index, object) in self.objects.iter().enumerate() {
            let allowed = allowed.get(&index).unwrap_or(&nothing);
            let (Some(a), Some(b)) = (counterpart(first, index, object), counterpart(second, index, object)) else {
                errors.push(self.error(index, &Difference::at(Vec::new(), object.node.span)));
                continue;
            };
            let beside = differences(&object.node, &a.node).into_iter().filter(|found| !allowed.contains(&found.path));
            let between = differences(&a.node, &b.node).into_iter();
            let spans =
                beside.map(|found| (found.path, found.span)).chain(between.map(|found| (found.path, Span::NONE)));
            errors.extend(spans.take(1).map(|(path, span)| self.error(index, &Difference::at(path, span))));
        }
        errors
    }
}

impl Difference<'_> {
    fn at(path: Path, span: Span) -> Self {
        Difference { path, span, first: None, second: None }
    }
}

/// Says which call made something up, and what to set instead.
fn explain(error: Diagnostic, call: &RandomCall) -> Diagnostic {
    let error = error.note("this call makes it up", Some(call.place.clone()));
    match (call.instead.as_slice(), call.because.as_slice()) {
        ([], []) => error.help(GENERAL_HELP),
        ([], because) => error.help(format!(
            "the call hangs on {}: set it otherwise in the release's values, so that what is reviewed is what is applied",
            quoted(because, "and")
        )),
        (instead, _) => error.help(format!(
            "set {} in the release's values, so that what is reviewed is what is applied",
            quoted(instead, "or")
        )),
    }
}

/// What helps where no value is known.
const GENERAL_HELP: &str = "give it a value in the release, or change the condition under which it is made up, so that \
                            what is reviewed is what is applied";

/// `a`, `b` and `c`.
fn quoted(paths: &[String], conjunction: &str) -> String {
    let quoted: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    match quoted.as_slice() {
        [many @ .., last] if !many.is_empty() => format!("{} {conjunction} {last}", many.join(", ")),
        _ => quoted.concat(),
    }
}

/// The same object in another render.
fn counterpart<'o>(others: &'o [Object], index: usize, object: &Object) -> Option<&'o Object> {
    let same_place = others.get(index).filter(|other| other.id == object.id);
    same_place.or_else(|| others.iter().find(|other| other.id == object.id))
}

/// The random text that a value of `data` is, and the form it has there.
fn whole<'t>(texts: &HashMap<&str, &'t RandomText>, value: &str) -> Option<(&'t RandomText, GeneratedForm)> {
    layers(value).iter().enumerate().find_map(|(decoded, layer)| {
        let made = *texts.get(layer.as_str())?;
        let RandomText { length, alphabet, .. } = *made;
        let form = match (alphabet, decoded) {
            // Their text is base64 already, so that of `data` is none.
            (Alphabet::Bytes, encodings) => GeneratedForm { length, alphabet, encodings },
            // `b64enc` was forgotten: the API server reads the random text as base64, so the value is random bytes.
            (Alphabet::Digits | Alphabet::Letters | Alphabet::Alphanumeric, 0) if length % 4 == 0 => {
                GeneratedForm { length: length / 4 * 3, alphabet: Alphabet::Bytes, encodings: 0 }
            }
            (_, 0) => return None,
            (_, decoded) => GeneratedForm { length, alphabet, encodings: decoded - 1 },
        };
        (form.encodings <= GENERATED_ENCODINGS_MAX).then_some((made, form))
    })
}

/// A text, what it is the base64 of, what that is the base64 of, and so on.
fn layers(text: &str) -> Vec<String> {
    let mut layers = vec![text.to_owned()];
    while layers.len() <= GENERATED_ENCODINGS_MAX + 1
        && let Ok(bytes) = BASE64.decode(layers[layers.len() - 1].as_bytes())
        && let Ok(decoded) = String::from_utf8(bytes)
        && !decoded.is_empty()
    {
        layers.push(decoded);
    }
    layers
}

fn each_text(node: &Node, visit: &mut impl FnMut(&str)) {
    match &node.value {
        Value::Str(text) => visit(text),
        Value::Seq(items) => items.iter().for_each(|item| each_text(item, visit)),
        Value::Map(map) => map.values().for_each(|entry| each_text(&entry.node, visit)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => {}
    }
}

fn differences<'n>(a: &'n Node, b: &'n Node) -> Vec<Difference<'n>> {
    let mut found = Vec::new();
    compare(a, b, &mut Vec::new(), &mut found);
    found
}

fn compare<'n>(a: &'n Node, b: &'n Node, path: &mut Path, found: &mut Vec<Difference<'n>>) {
    match (&a.value, &b.value) {
        (Value::Map(x), Value::Map(y)) => {
            for (name, entry) in x {
                path.push(Step::Key(name.clone()));
                match y.get(name) {
                    Some(other) => compare(&entry.node, &other.node, path, found),
                    None => found.push(Difference::at(path.clone(), entry.key_span)),
                }
                path.pop();
            }
            if let Some(more) = y.keys().find(|name| !x.contains_key(*name)) {
                let path = path.iter().cloned().chain([Step::Key(more.clone())]).collect();
                found.push(Difference::at(path, a.span));
            }
        }
        (Value::Seq(x), Value::Seq(y)) => {
            for (index, (item, other)) in x.iter().zip(y).enumerate() {
                path.push(Step::Index(index));
                compare(item, other, path, found);
                path.pop();
            }
            if x.len() != y.len() {
                found.push(Difference::at(path.clone(), a.span));
            }
        }
        (x, y) if x == y => {}
        _ => found.push(Difference { path: path.clone(), span: a.span, first: Some(a), second: Some(b) }),
    }
}

fn at<'n>(node: &'n Node, path: &[Step]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Index(index) => node.as_seq()?.get(*index),
    })
}

fn at_mut<'n>(node: &'n mut Node, path: &[Step]) -> Option<&'n mut Node> {
    path.iter().try_fold(node, |node, step| match (step, &mut node.value) {
        (Step::Key(key), Value::Map(map)) => map.get_mut(key).map(|entry| &mut entry.node),
        (Step::Index(index), Value::Seq(items)) => items.get_mut(*index),
        _ => None,
    })
}

fn key(name: &str) -> Step {
    Step::Key(name.into())
}

/// `spec.containers[0].image`.
fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.extend([".", key]),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;
    use crate::manifest::{ObjectRules, Scopes, objects};
    use crate::yaml::{ReadOptions, read_all};

    fn run(text: &str) -> Vec<Object> {
        let source = Source::new("t", text);
        let documents = read_all(&source, &ReadOptions::default()).unwrap();
        let manifests = documents.into_iter().map(|d| Manifest::raw("t".into(), &source, d.node)).collect();
        let scopes = Scopes::default();
        objects(manifests, ObjectRules { namespace: Some("a"), scopes: &scopes }, &mut Vec::new()).unwrap()
    }

    fn errors(first: &str, second: &str) -> Vec<Diagnostic> {
        let renders = Renders { second: run(second), pinned: None, records: Default::default() };
        settle(run(first), &renders).err().unwrap_or_default()
    }

    #[test]
    fn every_differing_field_is_named() {
        let text = |password: &str| {
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{user: YQ==, password: {password}}}\nlist: [1, {{x: {password}}}]\n"
            )
        };
        assert!(errors(&text("b"), &text("b")).is_empty());
        let errors = errors(&text("b"), &text("c"));
        assert_eq!(errors[0].message, "data.password of core/Secret/a/s differs on every render");
        assert_eq!(errors[0].place.as_ref().unwrap().to_string(), "t:4:30");
        assert_eq!(errors[1].message, "list[1].x of core/Secret/a/s differs on every render");
    }

    #[test]
    fn a_random_name_is_named_too() {
        let text = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
        let errors = errors(&text("b"), &text("c"));
        assert_eq!(errors[0].message, "metadata.name of core/ConfigMap/a/b differs on every render");
    }

    #[test]
    fn texts_are_taken_out_of_base64_again_and_again() {
        assert_eq!(layers("YUdrPQ=="), ["YUdrPQ==", "aGk=", "hi"]);
        assert_eq!(layers("not base64"), ["not base64"]);
        assert_eq!(layers(""), [""]);
    }
}
