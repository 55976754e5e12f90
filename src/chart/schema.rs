//! values.schema.json: its text → a compiled schema, at the first use → what in some values does not fit it.
//!
//! Drafts 4 to 2020-12, chosen by `$schema` as Helm's library chooses (2020-12 where it is missing); formats are
//! checked up to draft 7. Nothing is fetched: what a `$ref` to another address means is left unchecked, with a warning.

use std::fmt;
use std::sync::{Arc, OnceLock};

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::Value as Json;

use super::dialect;
use super::fits::PlainSchema;
use crate::error::{Diagnostic, Source, Span};
use crate::yaml::Node;

/// Findings of one schema that are reported; more of them do not help.
const FINDINGS_MAX: usize = 50;
/// Alternatives of `anyOf` and `oneOf` whose reasons are told.
const ALTERNATIVES_MAX: usize = 5;

/// A chart's values.schema.json.
pub struct Schema {
    /// Its text.
    pub source: Arc<Source>,
    /// None where only the library can tell.
    plain: OnceLock<Option<PlainSchema>>,
    compiled: OnceLock<Result<Compiled, Diagnostic>>,
}

struct Compiled {
    validator: Validator,
    warnings: Vec<Diagnostic>,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// Keys and indexes from the chart's values; the last may be a key that should not be there.
    pub path: Vec<String>,
    /// What is wrong, in the words of Helm's library: "got string, want integer".
    pub message: String,
    /// The same for each alternative of which none fits.
    pub alternatives: Vec<String>,
    /// Where in the schema, as a JSON pointer.
    pub keyword: String,
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.source.name)
    }
}

impl Schema {
    /// A schema that is compiled when it is first needed.
    pub fn new(source: Arc<Source>) -> Schema {
        Schema { source, plain: OnceLock::new(), compiled: OnceLock::new() }
    }

    /// Whether the values fit for certain, and there is nothing to warn of. Else [`Schema::check`] tells.
    pub fn fits_plainly(&self, values: &Node) -> bool {
        self.plain.get_or_init(|| plain(&self.source)).as_ref().is_some_and(|schema| schema.fits(values))
    }

    /// Everything in the values that does not fit, and what in the schema could not be used.
    ///
    /// # Errors
    /// The file is no JSON, or no schema.
    pub fn check(&self, values: &Json) -> Result<(Vec<Unfit>, &[Diagnostic]), Diagnostic> {
        let compiled = self.compiled.get_or_init(|| compile(&self.source)).as_ref().map_err(Clone::clone)?;
        let mut unfit: Vec<Unfit> =
            compiled.validator.iter_errors(values).take(FINDINGS_MAX).flat_map(|error| unfit(&error, values)).collect();
        unfit.sort_by(|a, b| a.path.cmp(&b.path));
        unfit.dedup();
        Ok((unfit, &compiled.warnings))
    }

    /// The keys that the schema names where it forbids others; `keyword` as in [`Unfit::keyword`]. None if it does not
    /// forbid keys there.
    pub fn known_keys(&self, keyword: &str) -> Option<Vec<String>> {
        let owner = keyword.strip_suffix("/additionalProperties").or(keyword.strip_suffix("/unevaluatedProperties"))?;
        let schema: Json = serde_json::from_str(&self.source.text).ok()?;
        let properties = schema.pointer(&format!("{owner}/properties")).and_then(Json::as_object);
        Some(properties.map(|known| known.keys().cloned().collect()).unwrap_or_default())
    }
}

fn plain(source: &Arc<Source>) -> Option<PlainSchema> {
    let mut schema = serde_json::from_str(&source.text).ok()?;
    let mut warnings = Vec::new();
    let draft = take_draft(&mut schema, source, &mut warnings);
    if warnings.is_empty() { PlainSchema::new(schema, draft) } else { None }
}

