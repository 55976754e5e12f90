//! Where in an object a change is: `spec.template.spec.containers[web].image`, and patterns over such paths.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// One step into an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// The value of a key.
    Key(Arc<str>),
    /// An item of a list.
    Item {
        /// What tells the item from the others, where something does: its name, key, port, host, path.
        label: Option<Arc<str>>,
        /// Where it stands in the older list, from 0.
        old: Option<usize>,
        /// Where it stands in the newer list, from 0.
        new: Option<usize>,
    },
}

/// A place in an object, from its root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Path(pub Vec<Step>);

impl Path {
    /// The path one step further.
    pub fn then(&self, step: Step) -> Path {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step);
        Path(steps)
    }

    /// The path to the value of a key.
    pub fn key(&self, key: &Arc<str>) -> Path {
        self.then(Step::Key(key.clone()))
    }

    /// The last key on the way, whatever list items come after it: `ports` for `spec.ports[80]`.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(&**key),
            Step::Item { .. } => None,
        })
    }

    /// The keys on the way, without list items.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            Step::Key(key) => Some(&**key),
            Step::Item { .. } => None,
        })
    }

    /// Whether the first keys of the path, list items left out, are these.
    pub fn is_below(&self, keys: &[&str]) -> bool {
        let mut own = self.keys();
        keys.iter().all(|key| own.next() == Some(key))
    }
}

/// Whether a key can be written after a dot without being mistaken for something else.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '$' | '@'))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if is_plain(key) => {
                    let dot = if index == 0 { "" } else { "." };
                    write!(f, "{dot}{key}")?;
                }
                Step::Key(key) => write!(f, "[{:?}]", &**key)?,
                Step::Item { label: Some(label), .. } => write!(f, "[{label}]")?,
                Step::Item { old, new, .. } => write!(f, "[{}]", new.or(*old).unwrap_or_default())?,
            }
        }
        Ok(())
    }
}

/// A pattern over paths: `metadata.labels["helm.sh/chart"]`, `spec.**.image`, `Deployment:spec.replicas`.
///
/// `*` stands for any one step, `**` for any number of steps, `[*]` for any item; a pattern matches everything below
/// the place that it names. `KIND:` in front restricts it to objects of that kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    kind: Option<String>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// A key, or the label or number of an item.
    Name(String),
    /// `*`.
    Any,
    /// `**`.
    AnyNumber,
}

impl PathPattern {
    /// Whether a change at this place of an object of this kind is meant.
    pub fn matches(&self, kind: &str, path: &Path) -> bool {
        self.kind.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind)) && matches(&self.parts, &path.0)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn matches(parts: &[Part], steps: &[Step]) -> bool {
    match parts.split_first() {
        None => true,
        Some((Part::AnyNumber, rest)) => (0..=steps.len()).any(|skip| matches(rest, &steps[skip..])),
        Some((part, rest)) => steps.split_first().is_some_and(|(step, steps)| part.is(step) && matches(rest, steps)),
    }
}

impl Part {
    fn is(&self, step: &Step) -> bool {
        match (self, step) {
            (Part::Any | Part::AnyNumber, _) => true,
            (Part::Name(name), Step::Key(key)) => **name == **key,
            (Part::Name(name), Step::Item { label, old, new }) => {
                label.as_deref() == Some(name)
                    || [old, new].into_iter().flatten().any(|index| index.to_string() == *name)
            }
        }
    }
}

impl FromStr for PathPattern {
    type Err = String;

    /// # Errors
    /// What is wrong with the text, as the end of a sentence that begins with it.
    fn from_str(text: &str) -> Result<PathPattern, String> {
        let (kind, mut rest) = match text.split_once(':') {
            Some((kind, rest)) if !kind.is_empty() && kind.chars().all(|c| c.is_ascii_alphanumeric()) => {
                (Some(kind.to_owned()), rest)
            }
            _ => (None, text),
        };
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (name, after) = if let Some(inner) = rest.strip_prefix("[\"") {
                let end = inner.find("\"]").ok_or("has `[\"` without `\"]`")?;
                (&inner[..end], &inner[end + 2..])
            } else if let Some(inner) = rest.strip_prefix('[') {
                let end = inner.find(']').ok_or("has `[` without `]`")?;
                (&inner[..end], &inner[end + 1..])
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                (&rest[..end], &rest[end..])
            };
            if name.is_empty() {
                return Err("has an empty step".into());
            }
            parts.push(match name {
                "*" => Part::Any,
                "**" => Part::AnyNumber,
                name => Part::Name(name.to_owned()),
            });
            rest = match after.strip_prefix('.') {
                Some("") => return Err("ends with a dot".into()),
                Some(after) => after,
                None => after,
            };
        }
        if parts.is_empty() {
            return Err("names no place".into());
        }
        Ok(PathPattern { text: text.to_owned(), kind, parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> Path {
        let item = Step::Item { label: Some("web".into()), old: Some(0), new: Some(1) };
        Path(vec![Step::Key("spec".into()), Step::Key("containers".into()), item, Step::Key("image".into())])
    }

    #[test]
    fn a_path_reads_as_people_write_it() {
        assert_eq!(path().to_string(), "spec.containers[web].image");
        let odd = Path(vec![
            Step::Key("metadata".into()),
            Step::Key("labels".into()),
            Step::Key("helm.sh/chart".into()),
            Step::Item { label: None, old: Some(2), new: None },
        ]);
        assert_eq!(odd.to_string(), "metadata.labels[\"helm.sh/chart\"][2]");
    }

    #[test]
    fn patterns_match_places_and_what_is_below_them() {
        let table = [
            ("spec", true),
            ("spec.containers[web]", true),
            ("spec.containers[1].image", true),
            ("spec.containers[*].image", true),
            ("spec.*.web.image", true),
            ("**.image", true),
            ("Pod:**.image", true),
            ("pod:spec", true),
            ("Deployment:**.image", false),
            ("spec.containers[db]", false),
            ("spec.containers[web].image.tag", false),
            ("image", false),
        ];
        for (text, expected) in table {
            let pattern: PathPattern = text.parse().expect("a pattern");
            assert_eq!(pattern.matches("Pod", &path()), expected, "{text}");
        }
        for text in ["", "a.", "a..b", "a[", "a[\"x]", "Pod:", ".a"] {
            assert!(text.parse::<PathPattern>().is_err(), "{text}");
        }
    }
}
