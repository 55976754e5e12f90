//! What a filter, test or function is called with, and the errors that it gives back.
//!
//! Arguments have names. One that the signature does not list is an error, as is one whose value is undefined.

use std::borrow::Cow;

use tera::{Error, ErrorKind, Kwargs, TeraResult, Value};

use super::convert::kind_name;
use crate::error::nearest;

/// Begins every message of ours, so that the report can tell it from Tera's own and leave its words alone.
pub const OURS: char = '\u{1}';

/// The arguments of one call.
pub struct Args<'a> {
    name: &'static str,
    kwargs: &'a Kwargs,
}

impl<'a> Args<'a> {
    /// The arguments of a call of `name`, of which `known` are the ones it has.
    ///
    /// # Errors
    /// An argument that is not among `known`, or is undefined.
    pub fn new(name: &'static str, known: &[&str], kwargs: &'a Kwargs) -> TeraResult<Args<'a>> {
        for (key, value) in kwargs.iter() {
            let key = key.as_str().unwrap_or_default();
            if !known.contains(&key) {
                let hint = match nearest(key, known.iter().copied()) {
                    Some(near) => format!("; did you mean `{near}`?"),
                    None if known.is_empty() => "; it has none".to_owned(),
                    None => format!("; it has {}", list(known)),
                };
                return Err(refuse(format!("`{name}` has no argument `{key}`{hint}")));
            }
            if value.is_undefined() {
                return Err(refuse(format!("the argument `{key}` of `{name}` is not defined")));
            }
        }
        Ok(Args { name, kwargs })
    }

    /// An argument of any type, if it was given.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.kwargs.iter().find(|(k, _)| k.as_str() == Some(key)).map(|(_, value)| value)
    }

    /// An argument of any type.
    ///
    /// # Errors
    /// It was not given.
    pub fn must_get(&self, key: &str) -> TeraResult<&'a Value> {
        self.get(key).ok_or_else(|| refuse(format!("`{}` needs the argument `{key}`", self.name)))
    }

    /// An argument that is text.
    ///
    /// # Errors
    /// It was not given, or is something else.
    pub fn text(&self, key: &str) -> TeraResult<&'a str> {
        let value = self.must_get(key)?;
        value.as_str().ok_or_else(|| self.wrong(key, "text", value))
    }

    /// An argument that is true or false; false if it was not given.
    ///
    /// # Errors
    /// It is something else.
    pub fn flag(&self, key: &str) -> TeraResult<bool> {
        match self.get(key) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(key, "true or false", value)),
        }
    }

    /// An argument that is an integer, if it was given.
    ///
    /// # Errors
    /// It is something else.
    pub fn integer(&self, key: &str) -> TeraResult<Option<i64>> {
        self.get(key).map(|value| value.as_i64().ok_or_else(|| self.wrong(key, "an integer", value))).transpose()
    }

    /// A width in columns, if it was given.
    ///
    /// # Errors
    /// It is something else, negative, or more than [`super::WIDTH_MAX`].
    pub fn width(&self, key: &str) -> TeraResult<Option<usize>> {
        let Some(n) = self.integer(key)? else { return Ok(None) };
        match usize::try_from(n) {
            Ok(n) if n <= super::WIDTH_MAX => Ok(Some(n)),
            _ => {
                let max = super::WIDTH_MAX;
                Err(refuse(format!("the argument `{key}` of `{}` is {n}, not from 0 to {max}", self.name)))
            }
        }
    }

    /// An argument that is a list of texts, or one text.
    ///
    /// # Errors
    /// It was not given, or is something else.
    pub fn texts(&self, key: &str) -> TeraResult<Vec<&'a str>> {
        let value = self.must_get(key)?;
        if let Some(text) = value.as_str() {
            return Ok(vec![text]);
        }
        let items = value.as_array().ok_or_else(|| self.wrong(key, "a list of texts", value))?;
        items.iter().map(|item| item.as_str().ok_or_else(|| self.wrong(key, "a list of texts", item))).collect()
    }

    fn wrong(&self, key: &str, wanted: &str, value: &Value) -> Error {
        refuse(format!("the argument `{key}` of `{}` should be {wanted}, it is {}", self.name, kind_name(value)))
    }
}

/// An error in our own words.
pub fn refuse(message: impl AsRef<str>) -> Error {
    Error::message(format!("{OURS}{}", message.as_ref()))
}

/// The value that a filter or test is applied to is of the wrong kind. The report points at the value.
pub fn wrong_value(wanted: &str, value: &Value) -> Error {
    Error::new(ErrorKind::InvalidArgument {
        expected_type: wanted.to_owned(),
        actual_type: kind_name(value).to_owned(),
    })
}

/// The value as text.
///
/// # Errors
/// It is not text.
pub fn text(value: &Value) -> TeraResult<&str> {
    value.as_str().ok_or_else(|| wrong_value("text", value))
}

/// A text, number or boolean as text, as `{{ }}` prints it.
///
/// # Errors
/// It is null, undefined, a list or a mapping.
pub fn scalar(value: &Value) -> TeraResult<Cow<'_, str>> {
    match value.as_str() {
        Some(text) => Ok(Cow::Borrowed(text)),
        None if value.is_number() || value.is_bool() => Ok(Cow::Owned(value.to_string())),
        None => Err(wrong_value("text, a number or a boolean", value)),
    }
}

/// The value as a mapping.
///
/// # Errors
/// It is not one.
pub fn map(value: &Value) -> TeraResult<&tera::Map> {
    value.as_map().ok_or_else(|| wrong_value("a mapping", value))
}

/// Names in backquotes, with commas.
pub fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
