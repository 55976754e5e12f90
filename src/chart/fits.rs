//! Whether values plainly fit a schema: nearly all do, and to say so takes a tenth of the time of compiling the schema.
//!
//! "Yes" here is a yes of the library, too. "No" only means that the library has to be asked: the values do not fit, or
//! the schema says what is not read here (formats, patterns beyond the simplest, addresses elsewhere), or is none.

use std::collections::{HashMap, HashSet};

use jsonschema::Draft;
use regex_automata::meta::Regex;
use serde_json::{Map as Object, Value as Json};

use crate::ascii_regex;
use crate::yaml::{Node, Value};

/// How deep schemas are followed into each other; the library is asked beyond.
const DEPTH_MAX: usize = 100;
/// How many schemas may be laid over values: they may refer to each other twice over and over.
const STEPS_MAX: usize = 1_000_000;
/// Longer lists of keys or alternatives are left to the library.
const LIST_MAX: usize = 200;
/// Longer patterns are left to the library, as are those that take more memory compiled.
const PATTERN_BYTES_MAX: usize = 200;
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Up to here a float holds whole numbers exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// What drafts from 6 on know and this module does not read.
const OTHER_KEYWORDS: [&str; 20] = [
    "additionalItems",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "format",
    "id",
    "maxContains",
    "maxProperties",
    "minContains",
    "minProperties",
    "multipleOf",
    "prefixItems",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// A schema, without its `$schema`, all of which can be read here.
pub(super) struct PlainSchema {
    schema: Json,
    draft: Draft,
    /// By what the schema writes.
    patterns: HashMap<String, Regex>,
}

impl PlainSchema {
    /// Looks at every part of a schema of draft 6 or newer, for what is wrong anywhere is the library's to tell.
    pub(super) fn new(schema: Json, draft: Draft) -> Option<PlainSchema> {
        let mut look = Look { root: &schema, draft, patterns: HashMap::new(), targets: HashSet::new() };
        let is_plain = !matches!(draft, Draft::Draft4) && look.is_plain(&schema, 0);
        let patterns = look.patterns;
        is_plain.then_some(PlainSchema { schema, draft, patterns })
    }

    /// Whether the values fit for certain.
    pub(super) fn fits(&self, values: &Node) -> bool {
        let ref_is_all = matches!(self.draft, Draft::Draft6 | Draft::Draft7);
        let mut check = Check { root: &self.schema, ref_is_all, patterns: &self.patterns, steps: 0, is_unsure: false };
        check.fits(&self.schema, values, 0) && !check.is_unsure
    }
}

/// One look at a schema.
struct Look<'a> {
    root: &'a Json,
    draft: Draft,
    patterns: HashMap<String, Regex>,
    /// What references lead to that stands where no schema would be looked for.
    targets: HashSet<&'a str>,
}