fn compile(source: &Arc<Source>) -> Result<Compiled, Diagnostic> {
    let mut schema: Json = serde_json::from_str(&source.text).map_err(|error| {
        let lines = source.text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let offset = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let text = error.to_string();
        Diagnostic::error(format!("this is not JSON: {}", text.split(" at line ").next().unwrap_or(&text)))
            .at(source, Span::new(offset, offset + 1))
            .help("look at the end of the line before, too: commas stand between entries, none after the last")
    })?;
    let mut warnings = Vec::new();
    let draft = take_draft(&mut schema, source, &mut warnings);
    let mut left_out = Vec::new();
    drop_remote_references(&mut schema, &mut left_out);
    for address in left_out {
        warnings.push(
            Diagnostic::warning(format!(
                "this schema refers to `{address}`; rendering fetches nothing, so that part is not checked"
            ))
            .at(source, find(source, &address))
            .help("copy what it refers to into `$defs` of this file"),
        );
    }
    let no_schema = |problem: String| {
        Diagnostic::error(format!("this is not a JSON schema: {problem}"))
            .at(source, Span::NONE)
            .help("Helm refuses the chart as well; check the file against its `$schema`")
    };
    if matches!(draft, Draft::Draft4 | Draft::Draft6 | Draft::Draft7)
        && let Some(twice) = dialect::find_enum_with_equal_items(&schema)
    {
        return Err(no_schema(format!("the `enum` {twice} holds an item twice")));
    }
    dialect::spell_out_classes(&mut schema);
    // What a text is the encoding of is not checked by Helm's library.
    let options = jsonschema::options()
        .with_draft(draft)
        .without_content_encoding_support("base64")
        .without_content_media_type_support("application/json");
    options.offline().build(&schema).map(|validator| Compiled { validator, warnings }).map_err(|error| {
        let at = error.instance_path().as_str();
        no_schema(if at.is_empty() { error.to_string() } else { format!("{error}, at {at}") })
    })
}

/// The draft that `$schema` names, which is taken out: it may be written in ways that only Helm's library knows.
fn take_draft(schema: &mut Json, source: &Arc<Source>, warnings: &mut Vec<Diagnostic>) -> Draft {
    let Some(Json::String(address)) = schema.as_object_mut().and_then(|map| map.shift_remove("$schema")) else {
        return Draft::Draft202012;
    };
    let name = address.trim_end_matches('#');
    let name = name.strip_prefix("http://").or_else(|| name.strip_prefix("https://")).unwrap_or(name);
    match name {
        "json-schema.org/schema" | "json-schema.org/draft/2020-12/schema" => Draft::Draft202012,
        "json-schema.org/draft/2019-09/schema" => Draft::Draft201909,
        "json-schema.org/draft-07/schema" => Draft::Draft7,
        "json-schema.org/draft-06/schema" => Draft::Draft6,
        "json-schema.org/draft-04/schema" => Draft::Draft4,
        _ => {
            warnings.push(
                Diagnostic::warning(format!("`{address}` is not a known kind of schema; it is read as draft 2020-12"))
                    .at(source, find(source, &address)),
            );
            Draft::Draft202012
        }
    }
}

/// Takes out references to other addresses and lists them. Those to the drafts' own schemas are built in, those to an
/// `$id` of this file lead nowhere else.
fn drop_remote_references(schema: &mut Json, left_out: &mut Vec<String>) {
    let mut ids = Vec::new();
    collect_ids(schema, &mut ids);
    let is_remote = |reference: &str| {
        let scheme = reference.split_once(':').map_or("", |(scheme, _)| scheme);
        let address = reference.split('#').next().unwrap_or_default();
        matches!(scheme, "http" | "https" | "urn")
            && !reference.contains("//json-schema.org/")
            && !ids.iter().any(|id| id == address)
    };
    drop_references(schema, &is_remote, left_out);
}

