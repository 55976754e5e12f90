//! Whether values plainly fit a schema: nearly all do, and to say so takes a tenth of the time of compiling the schema.
//!
//! "Yes" here is a yes of the library, too. "No" only means that the library has to be asked: the values do not fit, or
//! the schema says what is not read here (patterns, formats, addresses elsewhere), or is none.

use serde_json::{Map as Object, Value as Json};

use crate::yaml::{Node, Value};

/// How deep schemas are followed into each other; the library is asked beyond.
const DEPTH_MAX: usize = 100;
/// How many schemas may be laid over values: they may refer to each other twice over and over.
const STEPS_MAX: usize = 1_000_000;
/// Longer lists of keys or alternatives are left to the library.
const LIST_MAX: usize = 200;
/// Up to here a float holds whole numbers exactly.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// What all drafts from 6 on know and this module does not read.
const OTHER_KEYWORDS: [&str; 33] = [
    "additionalItems",
    "const",
    "contains",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "id",
    "if",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "multipleOf",
    "not",
    "pattern",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// A schema, without its `$schema`, all of which can be read here.
pub(super) struct PlainSchema(Json);

impl PlainSchema {
    /// Looks at every part of a schema of draft 6 or newer, for what is wrong anywhere is the library's to tell.
    pub(super) fn new(schema: Json) -> Option<PlainSchema> {
        is_plain(&schema, &schema, 0).then_some(PlainSchema(schema))
    }

    /// Whether the values fit for certain.
    pub(super) fn fits(&self, values: &Node) -> bool {
        let mut check = Check { root: &self.0, steps: 0, is_unsure: false };
        check.fits(&self.0, values, 0) && !check.is_unsure
    }
}

fn is_plain(schema: &Json, root: &Json, depth: usize) -> bool {
    let object = match schema {
        Json::Bool(_) => return true,
        Json::Object(object) => object,
        _ => return false,
    };
    if depth > DEPTH_MAX {
        return false;
    }
    let below = |schema: &Json| is_plain(schema, root, depth + 1);
    object.iter().all(|(keyword, value)| match keyword.as_str() {
        "type" => match value {
            Json::Array(some) => !some.is_empty() && are_distinct_texts(some) && some.iter().all(is_type),
            one => is_type(one),
        },
        "properties" | "definitions" | "$defs" => value.as_object().is_some_and(|object| object.values().all(below)),
        "items" | "additionalProperties" => below(value),
        "anyOf" | "allOf" | "oneOf" => value.as_array().is_some_and(|some| !some.is_empty() && some.iter().all(below)),
        "required" => value.as_array().is_some_and(|keys| are_distinct_texts(keys)),
        "enum" => value.as_array().is_some_and(|some| !some.is_empty() && are_distinct_texts(some)),
        "minimum" | "maximum" => value.is_number(),
        "title" | "description" | "$comment" => value.is_string(),
        "deprecated" | "readOnly" | "writeOnly" => value.is_boolean(),
        "examples" => value.is_array(),
        "$ref" => value.as_str().is_some_and(|reference| target(root, reference).is_some()),
        // The whole file may have a name: references within it stay what they are.
        "$id" => depth == 0 && value.as_str().is_some_and(|id| id.starts_with("http") && !id.contains('#')),
        // Words of other programs mean nothing.
        other => !other.starts_with('$') && !OTHER_KEYWORDS.contains(&other),
    })
}

fn is_type(json: &Json) -> bool {
    json.as_str().is_some_and(|name| TYPES.contains(&name))
}

fn are_distinct_texts(items: &[Json]) -> bool {
    items.len() <= LIST_MAX && items.iter().enumerate().all(|(i, item)| item.is_string() && !items[..i].contains(item))
}

/// What a reference to a definition of the same file leads to.
fn target<'a>(root: &'a Json, reference: &str) -> Option<&'a Json> {
    let (section, name) = reference.strip_prefix("#/")?.split_once('/')?;
    let is_plain = !name.contains(['/', '~', '%', '#']) && matches!(section, "definitions" | "$defs");
    root.as_object().filter(|_| is_plain)?.get(section)?.get(name)
}

/// One run over values.
struct Check<'a> {
    root: &'a Json,
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
        object.iter().all(|(keyword, value)| self.keyword(object, keyword, value, node, depth + 1))
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
            ("additionalProperties", Value::Map(map)) => map
                .iter()
                .filter(|(key, _)| schema.get("properties").is_none_or(|known| known.get(&***key).is_none()))
                .all(|(_, entry)| self.fits(value, &entry.node, depth)),
            ("items", Value::Seq(items)) => items.iter().all(|item| self.fits(value, item, depth)),
            ("enum", Value::Str(own)) => some.iter().any(|one| text(one) == &**own),
            ("enum", _) => false,
            ("minimum" | "maximum", _) => match (number(node), value.as_f64()) {
                (None, _) => true,
                (Some(own), Some(limit)) if own.abs() < EXACT_MAX && limit.abs() < EXACT_MAX => {
                    if keyword == "minimum" { own >= limit } else { own <= limit }
                }
                _ => {
                    self.is_unsure = true;
                    false
                }
            },
            ("anyOf", _) => some.iter().any(|schema| self.fits(schema, node, depth)),
            ("allOf", _) => some.iter().all(|schema| self.fits(schema, node, depth)),
            ("oneOf", _) => some.iter().filter(|schema| self.fits(schema, node, depth)).count() == 1,
            ("$ref", _) => target(self.root, text(value)).is_some_and(|schema| self.fits(schema, node, depth)),
            _ => true,
        }
    }
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

    fn fits_plainly(schema: &Json, values: &Json) -> Option<bool> {
        let values = from_json("values", &values.to_string(), Numbers::Float64).unwrap();
        Some(PlainSchema::new(schema.clone())?.fits(&values))
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
            (r#"{"properties": {"a": {"pattern": "a"}}}"#, "1", None),
            (r#"{"properties": {"a": {"type": "integr"}}}"#, "1", None),
            (r#"{"properties": {"a": {"items": [true]}}}"#, "1", None),
        ] {
            let got = fits_plainly(&serde_json::from_str(schema).unwrap(), &serde_json::from_str(values).unwrap());
            assert_eq!(got, expected, "{schema} {values}");
        }
    }

    fn values() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            (-3..3_i64).prop_map(Json::from),
            Just(Json::from(1.5)),
            "[ab]".prop_map(Json::from),
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
            (word(&["minimum", "maximum"]), -2..2_i64).prop_map(|(name, n)| serde_json::json!({name: n})),
            word(&["a", "b", "c"]).prop_map(|name| serde_json::json!({"$ref": format!("#/$defs/{name}")})),
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
                inner.clone().prop_map(|items| serde_json::json!({"items": items})),
                (word(&["anyOf", "allOf", "oneOf"]), prop::collection::vec(inner, 0..3))
                    .prop_map(|(name, some)| serde_json::json!({name: some})),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_fits_plainly_fits(mut schema in schemas(), a in schemas(), b in schemas(), values in values()) {
            if let Some(object) = schema.as_object_mut() {
                object.insert("$defs".into(), serde_json::json!({"a": a, "b": b}));
            }
            if fits_plainly(&schema, &values) == Some(true) {
                let schema = Schema::new(Source::new("values.schema.json", schema.to_string()));
                let (unfit, warnings) = schema.check(&values).unwrap();
                prop_assert!(unfit.is_empty() && warnings.is_empty(), "{unfit:?} {warnings:?}");
            }
        }
    }
}