impl<'a> Look<'a> {
    fn is_plain(&mut self, schema: &'a Json, depth: usize) -> bool {
        let object = match schema {
            Json::Bool(_) => return true,
            Json::Object(object) => object,
            _ => return false,
        };
        if depth > DEPTH_MAX {
            return false;
        }
        let depth = depth + 1;
        object.iter().all(|(keyword, value)| match keyword.as_str() {
            "type" => match value {
                Json::Array(some) => !some.is_empty() && are_distinct(some) && some.iter().all(is_type),
                one => is_type(one),
            },
            "properties" | "definitions" | "$defs" => {
                value.as_object().is_some_and(|object| object.values().all(|schema| self.is_plain(schema, depth)))
            }
            "patternProperties" => value.as_object().is_some_and(|object| {
                object.iter().all(|(pattern, schema)| self.is_simple(pattern) && self.is_plain(schema, depth))
            }),
            "items" | "additionalProperties" | "not" => self.is_plain(value, depth),
            "if" | "then" | "else" => self.draft != Draft::Draft6 && self.is_plain(value, depth),
            "anyOf" | "allOf" | "oneOf" => value
                .as_array()
                .is_some_and(|some| !some.is_empty() && some.iter().all(|schema| self.is_plain(schema, depth))),
            "required" => value.as_array().is_some_and(|keys| are_distinct(keys) && keys.iter().all(Json::is_string)),
            "enum" => value
                .as_array()
                .is_some_and(|some| !some.is_empty() && are_distinct(some) && some.iter().all(is_comparable)),
            "const" => is_comparable(value),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => value.is_number(),
            "minLength" | "maxLength" | "minItems" | "maxItems" => value.is_u64(),
            "pattern" => value.as_str().is_some_and(|pattern| self.is_simple(pattern)),
            "title" | "description" | "$comment" => value.is_string(),
            "deprecated" | "readOnly" | "writeOnly" => value.is_boolean(),
            "examples" => value.is_array(),
            "$ref" => value.as_str().is_some_and(|reference| self.is_plain_target(reference, depth)),
            // The whole file may have a name: references within it stay what they are.
            "$id" => depth == 1 && value.as_str().is_some_and(|id| id.starts_with("http") && !id.contains('#')),
            // Words of other programs mean nothing.
            other => !other.starts_with('$') && !OTHER_KEYWORDS.contains(&other),
        })
    }

    fn is_plain_target(&mut self, reference: &'a str, depth: usize) -> bool {
        let Some(schema) = target(self.root, reference) else { return false };
        !self.targets.insert(reference) || self.is_plain(schema, depth)
    }

    /// Whether a pattern means the same to all engines, for printable ASCII text.
    fn is_simple(&mut self, pattern: &str) -> bool {
        if self.patterns.contains_key(pattern) {
            return true;
        }
        let (mut rest, mut in_class) = (pattern.as_bytes(), false);
        while let [byte, after @ ..] = rest {
            let is_simple = match byte {
                b'\\' => after.first().is_some_and(|escaped| b".-/+*?()[]{}|^$".contains(escaped)),
                // Within brackets some engines know classes, names and operators, and a bracket that closes nothing:
                // `[a[b]]`, `[[:alpha:]]`, `[a&&b]`, `[]a]`.
                b'[' => !in_class && !after.strip_prefix(b"^").unwrap_or(after).starts_with(b"]"),
                // Groups have no names or flags, and nothing is asked about what stands around them.
                b'(' => in_class || !after.starts_with(b"?"),
                b'&' | b'~' | b'#' | b':' => false,
                byte => matches!(byte, b' '..=b'~'),
            };
            if !is_simple {
                return false;
            }
            in_class = *byte == b'[' || (in_class && *byte != b']');
            rest = if *byte == b'\\' { &after[1..] } else { after };
        }
        if pattern.len() > PATTERN_BYTES_MAX || pattern.contains("--") || pattern.contains("{,") {
            return false;
        }
        let regex = ascii_regex::compile(pattern, COMPILED_BYTES_MAX);
        regex.is_some_and(|regex| self.patterns.insert(pattern.to_owned(), regex).is_none())
    }
}

fn is_type(json: &Json) -> bool {
    json.as_str().is_some_and(|name| TYPES.contains(&name))
}

fn are_distinct(items: &[Json]) -> bool {
    items.len() <= LIST_MAX && items.iter().enumerate().all(|(i, item)| !items[..i].contains(item))
}

/// Whether it is clear what equals it: lists and objects need more than a look, and so do fractions.
fn is_comparable(json: &Json) -> bool {
    match json {
        Json::Null | Json::Bool(_) | Json::String(_) => true,
        Json::Number(number) => number.as_i64().is_some_and(|n| (n as f64).abs() < EXACT_MAX),
        Json::Array(_) | Json::Object(_) => false,
    }
}

fn equals(json: &Json, node: &Node) -> bool {
    match (json, &node.value) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Bool(b)) => a == b,
        (Json::String(a), Value::Str(b)) => **a == **b,
        (Json::Number(a), _) => number(node).is_some_and(|b| a.as_f64() == Some(b)),
        _ => false,
    }
}