fn collect_ids(json: &Json, ids: &mut Vec<String>) {
    match json {
        Json::Object(map) => {
            for (key, value) in map {
                match value {
                    Json::String(id) if key == "$id" || key == "id" => ids.push(id.trim_end_matches('#').to_string()),
                    value => collect_ids(value, ids),
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        _ => {}
    }
}

fn drop_references(json: &mut Json, is_remote: &dyn Fn(&str) -> bool, left_out: &mut Vec<String>) {
    match json {
        Json::Object(map) => {
            let remote = match map.get("$ref") {
                Some(Json::String(reference)) if is_remote(reference) => Some(reference.clone()),
                _ => None,
            };
            if let Some(reference) = remote {
                map.shift_remove("$ref");
                if !left_out.contains(&reference) {
                    left_out.push(reference);
                }
            }
            map.values_mut().for_each(|value| drop_references(value, is_remote, left_out));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| drop_references(item, is_remote, left_out)),
        _ => {}
    }
}

/// Where a text stands in the file.
fn find(source: &Source, text: &str) -> Span {
    source.text.find(text).map_or(Span::NONE, |start| Span::new(start, start + text.len()))
}

fn unfit(error: &ValidationError<'_>, values: &Json) -> Vec<Unfit> {
    let path: Vec<String> = error.instance_path().as_str().split('/').skip(1).map(unescape).collect();
    let keyword = error.schema_path().as_str().to_string();
    let alternatives = match error.kind() {
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let first = |errors: &Vec<ValidationError<'_>>| {
                let first = errors.first()?;
                Some(match relative(first, path.len()) {
                    place if place.is_empty() => message(first),
                    place => format!("`{place}`: {}", message(first)),
                })
            };
            context.iter().filter_map(first).take(ALTERNATIVES_MAX).collect()
        }
        _ => Vec::new(),
    };
    let unexpected: Vec<&String> = match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().collect()
        }
        // Where a schema allows no key at all, the library names none.
        Kind::FalseSchema if keyword.ends_with("/additionalProperties") => {
            let object = values.pointer(error.instance_path().as_str()).and_then(Json::as_object);
            object.into_iter().flat_map(|object| object.keys()).collect()
        }
        _ => Vec::new(),
    };
    if !unexpected.is_empty() {
        let one = |key: &String| Unfit {
            path: path.iter().chain([key]).cloned().collect(),
            message: "this key is not allowed here".into(),
            alternatives: Vec::new(),
            keyword: keyword.clone(),
        };
        return unexpected.into_iter().map(one).collect();
    }
    vec![Unfit { message: message(error), path, alternatives, keyword }]
}

/// The path of a value below another one.
fn relative(error: &ValidationError<'_>, above: usize) -> String {
    let keys: Vec<String> = error.instance_path().as_str().split('/').skip(1 + above).map(unescape).collect();
    keys.join(".")
}

/// In the words of Helm's library, where it has some.
fn message(error: &ValidationError<'_>) -> String {
    let got = error.instance();
    match error.kind() {
        Kind::Type { kind } => {
            let want = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(some) => some.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or "),
            };
            format!("got {}, want {want}", type_name(got))
        }
        Kind::Required { property } => format!("missing property {property}"),
        Kind::Enum { options } => {
            let options: Vec<String> = options.as_array().into_iter().flatten().map(Json::to_string).collect();
            format!("value must be one of {}", options.join(", "))
        }
        Kind::Constant { expected_value } => format!("value must be {expected_value}"),
        Kind::Pattern { pattern } => format!("{got} does not match pattern '{pattern}'"),
        Kind::Minimum { limit } => format!("minimum: got {got}, want {limit}"),
        Kind::Maximum { limit } => format!("maximum: got {got}, want {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("exclusiveMinimum: got {got}, want more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("exclusiveMaximum: got {got}, want less than {limit}"),
        Kind::MinLength { limit } => format!("minLength: want {limit} at least"),
        Kind::MaxLength { limit } => format!("maxLength: want {limit} at most"),
        Kind::MinItems { limit } => format!("minItems: want {limit} at least"),
        Kind::MaxItems { limit } => format!("maxItems: want {limit} at most"),
        Kind::FalseSchema => "nothing is allowed here".into(),
        Kind::AnyOf { .. } => "'anyOf' failed".into(),
        Kind::OneOfNotValid { .. } => "'oneOf' failed, none matched".into(),
        Kind::OneOfMultipleValid { .. } => "'oneOf' failed, more than one matched".into(),
        Kind::Not { .. } => "'not' failed".into(),
        _ => error.to_string(),
    }
}

