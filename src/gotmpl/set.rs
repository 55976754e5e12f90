//! A set of templates that can call each other by name, as Go's associated templates do.

use std::rc::Rc;
use std::sync::Arc;

use super::HashMap;
use super::ast::{Body, Parsed};

/// Templates by name; built once for a combination of texts, shared between threads.
#[derive(Debug, Default, Clone)]
pub struct TemplateSet {
    bodies: HashMap<Arc<str>, Arc<Body>>,
}

impl TemplateSet {
    /// Adds a text under a name, and its definitions: later ones replace earlier ones, but an empty one never
    /// replaces another.
    pub fn add(&mut self, name: &Arc<str>, parsed: &Parsed) {
        for body in &parsed.definitions {
            self.insert(body.name.clone(), body);
        }
        self.insert(name.clone(), &parsed.main);
    }

    fn insert(&mut self, name: Arc<str>, body: &Arc<Body>) {
        if body.is_empty && self.bodies.contains_key(&name) {
            return;
        }
        self.bodies.insert(name, body.clone());
    }

    /// All names, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.bodies.keys().map(|name| &**name)
    }

    pub(super) fn bodies(&self) -> impl Iterator<Item = &Arc<Body>> {
        self.bodies.values()
    }

    /// The template of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<Body>> {
        self.bodies.get(name)
    }
}

/// What a running template sees: the set, and what the `tpl` calls around it define on top.
#[derive(Clone)]
pub(super) struct Scope {
    base: Arc<TemplateSet>,
    layers: Option<Rc<Layer>>,
}

struct Layer {
    definitions: Vec<Arc<Body>>,
    below: Option<Rc<Layer>>,
}

impl Scope {
    pub(super) fn new(base: Arc<TemplateSet>) -> Scope {
        Scope { base, layers: None }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<Body>> {
        let mut layer = self.layers.as_ref();
        while let Some(current) = layer {
            if let Some(body) = current.definitions.iter().find(|body| *body.name == *name) {
                return Some(body);
            }
            layer = current.below.as_ref();
        }
        self.base.get(name)
    }

    /// The scope of a text that `tpl` renders: what it defines hides what the caller sees, unless it is empty.
    pub(super) fn with(&self, parsed: &Parsed) -> Scope {
        if parsed.definitions.is_empty() {
            return self.clone();
        }
        let hides = |body: &&Arc<Body>| !body.is_empty || self.get(&body.name).is_none();
        let definitions = parsed.definitions.iter().filter(hides).cloned().collect();
        Scope { base: self.base.clone(), layers: Some(Rc::new(Layer { definitions, below: self.layers.clone() })) }
    }
}
