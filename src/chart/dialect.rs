//! What Helm's schema library reads otherwise than the one here, found or rewritten before a schema is compiled.

use std::collections::HashSet;

use serde_json::Value as Json;

/// An `enum` of which two items are equal. Helm's library refuses it up to draft 7, as those drafts were first published.
pub(super) fn find_enum_with_equal_items(schema: &Json) -> Option<&Json> {
    let has_equal = |items: &[Json]| {
        let (mut numbers, mut others) = (HashSet::new(), HashSet::new());
        // 1 is 1.0, and 0.0 is -0.0.
        !items.iter().all(|item| match item.as_f64() {
            Some(number) => numbers.insert((number + 0.0).to_bits()),
            None => others.insert(item),
        })
    };
    match schema {
        Json::Object(map) => map.iter().find_map(|(key, value)| match (key.as_str(), value) {
            ("enum", Json::Array(items)) => has_equal(items).then_some(value),
            ("const" | "default" | "examples", _) => None,
            _ => find_enum_with_equal_items(value),
        }),
        Json::Array(items) => items.iter().find_map(find_enum_with_equal_items),
        _ => None,
    }
}

/// Writes classes such as `[[:alpha:]]` in patterns out: Go has them, JSON Schema has not.
pub(super) fn spell_out_classes(schema: &mut Json) {
    const CLASSES: [(&str, &str); 14] = [
        ("[:alnum:]", "0-9A-Za-z"),
        ("[:alpha:]", "A-Za-z"),
        ("[:ascii:]", "\\x00-\\x7F"),
        ("[:blank:]", "\\t "),
        ("[:cntrl:]", "\\x00-\\x1F\\x7F"),
        ("[:digit:]", "0-9"),
        ("[:graph:]", "!-~"),
        ("[:lower:]", "a-z"),
        ("[:print:]", " -~"),
        ("[:punct:]", "!-\\/:-@\\[-`{-~"),
        ("[:space:]", "\\t\\n\\v\\f\\r "),
        ("[:upper:]", "A-Z"),
        ("[:word:]", "0-9A-Za-z_"),
        ("[:xdigit:]", "0-9A-Fa-f"),
    ];
    let spell_out = |pattern: &mut String| {
        if pattern.contains("[[:") || pattern.contains("[^[:") {
            for (class, characters) in CLASSES {
                *pattern = pattern.replace(class, characters);
            }
        }
    };
    match schema {
        Json::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("pattern", Json::String(pattern)) => spell_out(pattern),
                    ("patternProperties", Json::Object(patterns)) => {
                        *patterns = std::mem::take(patterns)
                            .into_iter()
                            .map(|(mut pattern, schema)| {
                                spell_out(&mut pattern);
                                (pattern, schema)
                            })
                            .collect();
                        patterns.values_mut().for_each(spell_out_classes);
                    }
                    (_, value) => spell_out_classes(value),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(spell_out_classes),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_items_are_found_in_enums_only() {
        for (schema, is_found) in [
            (json!({"properties": {"a": {"enum": ["x", "y", "x"]}}}), true),
            (json!({"anyOf": [{"enum": [1, 1.0]}]}), true),
            (json!({"enum": [0.0, -0.0]}), true),
            (json!({"enum": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}), true),
            (json!({"enum": (0..50_000).collect::<Vec<_>>()}), false),
            (json!({"enum": ["x", "y", 1, true]}), false),
            (json!({"default": {"enum": [1, 1]}, "properties": {"enum": {"type": "string"}}}), false),
        ] {
            assert_eq!(find_enum_with_equal_items(&schema).is_some(), is_found, "{schema}");
        }
    }

    #[test]
    fn classes_are_spelt_out_where_they_are_some() {
        let mut schema = json!({"patternProperties": {"^[[:upper:]_]$": {"pattern": "[^[:digit:][:space:]]", "default": "[[:alpha:]]"}},
            "properties": {"pattern": {"pattern": "[:alpha:]"}}});
        spell_out_classes(&mut schema);
        let expected = json!({"patternProperties": {"^[A-Z_]$": {"pattern": "[^0-9\\t\\n\\v\\f\\r ]", "default": "[[:alpha:]]"}},
            "properties": {"pattern": {"pattern": "[:alpha:]"}}});
        assert_eq!(schema, expected);
    }
}
