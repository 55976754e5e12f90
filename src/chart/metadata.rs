//! Chart.yaml and requirements.yaml → [`Metadata`] (and locks, only checked): decoded as Go decodes them for Helm, then checked as Helm checks.
//!
//! Go reads a number where text is wanted as that number's shortest text (`appVersion: 1.10` is `1.1`), ignores case
//! in names of fields and unknown fields altogether, and decodes requirements.yaml over what Chart.yaml set.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::{Dependency, Maintainer, Metadata};
use crate::error::{Diagnostic, Place, Source};
use crate::semver::Version;
use crate::yaml::{Node, Value};

/// Decodes a file over what is there.
///
/// # Errors
/// Every field whose value is of the wrong kind.
pub(super) fn decode_into(metadata: &mut Metadata, root: &Node, source: &Arc<Source>) -> Result<(), Vec<Diagnostic>> {
    let mut decoder = Decoder { source, errors: Vec::new() };
    decoder.fields(root, "the file", |decoder, key, node| {
        let d = decoder;
        match key {
            "name" => d.text(key, node, &mut metadata.name),
            "home" => d.text(key, node, &mut metadata.home),
            "sources" => d.texts(key, node, &mut metadata.sources),
            "version" => d.text(key, node, &mut metadata.version),
            "description" => d.text(key, node, &mut metadata.description),
            "keywords" => d.texts(key, node, &mut metadata.keywords),
            "maintainers" => d.maintainers(node, &mut metadata.maintainers),
            "icon" => d.text(key, node, &mut metadata.icon),
            "apiversion" => d.text("apiVersion", node, &mut metadata.api_version),
            "condition" => d.text(key, node, &mut metadata.condition),
            "tags" => d.text(key, node, &mut metadata.tags),
            "appversion" => d.text("appVersion", node, &mut metadata.app_version),
            "deprecated" => d.boolean(key, node, &mut metadata.deprecated),
            "annotations" => d.annotations(node, metadata),
            "kubeversion" => d.text("kubeVersion", node, &mut metadata.kube_version),
            "dependencies" => d.dependencies(node, &mut metadata.dependencies),
            "type" => d.text(key, node, &mut metadata.chart_type),
            _ => {}
        }
    });
    if decoder.errors.is_empty() { Ok(()) } else { Err(decoder.errors) }
}

/// Checks Chart.lock or requirements.lock.
///
/// # Errors
/// Every field whose value is of the wrong kind.
pub(super) fn check_lock(root: &Node, source: &Arc<Source>) -> Result<(), Vec<Diagnostic>> {
    let mut decoder = Decoder { source, errors: Vec::new() };
    decoder.fields(root, "the file", |d, key, node| match key {
        "digest" => d.text(key, node, &mut String::new()),
        "dependencies" => d.dependencies(node, &mut None),
        "generated" => match &node.value {
            Value::Null => {}
            Value::Str(time) if is_time(time) => {}
            _ => d.wrong(key, "a time like 2006-01-02T15:04:05Z", node),
        },
        _ => {}
    });
    if decoder.errors.is_empty() { Ok(()) } else { Err(decoder.errors) }
}

/// Whether a text has the form of a time as Go's JSON reads it.
fn is_time(text: &str) -> bool {
    let has_form = |text: &[u8], form: &[u8]| {
        let fits = |(b, form): (&u8, &u8)| if *form == b'0' { b.is_ascii_digit() } else { b == form };
        text.len() == form.len() && text.iter().zip(form).all(fits)
    };
    let form = b"0000-00-00T00:00:00";
    let Some((seconds, mut rest)) = text.as_bytes().split_at_checked(form.len()) else { return false };
    if let [b'.' | b',', fraction @ ..] = rest {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return false;
        }
        rest = &fraction[digits..];
    }
    let is_zone = match rest {
        b"Z" => true,
        [b'+' | b'-', zone @ ..] => has_form(zone, b"00:00"),
        _ => false,
    };
    has_form(seconds, form) && is_zone
}

struct Decoder<'a> {
    source: &'a Arc<Source>,
    errors: Vec<Diagnostic>,
}

