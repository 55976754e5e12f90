//! Merged values against the values.schema.json of the chart and of every enabled subchart, as Helm checks them
//! (pkg/chartutil/jsonschema.go): each finding with the place where the value was set.

use serde_json::Value as Json;

use super::{Prepared, PreparedChart};
use crate::error::{Diagnostic, Place, RuleName, Span, nearest};
use crate::yaml::{Node, Value};

impl Prepared {
    /// Checks the values; charts without a schema cost nothing. What comes back are warnings about the schemas.
    ///
    /// # Errors
    /// Every value of every chart that does not fit, and schemas that are none.
    pub fn check_schemas(&self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        self.check_schema(&self.chart, &self.values, &mut Vec::new(), &mut errors, &mut warnings);
        if errors.is_empty() { Ok(warnings) } else { Err(errors) }
    }

    fn check_schema<'a>(
        &'a self,
        chart: &'a PreparedChart,
        values: &Node,
        path: &mut Vec<&'a str>,
        errors: &mut Vec<Diagnostic>,
        warnings: &mut Vec<Diagnostic>,
    ) {
        if let Some(schema) = chart.chart.schema.as_ref().filter(|schema| !schema.fits_plainly(values)) {
            match schema.check(&json(values)) {
                Err(error) => errors.push(error),
                Ok((unfit, odd)) => {
                    warnings.extend(odd.iter().cloned());
                    for unfit in unfit {
                        let full: Vec<&str> =
                            path.iter().copied().chain(unfit.path.iter().map(String::as_str)).collect();
                        let subject =
                            if full.is_empty() { "the values".into() } else { format!("`{}`", full.join(".")) };
                        let mut error = Diagnostic::error(format!("{subject}: {}", unfit.message))
                            .rule(RuleName::ValuesSchema)
                            .help("set a value that fits, or change the schema");
                        error.place = (0..=full.len()).rev().find_map(|len| self.origin(&full[..len]));
                        if let (Some(known), Some(key)) = (schema.known_keys(&unfit.keyword), full.last()) {
                            error.place = error.place.map(|place| key_of(place, key));
                            error.help = Some(match nearest(key, known.iter().map(String::as_str)) {
                                Some(near) => format!("did you mean `{near}`?"),
                                None if known.is_empty() => "remove it, or allow it in the schema".into(),
                                None => format!("known here are {}", known.join(", ")),
                            });
                        }
                        for alternative in unfit.alternatives {
                            error = error.note(format!("one alternative: {alternative}"), None);
                        }
                        let schema = Place { source: schema.source.clone(), span: Span::NONE };
                        errors.push(error.note(
                            format!("the schema of the chart `{}` wants it so, at {}", chart.name, unfit.keyword),
                            Some(schema),
                        ));
                    }
                }
            }
        }
        for dependency in &chart.dependencies {
            let Some(values) = values.get(&dependency.name).filter(|values| !values.is_null()) else {
                continue;
            };
            path.push(&dependency.name);
            self.check_schema(dependency, values, path, errors, warnings);
            path.pop();
        }
    }
}

/// The place of the key before a value, where both stand in one line.
fn key_of(value: Place, key: &str) -> Place {
    let before = value.source.text.get(..value.span.start as usize).and_then(|text| text.trim_end().strip_suffix(':'));
    let Some(before) =
        before.map(|text| text.trim_end().trim_end_matches(['"', '\''])).filter(|before| before.ends_with(key))
    else {
        return value;
    };
    Place { span: Span::new(before.len() - key.len(), before.len()), ..value }
}

/// Values as JSON. Whole numbers become integers: a schema's `integer` takes 3.0.
fn json(node: &Node) -> Json {
    /// Up to here a float holds whole numbers exactly.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(b) => (*b).into(),
        Value::Int(n) => (*n).into(),
        Value::UInt(n) => (*n).into(),
        Value::Float(f) if f.trunc() == *f && f.abs() <= EXACT_MAX => (*f as i64).into(),
        Value::Float(f) => (*f).into(),
        Value::Str(text) => text.as_ref().into(),
        Value::Seq(items) => items.iter().map(json).collect(),
        Value::Map(map) => map.iter().map(|(key, entry)| (key.to_string(), json(&entry.node))).collect(),
    }
}
