//! Fields of an object as the API server names them in conflicts: `.spec.replicas`,
//! `.spec.template.spec.containers[name="web"].image`, `.metadata.annotations.example.com/owner`.

use crate::yaml::{Node, Value};

/// Splits the annotation's list of fields at commas and white space outside of brackets.
pub fn split(text: &str) -> Vec<String> {
    let (mut fields, mut field, mut depth) = (Vec::new(), String::new(), 0_usize);
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (c == ',' || c.is_whitespace()) {
            fields.push(std::mem::take(&mut field));
        } else {
            field.push(c);
        }
    }
    fields.push(field);
    fields.retain(|field| !field.is_empty());
    for field in &mut fields {
        if !field.starts_with('.') {
            field.insert(0, '.');
        }
    }
    fields
}

/// Whether a field is the named one or below it.
pub fn is_below(field: &str, named: &str) -> bool {
    field.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Takes a field out of an object; whether it was there.
pub fn remove(node: &mut Node, field: &str) -> bool {
    match &mut node.value {
        Value::Map(map) => {
            let Some(rest) = field.strip_prefix('.') else { return false };
            // Keys may hold dots: whichever key the rest begins with.
            let keys: Vec<_> = map.keys().filter(|key| is_below(rest, key)).cloned().collect();
            keys.into_iter().any(|key| {
                let below = &rest[key.len()..];
                if below.is_empty() {
                    return map.shift_remove(&key).is_some();
                }
                map.get_mut(&key).is_some_and(|entry| remove(&mut entry.node, below))
            })
        }
        Value::Seq(items) => {
            let Some((selector, below)) = field.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
                return false;
            };
            let Some(index) = items.iter().position(|item| selects(selector, item)) else { return false };
            if below.is_empty() {
                items.remove(index);
                return true;
            }
            remove(&mut items[index], below)
        }
        _ => false,
    }
}

/// Whether an item of a list is the one that `name="web",port=80` or `="value"` means.
fn selects(selector: &str, item: &Node) -> bool {
    selector.split(',').all(|part| {
        let Some((key, value)) = part.split_once('=') else { return false };
        let found = if key.is_empty() { Some(item) } else { item.get(key) };
        found.is_some_and(|node| serde_json::to_string(node).is_ok_and(|text| text == value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Numbers, from_json};

    #[test]
    fn fields_are_split_and_found() {
        assert_eq!(split(".a.b, c[name=\"x, y\"].d\n.e"), [".a.b", ".c[name=\"x, y\"].d", ".e"]);
        assert!(is_below(".spec.replicas", ".spec"));
        assert!(!is_below(".spec.replicasMax", ".spec.replicas"));
    }

    #[test]
    fn a_field_is_taken_out() {
        let text = r#"{"m":{"a.b/c":1,"a":{"b":2}},"l":[{"name":"x","p":80,"v":1},{"name":"y","v":2}],"s":["q","r"]}"#;
        let table = [
            (".m.a.b/c", r#"{"m":{"a":{"b":2}},"#),
            (".m.a.b", r#"{"m":{"a.b/c":1,"a":{}},"#),
            (".l[name=\"x\",p=80].v", r#""l":[{"name":"x","p":80},"#),
            (".l[name=\"y\"]", r#""v":1}],"s""#),
            (".s[=\"q\"]", r#""s":["r"]"#),
        ];
        for (field, expected) in table {
            let mut node = from_json("t", text, Numbers::Exact).expect("JSON");
            assert!(remove(&mut node, field), "{field}");
            let left = serde_json::to_string(&node).expect("JSON");
            assert!(left.contains(expected), "{field}: {left}");
        }
        let mut node = from_json("t", text, Numbers::Exact).expect("JSON");
        assert!(!remove(&mut node, ".m.x"));
        assert!(!remove(&mut node, ".l[name=\"z\"].v"));
    }
}
