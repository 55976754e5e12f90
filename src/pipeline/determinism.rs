//! Two renders of one release with different random generators → what depends on randomness, named so that a person
//! can give it a value.

use crate::error::{Diagnostic, Span};
use crate::manifest::Object;
use crate::yaml::{Node, Value};

/// Every object that the two renders disagree on, with its first differing field.
pub fn differences(first: &[Object], second: &[Object]) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    for (index, object) in first.iter().enumerate() {
        let other = second.get(index).filter(|other| other.id == object.id);
        let other = other.or_else(|| second.iter().find(|other| other.id == object.id));
        let (field, span) = match other {
            None => ("metadata.name".to_owned(), object.node.at(&["metadata", "name"]).map_or(Span::NONE, |n| n.span)),
            Some(other) => match difference(&object.node, &other.node) {
                None => continue,
                Some((path, span)) => (path, span),
            },
        };
        let error = Diagnostic::error(format!("{field} of {} differs on every render", object.id)).help(
            "the template makes it up (randAlphaNum, genCA, now, uuidv4, …) where no value is given: set that value in the \
             release, so that what is reviewed is what is applied",
        );
        errors.push(object.manifest.point(error, span));
    }
    if errors.is_empty() && first.len() != second.len() {
        errors.push(
            Diagnostic::error("how many objects this chart gives differs on every render")
                .help("a template's condition depends on a random value or on the time; set the values it depends on"),
        );
    }
    errors
}

/// The path and place of the first difference between two values.
fn difference(a: &Node, b: &Node) -> Option<(String, Span)> {
    match (&a.value, &b.value) {
        (Value::Map(x), Value::Map(y)) => {
            for (key, entry) in x {
                match y.get(key) {
                    None => return Some((key.to_string(), entry.key_span)),
                    Some(other) => {
                        if let Some((path, span)) = difference(&entry.node, &other.node) {
                            return Some((join(key, &path), span));
                        }
                    }
                }
            }
            let more = y.keys().find(|key| !x.contains_key(*key))?;
            Some((more.to_string(), a.span))
        }
        (Value::Seq(x), Value::Seq(y)) => {
            for (index, (item, other)) in x.iter().zip(y).enumerate() {
                if let Some((path, span)) = difference(item, other) {
                    return Some((join(&format!("[{index}]"), &path), span));
                }
            }
            (x.len() != y.len()).then(|| (String::new(), a.span))
        }
        (x, y) => (x != y).then(|| (String::new(), a.span)),
    }
}

fn join(key: &str, rest: &str) -> String {
    match rest {
        "" => key.to_owned(),
        _ if rest.starts_with('[') => format!("{key}{rest}"),
        _ => format!("{key}.{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Source;
    use crate::manifest::{Manifest, ObjectRules, Scopes, objects};
    use crate::yaml::{ReadOptions, read_all};

    fn run(text: &str) -> Vec<Object> {
        let source = Source::new("t", text);
        let documents = read_all(&source, &ReadOptions::default()).unwrap();
        let manifests = documents.into_iter().map(|d| Manifest::raw("t".into(), &source, d.node)).collect();
        let scopes = Scopes::default();
        objects(manifests, ObjectRules { namespace: Some("a"), scopes: &scopes }, &mut Vec::new()).unwrap()
    }

    #[test]
    fn the_first_differing_field_is_named() {
        let text = |password: &str| {
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {{user: YQ==, password: {password}}}\nlist: [1, {{x: {password}}}]\n"
            )
        };
        assert!(differences(&run(&text("b")), &run(&text("b"))).is_empty());
        let errors = differences(&run(&text("b")), &run(&text("c")));
        assert_eq!(errors[0].message, "data.password of core/Secret/a/s differs on every render");
        assert_eq!(errors[0].place.as_ref().unwrap().to_string(), "t:4:30");
    }

    #[test]
    fn a_random_name_is_named_too() {
        let text = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
        let errors = differences(&run(&text("b")), &run(&text("c")));
        assert_eq!(errors[0].message, "metadata.name of core/ConfigMap/a/b differs on every render");
    }
}