impl Decoder<'_> {
    /// Calls `set` for each key, in lower case, in the order in which Go meets them: sorted.
    fn fields(&mut self, node: &Node, what: &str, mut set: impl FnMut(&mut Self, &str, &Node)) {
        let map = match &node.value {
            Value::Map(map) => map,
            Value::Null => return,
            _ => return self.wrong(what, "a mapping", node),
        };
        let mut keys: Vec<_> = map.iter().collect();
        keys.sort_by(|a, b| a.0.cmp(b.0));
        for (key, entry) in keys {
            set(self, &key.to_ascii_lowercase(), &entry.node);
        }
    }

    fn wrong(&mut self, what: &str, wanted: &str, node: &Node) {
        let what = if what.contains(' ') { what.to_string() } else { format!("`{what}`") };
        self.errors.push(
            Diagnostic::error(format!("{what} must be {wanted}, this is {}", node.value.kind_name()))
                .at(self.source, node.span),
        );
    }

    fn text(&mut self, what: &str, node: &Node, field: &mut String) {
        match &node.value {
            Value::Null => {}
            Value::Str(text) => *field = text.to_string(),
            Value::Bool(b) => *field = b.to_string(),
            Value::Int(n) => *field = n.to_string(),
            Value::UInt(n) => *field = n.to_string(),
            Value::Float(f) => *field = shortest(*f),
            Value::Seq(_) | Value::Map(_) => self.wrong(what, "text", node),
        }
    }

    fn boolean(&mut self, what: &str, node: &Node, field: &mut bool) {
        match node.value {
            Value::Null => {}
            Value::Bool(b) => *field = b,
            _ => self.wrong(what, "true or false", node),
        }
    }

    /// Elements that are there already are decoded over, as Go does it.
    fn list<T: Default>(
        &mut self,
        what: &str,
        node: &Node,
        list: &mut Vec<T>,
        mut set: impl FnMut(&mut Self, &Node, &mut T),
    ) {
        match &node.value {
            Value::Null => list.clear(),
            Value::Seq(items) => {
                list.resize_with(items.len(), T::default);
                for (item, element) in items.iter().zip(list) {
                    set(self, item, element);
                }
            }
            _ => self.wrong(what, "a list", node),
        }
    }

    fn texts(&mut self, what: &str, node: &Node, list: &mut Vec<String>) {
        self.list(what, node, list, |d, item, text| d.text(what, item, text));
    }

    fn maintainers(&mut self, node: &Node, list: &mut Vec<Maintainer>) {
        self.list("maintainers", node, list, |d, item, maintainer| {
            if item.is_null() {
                return d.wrong("maintainers", "a list of mappings", item);
            }
            d.fields(item, "a maintainer", |d, key, node| match key {
                "name" => d.text(key, node, &mut maintainer.name),
                "email" => d.text(key, node, &mut maintainer.email),
                "url" => d.text(key, node, &mut maintainer.url),
                _ => {}
            });
        });
    }

    fn annotations(&mut self, node: &Node, metadata: &mut Metadata) {
        match &node.value {
            Value::Null => metadata.annotations.clear(),
            Value::Map(map) => {
                for (key, entry) in map {
                    let mut text = String::new();
                    self.text(&format!("annotations.{key}"), &entry.node, &mut text);
                    metadata.annotations.insert(key.to_string(), text);
                }
            }
            _ => self.wrong("annotations", "a mapping", node),
        }
    }

    fn dependencies(&mut self, node: &Node, list: &mut Option<Vec<Dependency>>) {
        if node.is_null() {
            *list = None;
            return;
        }
        self.list("dependencies", node, list.get_or_insert_default(), |d, item, dependency| {
            if item.is_null() {
                return d.wrong("dependencies", "a list of mappings", item);
            }
            dependency.place = Some(Place { source: d.source.clone(), span: item.span });
            d.fields(item, "a dependency", |d, key, node| match key {
                "name" => d.text(key, node, &mut dependency.name),
                "version" => d.text(key, node, &mut dependency.version),
                "repository" => d.text(key, node, &mut dependency.repository),
                "condition" => d.text(key, node, &mut dependency.condition),
                "tags" => d.texts(key, node, &mut dependency.tags),
                "enabled" => d.boolean(key, node, &mut dependency.enabled),
                "alias" => d.text(key, node, &mut dependency.alias),
                "import-values" => match &node.value {
                    Value::Null => dependency.import_values.clear(),
                    Value::Seq(items) => dependency.import_values.clone_from(items),
                    _ => d.wrong(key, "a list", node),
                },
                _ => {}
            });
        });
    }
}