/// What a reference within the same file leads to.
fn target<'a>(root: &'a Json, reference: &str) -> Option<&'a Json> {
    let path = reference.strip_prefix("#/")?;
    let is_plain = !path.contains(['~', '%', '#']);
    path.split('/').filter(|_| is_plain).try_fold(root, |json, name| json.as_object()?.get(name)).filter(|_| is_plain)
}

/// One run over values.
struct Check<'a> {
    root: &'a Json,
    /// Older drafts read nothing beside a `$ref`.
    ref_is_all: bool,
    patterns: &'a HashMap<String, Regex>,
    steps: usize,
    /// Something could not be decided, so that even a "no" within the schema says nothing.
    is_unsure: bool,
}

impl<'a> Check<'a> {
    fn fits(&mut self, schema: &'a Json, node: &Node, depth: usize) -> bool {
        self.steps += 1;
        let object = match schema {
            Json::Bool(anything) => return *anything,
            Json::Object(object) if depth <= DEPTH_MAX && self.steps <= STEPS_MAX => object,
            _ => {
                self.is_unsure = true;
                return false;
            }
        };
        match object.get("$ref").filter(|_| self.ref_is_all) {
            Some(reference) => self.keyword(object, "$ref", reference, node, depth + 1),
            None => object.iter().all(|(keyword, value)| self.keyword(object, keyword, value, node, depth + 1)),
        }
    }

    fn keyword(
        &mut self,
        schema: &'a Object<String, Json>,
        keyword: &str,
        value: &'a Json,
        node: &Node,
        depth: usize,
    ) -> bool {
        let some = value.as_array().map(Vec::as_slice).unwrap_or_default();
        match (keyword, &node.value) {
            ("type", _) if value.is_array() => some.iter().any(|one| has_type(node, one)),
            ("type", _) => has_type(node, value),
            ("required", Value::Map(map)) => some.iter().all(|key| map.contains_key(text(key))),
            ("properties", Value::Map(map)) => map
                .iter()
                .all(|(key, entry)| value.get(&**key).is_none_or(|schema| self.fits(schema, &entry.node, depth))),
            ("patternProperties", Value::Map(map)) => {
                let patterns = value.as_object().into_iter().flatten();
                patterns.into_iter().all(|(pattern, schema)| {
                    map.iter().all(|(key, entry)| !self.matches(pattern, key) || self.fits(schema, &entry.node, depth))
                })
            }
            ("additionalProperties", Value::Map(map)) => map.iter().all(|(key, entry)| {
                let is_known = schema.get("properties").is_some_and(|known| known.get(&**key).is_some());
                let patterns = schema.get("patternProperties").and_then(Json::as_object).into_iter().flatten();
                is_known
                    || patterns.into_iter().any(|(pattern, _)| self.matches(pattern, key))
                    || self.fits(value, &entry.node, depth)
            }),
            ("items", Value::Seq(items)) => items.iter().all(|item| self.fits(value, item, depth)),
            ("enum", _) => some.iter().any(|one| equals(one, node)),
            ("const", _) => equals(value, node),
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", _) => {
                match (number(node), value.as_f64()) {
                    (None, _) => true,
                    (Some(own), Some(limit)) if own.abs() < EXACT_MAX && limit.abs() < EXACT_MAX => match keyword {
                        "minimum" => own >= limit,
                        "maximum" => own <= limit,
                        "exclusiveMinimum" => own > limit,
                        _ => own < limit,
                    },
                    _ => {
                        self.is_unsure = true;
                        false
                    }
                }
            }
            ("minLength", Value::Str(own)) => !is_fewer(own.chars().count(), value),
            ("maxLength", Value::Str(own)) => !is_more(own.chars().count(), value),
            ("minItems", Value::Seq(items)) => !is_fewer(items.len(), value),
            ("maxItems", Value::Seq(items)) => !is_more(items.len(), value),
            ("pattern", Value::Str(own)) => self.matches(text(value), own),
            ("not", _) => !self.fits(value, node, depth),
            ("if", _) => {
                let branch = if self.fits(value, node, depth) { "then" } else { "else" };
                schema.get(branch).is_none_or(|schema| self.fits(schema, node, depth))
            }
            ("anyOf", _) => some.iter().any(|schema| self.fits(schema, node, depth)),
            ("allOf", _) => some.iter().all(|schema| self.fits(schema, node, depth)),
            ("oneOf", _) => some.iter().filter(|schema| self.fits(schema, node, depth)).count() == 1,
            ("$ref", _) => target(self.root, text(value)).is_some_and(|schema| self.fits(schema, node, depth)),
            _ => true,
        }
    }

    fn matches(&mut self, pattern: &str, text: &str) -> bool {
        match self.patterns.get(pattern) {
            Some(regex) if ascii_regex::may_search(text) && text.bytes().all(|b| matches!(b, b' '..=b'~')) => {
                regex.is_match(text)
            }
            _ => {
                self.is_unsure = true;
                false
            }
        }
    }
}