fn type_name(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn unescape(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &str, values: &str, expected: &[&str]) {
        let schema = Schema::new(Source::new("c/values.schema.json", schema));
        let values: Json = serde_json::from_str(values).unwrap();
        let (unfit, warnings) = schema.check(&values).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let got: Vec<String> = unfit.iter().map(|u| format!("{}: {}", u.path.join("."), u.message)).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn what_does_not_fit_is_found_all_at_once() {
        let schema = r#"{"$schema": "https://json-schema.org/draft-07/schema#", "type": "object", "required": ["name", "x/y"],
            "properties": {"replicas": {"type": "integer"}, "mode": {"enum": ["a", 1]}, "port": {"type": ["integer", "string"]},
                           "tag": {"pattern": "^v"}, "list": {"items": {"type": "string"}},
                           "strict": {"type": "object", "additionalProperties": false}}}"#;
        check(schema, r#"{"name": 1, "x/y": 2, "replicas": 2.0}"#, &[]);
        check(
            schema,
            r#"{"replicas": "two", "mode": "b", "port": null, "tag": "1", "list": ["a", 5], "strict": {"a": 1, "b": 2}}"#,
            &[
                ": missing property \"name\"",
                ": missing property \"x/y\"",
                "list.1: got number, want string",
                "mode: value must be one of \"a\", 1",
                "port: got null, want integer or string",
                "replicas: got string, want integer",
                "strict.a: this key is not allowed here",
                "strict.b: this key is not allowed here",
                "tag: \"1\" does not match pattern '^v'",
            ],
        );
    }

    #[test]
    fn alternatives_tell_why_none_fits() {
        let schema = Schema::new(Source::new(
            "s",
            r#"{"properties": {"a": {"oneOf": [{"type": "string"}, {"required": ["b"]}]}}}"#,
        ));
        let (unfit, _) = schema.check(&serde_json::json!({"a": {}})).unwrap();
        assert_eq!(unfit[0].alternatives, ["got object, want string", "missing property \"b\""]);
    }

    #[test]
    fn what_is_no_schema_is_an_error_with_its_place() {
        let check = |text: &str, expected: &str| {
            let error =
                Schema::new(Source::new("c/values.schema.json", text)).check(&Json::Null).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("{\n  \"a\": ]\n}", "c/values.schema.json:2:8");
        check("", "not JSON");
        check("5", "not a JSON schema");
        check(r#"{"type": "integr"}"#, "not a JSON schema");
        check(r##"{"$ref": "#/nowhere"}"##, "not a JSON schema");
        check(r#"{"properties": {"a": {"pattern": "("}}}"#, "not a JSON schema");
    }

    #[test]
    fn what_is_elsewhere_is_not_fetched_but_warned_of() {
        let text = r##"{"$id": "https://example.com/own.json", "properties": {
            "a": {"$ref": "https://example.com/other.json#/definitions/x"}, "b": {"$ref": "urn:x:y"},
            "c": {"$ref": "https://example.com/own.json#/$defs/c"}, "d": {"$ref": "#/$defs/c"}},
            "$defs": {"c": {"type": "string"}}}"##;
        let schema = Schema::new(Source::new("s", text));
        let (unfit, warnings) = schema.check(&serde_json::json!({"a": 1, "b": 1, "c": 1, "d": 1})).unwrap();
        let paths: Vec<String> = unfit.into_iter().map(|u| u.path.join(".")).collect();
        assert_eq!(paths, ["c", "d"]);
        let texts: Vec<&str> = warnings.iter().map(|w| w.message.as_str()).collect();
        assert!(texts.len() == 2 && texts[0].contains("other.json") && texts[1].contains("urn:x:y"), "{texts:?}");
    }

    #[test]
    fn schemas_are_shared_between_threads() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<Schema>();
    }
}