/// Go's `strconv.FormatFloat(f, 'g', -1, 64)`.
fn shortest(f: f64) -> String {
    /// At this exponent Go turns to the scientific form, if it looks for the shortest.
    const EXPONENT_MAX: i32 = 6;
    let scientific = format!("{f:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if f == 0.0 || (-4..EXPONENT_MAX).contains(&exponent) {
        // In this range Rust's plain form has the same shortest digits.
        return format!("{f}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Checks the fields as Helm does, and cleans their texts of control characters.
///
/// # Errors
/// Everything that Helm refuses, all at once.
pub(super) fn validate(metadata: &mut Metadata, location: &str) -> Result<(), Vec<Diagnostic>> {
    let Metadata { name, description, home, icon, condition, tags, app_version, kube_version, .. } = metadata;
    for text in [name, description, home, icon, condition, tags, app_version, kube_version] {
        sanitize(text);
    }
    metadata.sources.iter_mut().chain(&mut metadata.keywords).for_each(sanitize);
    for maintainer in &mut metadata.maintainers {
        [&mut maintainer.name, &mut maintainer.email, &mut maintainer.url].into_iter().for_each(sanitize);
    }
    for dependency in metadata.dependencies.iter_mut().flatten() {
        let Dependency { name, version, repository, condition, tags, .. } = dependency;
        [name, version, repository, condition].into_iter().chain(tags).for_each(sanitize);
    }

    let mut errors = Vec::new();
    let at = |key: &str, message: String| {
        let file = metadata.source.clone().unwrap_or_else(|| Source::new(format!("{location}/Chart.yaml"), ""));
        let span = metadata.raw.as_ref().and_then(|raw| raw.get(key)).map_or(crate::error::Span::NONE, |n| n.span);
        Diagnostic::error(message).at(&file, span)
    };
    let folder = location.rsplit('/').next().unwrap_or(location);
    let name = metadata.name.as_str();
    if name.is_empty() {
        errors.push(at("name", "this chart has no `name`".into()).help(format!("add `name: {folder}`")));
    } else if name == "." || name == ".." || name.contains('/') {
        errors
            .push(at("name", format!("`{name}` cannot be the name of a chart")).help("a name is one word without `/`"));
    }
    if metadata.version.is_empty() {
        errors.push(at("version", "this chart has no `version`".into()).help("add `version: 0.1.0`"));
    } else if let Err(problem) = Version::parse(&metadata.version) {
        errors.push(
            at("version", format!("`{}` is not a version: {problem}", metadata.version))
                .help("write a semantic version: 1.2.3, or 1.2.3-rc.1"),
        );
    }
    if !matches!(metadata.chart_type.as_str(), "" | "application" | "library") {
        errors.push(at("type", "`type` must be application or library".into()));
    }
    let mut names: Vec<&str> = Vec::new();
    for dependency in metadata.dependencies.iter().flatten() {
        let key = if dependency.alias.is_empty() { &dependency.name } else { &dependency.alias };
        let mut refuse = |message: String, help: &str| {
            let mut error = Diagnostic::error(message).help(help);
            error.place = dependency.place.clone();
            errors.push(error);
        };
        if !dependency.alias.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            refuse(
                format!("the alias of the dependency `{}` has characters that are not allowed", dependency.name),
                "an alias is made of letters, digits, `_` and `-`",
            );
        }
        if names.contains(&key.as_str()) {
            refuse(
                format!("more than one dependency has the name or alias `{key}`"),
                "give each an `alias` of its own",
            );
        }
        names.push(key);
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Makes white space a blank and drops what cannot be printed (Go's `unicode.IsPrint`).
fn sanitize(text: &mut String) {
    static PRINTABLE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").expect("the pattern is a constant"));
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return;
    }
    let clean = |c: char| match c {
        c if c.is_whitespace() => Some(' '),
        c if c.is_ascii() => (!c.is_control()).then_some(c),
        // Quotes and dashes above all; the tables of Unicode take their time to make.
        '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{377}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' => Some(c),
        c => PRINTABLE.is_match(c.encode_utf8(&mut [0; 4])).then_some(c),
    };
    *text = text.chars().filter_map(clean).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_the_texts_that_go_makes() {
        for (f, text) in [
            (1.1, "1.1"),
            (1.0, "1"),
            (100000.0, "100000"),
            (1000000.0, "1e+06"),
            (1234567.0, "1.234567e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
            (1e100, "1e+100"),
            (0.0, "0"),
            (-0.0, "-0"),
        ] {
            assert_eq!(shortest(f), text);
        }
    }

    #[test]
    fn times_have_the_form_that_go_reads() {
        for time in ["2006-01-02T15:04:05Z", "2020-07-16T14:20:26.123456789+02:00", "2020-07-16T14:20:26,5-07:00"] {
            assert!(is_time(time), "{time}");
        }
        for time in [
            "",
            "2006-01-02",
            "2006-01-02T15:04:05",
            "2006-01-02T15:04:05.Z",
            "2006-01-02T15:04:05z",
            "2006-01-02 15:04:05Z",
            "2006-01-02T15:04:05+0200",
            "2006-01-02T15:04:0٥Z",
            "2006-01-02T15:04:05Z ",
        ] {
            assert!(!is_time(time), "{time}");
        }
    }

    #[test]
    fn texts_are_cleaned_as_helm_cleans_them() {
        for (text, clean) in [("a\tb\nc", "a b c"), ("\u{7}bell\u{200b}\u{feff}", "bell"), ("é 中\u{a0}!", "é 中 !")]
        {
            let mut got = text.to_string();
            sanitize(&mut got);
            assert_eq!(got, clean);
        }
    }
}