fn is_fewer(count: usize, limit: &Json) -> bool {
    limit.as_u64().is_some_and(|limit| (count as u64) < limit)
}

fn is_more(count: usize, limit: &Json) -> bool {
    limit.as_u64().is_some_and(|limit| (count as u64) > limit)
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

fn number(node: &Node) -> Option<f64> {
    match &node.value {
        Value::Int(n) => Some(*n as f64),
        Value::UInt(n) => Some(*n as f64),
        Value::Float(x) => Some(*x),
        _ => None,
    }
}

fn has_type(node: &Node, name: &Json) -> bool {
    let name = text(name);
    match &node.value {
        Value::Null => name == "null",
        Value::Bool(_) => name == "boolean",
        Value::Int(_) | Value::UInt(_) => matches!(name, "integer" | "number"),
        Value::Float(x) => name == "number" || (name == "integer" && x.trunc() == *x && x.abs() < EXACT_MAX),
        Value::Str(_) => name == "string",
        Value::Seq(_) => name == "array",
        Value::Map(_) => name == "object",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chart::Schema;
    use crate::error::Source;
    use crate::yaml::{Numbers, from_json};

    const DRAFTS: [(Draft, &str); 4] = [
        (Draft::Draft6, "http://json-schema.org/draft-06/schema#"),
        (Draft::Draft7, "http://json-schema.org/draft-07/schema#"),
        (Draft::Draft201909, "https://json-schema.org/draft/2019-09/schema"),
        (Draft::Draft202012, "https://json-schema.org/draft/2020-12/schema"),
    ];

    fn fits_plainly(schema: &Json, draft: Draft, values: &Json) -> Option<bool> {
        let values = from_json("values", &values.to_string(), Numbers::Float64).unwrap();
        Some(PlainSchema::new(schema.clone(), draft)?.fits(&values))
    }

    #[test]
    fn nearly_all_values_fit_plainly() {
        for (schema, values, expected) in [
            (r#"{"properties": {"a": {"type": "integer", "default": 1}}}"#, r#"{"a": 3, "b": {}}"#, Some(true)),
            (r#"{"properties": {"a": {"type": "integer"}}}"#, r#"{"a": 3.5}"#, Some(false)),
            (r#"{"additionalProperties": false, "properties": {"a": true}}"#, r#"{"a": 1}"#, Some(true)),
            (r#"{"additionalProperties": false, "properties": {"a": true}}"#, r#"{"b": 1}"#, Some(false)),
            (r#"{"required": ["a"]}"#, "{}", Some(false)),
            (r#"{"enum": ["a"]}"#, "\"a\"", Some(true)),
            (
                r##"{"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"type": "null"}, {"minimum": 2}]}}}"##,
                "2",
                Some(true),
            ),
            (
                r##"{"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"type": "null"}, {"minimum": 2}]}}}"##,
                "1",
                Some(false),
            ),
            // What leads in a circle ends, and so does what doubles at every step.
            (r##"{"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}"##, "1", Some(false)),
            (
                r##"{"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}}"##,
                "1",
                Some(false),
            ),
            (r#"{"oneOf": [{"type": "null"}, {"type": "string"}, {"minimum": 0}]}"#, "null", Some(false)),
            (r#"{"oneOf": [{"type": "null"}, {"type": "string"}]}"#, "null", Some(true)),
            // A number that a float does not hold exactly is none to say no to, either.
            (r#"{"oneOf": [{"type": "number"}, {"minimum": 36028797018963968}]}"#, "36028797018963967", Some(false)),
            (r##"{"$ref": "#/$defs/b", "$defs": {"a": true}}"##, "1", None),
            (r##"{"$ref": "#/x/y", "x": {"y": {"type": "integer"}}}"##, "1", Some(true)),
            (r##"{"$ref": "#/x/y", "x": {"y": {"format": "date"}}}"##, "1", None),
            (r##"{"$ref": "#/x/y", "x": {"y": {"$ref": "#/x/y"}}}"##, "1", Some(false)),
            (r#"{"pattern": "^a[b-d]+$"}"#, "\"abcd\"", Some(true)),
            (r#"{"pattern": "^a[b-d]+$"}"#, "\"abcde\"", Some(false)),
            (r#"{"not": {"pattern": "."}}"#, "\"\\r\"", Some(false)),
            (r#"{"not": {"pattern": "b"}, "minLength": 1, "maxLength": 1}"#, "\"é\"", Some(false)),
            (r#"{"minLength": 1, "maxLength": 1}"#, "\"é\"", Some(true)),
            (r#"{"minItems": 1, "maxItems": 2}"#, "[1, 2, 3]", Some(false)),
            (
                r#"{"patternProperties": {"^a": {"type": "null"}}, "additionalProperties": false}"#,
                r#"{"ab": null}"#,
                Some(true),
            ),
            (
                r#"{"patternProperties": {"^a": {"type": "null"}}, "additionalProperties": false}"#,
                r#"{"b": null}"#,
                Some(false),
            ),
            (r#"{"if": {"const": 1}, "then": false, "else": {"enum": [true, null, 2]}}"#, "2", Some(true)),
            (r#"{"if": {"const": 1}, "then": false, "else": {"enum": [true, null, 2]}}"#, "1", Some(false)),
            (r#"{"exclusiveMinimum": 1}"#, "1", Some(false)),
            (r#"{"properties": {"a": {"pattern": "\\d"}}}"#, "1", None),
            (r#"{"properties": {"a": {"pattern": "(?=a)"}}}"#, "1", None),
            (r#"{"pattern": "^[a[b]]$"}"#, "\"a\"", None),
            (r#"{"pattern": "[]a]"}"#, "\"a\"", None),
            (r#"{"pattern": "[^]a]"}"#, "\"a\"", None),
            (r#"{"pattern": "^[a(?]$"}"#, "\"?\"", Some(true)),
            (r#"{"properties": {"a": {"enum": [[1]]}}}"#, "1", None),
            (r#"{"properties": {"a": {"type": "integr"}}}"#, "1", None),
            (r#"{"properties": {"a": {"items": [true]}}}"#, "1", None),
        ] {
            let (schema, values) = (serde_json::from_str(schema).unwrap(), serde_json::from_str(values).unwrap());
            assert_eq!(fits_plainly(&schema, Draft::Draft202012, &values), expected, "{schema} {values}");
        }
        // Older drafts read nothing beside a reference.
        let schema = serde_json::json!({"$ref": "#/definitions/a", "type": "array", "definitions": {"a": true}});
        assert_eq!(fits_plainly(&schema, Draft::Draft7, &Json::Null), Some(true));
        assert_eq!(fits_plainly(&schema, Draft::Draft201909, &Json::Null), Some(false));
    }

    fn values() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            (-3..3_i64).prop_map(Json::from),
            Just(Json::from(1.5)),
            "[ab]{0,2}|é".prop_map(Json::from),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
                prop::collection::vec(("[abc]", inner), 0..3).prop_map(|some| some.into_iter().collect()),
            ]
        })
    }

    fn schemas() -> impl Strategy<Value = Json> {
        let word = |words: &'static [&'static str]| prop::sample::select(words);
        let leaf = prop_oneof![
            any::<bool>().prop_map(Json::from),
            word(&TYPES).prop_map(|name| serde_json::json!({"type": name})),
            prop::collection::vec(word(&["array", "integer", "null", "object", "strin"]), 0..3)
                .prop_map(|names| serde_json::json!({"type": names})),
            prop::collection::vec("[ab]", 0..3).prop_map(|names| serde_json::json!({"required": names})),
            prop::collection::vec("[ab]", 0..3).prop_map(|names| serde_json::json!({"enum": names})),
            (word(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "const"]), -2..2_i64)
                .prop_map(|(name, n)| serde_json::json!({name: n})),
            (word(&["minLength", "maxLength", "minItems", "maxItems"]), 0..3_i64)
                .prop_map(|(name, n)| serde_json::json!({name: n})),
            word(&["a", "^b$", "[^a]", "(a|b)b*", "a{2}", "[", "\\."]).prop_map(|p| serde_json::json!({"pattern": p})),
            prop::collection::vec(values(), 0..3).prop_map(|some| serde_json::json!({"enum": some})),
            (word(&["a", "b", "c"]), word(&["title", "type"]), word(&["null", "object"]))
                .prop_map(|(name, key, value)| { serde_json::json!({"$ref": format!("#/$defs/{name}"), key: value}) }),
            word(&["title", "default", "pattern", "x"]).prop_map(|name| serde_json::json!({name: "a"})),
            Just(serde_json::json!(5)),
        ];
        leaf.prop_recursive(3, 16, 3, move |inner| {
            let named = prop::collection::vec(("[ab]", inner.clone()), 0..3)
                .prop_map(|some| some.into_iter().collect::<Json>());
            prop_oneof![
                (inner.clone(), named, word(&["properties", "$defs"])).prop_map(|(rest, properties, name)| {
                    serde_json::json!({name: properties, "additionalProperties": rest})
                }),
                (inner.clone(), inner.clone(), word(&["a", "^b$", "."])).prop_map(|(rest, schema, pattern)| {
                    serde_json::json!({"patternProperties": {pattern: schema}, "additionalProperties": rest})
                }),
                (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| serde_json::json!({"if": a, "then": b, "else": c})),
                inner.clone().prop_map(|schema| serde_json::json!({"not": schema})),
                inner.clone().prop_map(|items| serde_json::json!({"items": items})),
                (word(&["anyOf", "allOf", "oneOf"]), prop::collection::vec(inner, 0..3))
                    .prop_map(|(name, some)| serde_json::json!({name: some})),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_fits_plainly_fits(
            mut schema in schemas(),
            a in schemas(),
            b in schemas(),
            values in values(),
            (draft, address) in prop::sample::select(&DRAFTS[..]),
        ) {
            if let Some(object) = schema.as_object_mut() {
                object.insert("$defs".into(), serde_json::json!({"a": a, "b": b}));
            }
            if fits_plainly(&schema, draft, &values) == Some(true) {
                if let Some(object) = schema.as_object_mut() {
                    object.insert("$schema".into(), address.into());
                }
                let schema = Schema::new(Source::new("values.schema.json", schema.to_string()));
                let (unfit, warnings) = schema.check(&values).unwrap();
                prop_assert!(unfit.is_empty() && warnings.is_empty(), "{unfit:?} {warnings:?}");
            }
        }
    }
}
