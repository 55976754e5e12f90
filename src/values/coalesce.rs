//! Laying values over a chart's own, as Helm's `CoalesceValues` and `MergeValues` do it (pkg/chartutil/coalesce.go, 3.22).
//!
//! Helm's tables are Go maps: references, of which parts end up shared between a chart, its subcharts' `global`s and
//! imported values, so that what is merged into one shows in the other. To get the same results these are references
//! here too. Leaves are borrowed from the charts and layers, so a pass costs no copies of texts.
//!
//! *Coalescing* deletes what a null overrides, *merging* keeps the null for a later pass.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use super::dependencies::{Tree, WorkId};
use crate::yaml::{self, Entry, HashState, Map, Node, Value};

/// How deep merged values may nest: what the YAML reader takes, and the names of subcharts above it.
const VALUES_DEPTH_MAX: usize = yaml::DEPTH_MAX + 128;
/// How many values may be visited while one release's dependencies are worked out: each is, a few times for each level of subcharts.
const VISITS_MAX: usize = 20_000_000;

/// The key that charts share with their subcharts.
pub(super) const GLOBAL: &str = "global";

/// A value under way.
#[derive(Debug, Clone)]
pub(super) enum Val<'a> {
    Nil,
    Leaf(&'a Node),
    Table(Table<'a>),
}

/// A mapping under way, shared by reference.
#[derive(Debug, Clone, Default)]
pub(super) struct Table<'a>(Rc<RefCell<IndexMap<Arc<str>, Val<'a>, HashState>>>);

impl<'a> Val<'a> {
    fn of(node: &'a Node) -> Val<'a> {
        match &node.value {
            Value::Null => Val::Nil,
            Value::Map(map) => Val::Table(Table::of(map)),
            _ => Val::Leaf(node),
        }
    }

    fn is_nil(&self) -> bool {
        matches!(self, Val::Nil)
    }

    pub(super) fn kind_name(&self) -> &'static str {
        match self {
            Val::Nil => "null",
            Val::Leaf(node) => node.value.kind_name(),
            Val::Table(_) => "a mapping",
        }
    }
}

impl<'a> Table<'a> {
    /// A table of its own.
    pub(super) fn of(map: &'a Map) -> Table<'a> {
        Table(Rc::new(RefCell::new(map.iter().map(|(key, entry)| (key.clone(), Val::of(&entry.node))).collect())))
    }

    pub(super) fn get(&self, key: &str) -> Option<Val<'a>> {
        self.0.borrow().get(key).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(super) fn set(&self, key: impl Into<Arc<str>>, value: Val<'a>) {
        self.0.borrow_mut().insert(key.into(), value);
    }

    fn remove(&self, key: &str) {
        self.0.borrow_mut().shift_remove(key);
    }

    /// The entries as they are now; nothing stays borrowed.
    fn entries(&self) -> Vec<(Arc<str>, Val<'a>)> {
        self.0.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// A table with the same entries, inner tables shared.
    fn shallow_copy(&self) -> Table<'a> {
        Table(Rc::new(RefCell::new(self.0.borrow().clone())))
    }

    /// The table at the end of a path of keys.
    pub(super) fn table_at<'k>(&self, mut path: impl Iterator<Item = &'k str>) -> Option<Table<'a>> {
        path.try_fold(self.clone(), |table, key| match table.get(key) {
            Some(Val::Table(inner)) => Some(inner),
            _ => None,
        })
    }
}

/// Two values that do not fit: one is a mapping, the other is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The keys from the top chart's values.
    pub path: Vec<Arc<str>>,
    /// What is wrong, after the path: "is text in the chart, …".
    pub message: String,
}

/// Why merging cannot go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// The values of a subchart are no mapping.
    NoTable(Misfit),
    /// Too deep, or too many: values that import each other.
    Limit(&'static str),
}

/// One release's merging: collects what does not fit, keeps to the limits.
#[derive(Debug, Default)]
pub(super) struct Merger {
    pub misfits: Vec<Misfit>,
    path: Vec<Arc<str>>,
    visits: usize,
}

impl Merger {
    /// Helm's `CoalesceValues`, or `MergeValues` if `merge`: `values` over those of the chart and its subcharts. None of
    /// the arguments changes.
    pub(super) fn coalesce_values<'a>(
        &mut self,
        tree: &Tree<'a>,
        chart: WorkId,
        values: &Table<'a>,
        merge: bool,
    ) -> Result<Table<'a>, Stop> {
        let dest = self.deep_copy(values)?;
        self.path.clear();
        self.coalesce(tree, chart, &dest, merge)?;
        Ok(dest)
    }

    fn coalesce<'a>(&mut self, tree: &Tree<'a>, chart: WorkId, dest: &Table<'a>, merge: bool) -> Result<(), Stop> {
        self.own_values(tree, chart, dest, merge)?;
        for dependency in tree.dependencies(chart) {
            let name = tree.name(*dependency);
            let values = match dest.get(name) {
                None => {
                    let table = Table::default();
                    dest.set(name.clone(), Val::Table(table.clone()));
                    table
                }
                Some(Val::Table(table)) => table,
                Some(other) => {
                    self.path.push(name.clone());
                    let message =
                        format!("must be a mapping, as it holds the values of a subchart; it is {}", other.kind_name());
                    return Err(Stop::NoTable(Misfit { path: self.path.clone(), message }));
                }
            };
            self.path.push(name.clone());
            self.globals(&values, dest)?;
            self.coalesce(tree, *dependency, &values, merge)?;
            self.path.pop();
        }
        Ok(())
    }

    /// Lays `dest` over the chart's own values.
    fn own_values<'a>(&mut self, tree: &Tree<'a>, chart: WorkId, dest: &Table<'a>, merge: bool) -> Result<(), Stop> {
        let own = tree.values(chart);
        for (key, own) in self.deep_copy(&own)?.entries() {
            match dest.get(&key) {
                None => dest.set(key, own),
                Some(Val::Nil) if !merge => dest.remove(&key),
                Some(Val::Table(table)) => match own {
                    Val::Table(own) => {
                        // What is meant for a subchart keeps its nulls until they meet the subchart's own values.
                        let is_subchart = tree.dependencies(chart).iter().any(|d| *tree.name(*d) == key);
                        self.path.push(key);
                        self.tables(&table, &own, merge || is_subchart)?;
                        self.path.pop();
                    }
                    Val::Nil => {}
                    Val::Leaf(node) => {
                        let kind = node.value.kind_name();
                        self.misfit(&key, format!("is {kind} in the chart's own values, a mapping is laid over it"));
                    }
                },
                Some(Val::Nil | Val::Leaf(_)) => {}
            }
        }
        Ok(())
    }

    /// Hands the globals of a chart down to a subchart.
    fn globals<'a>(&mut self, dest: &Table<'a>, above: &Table<'a>) -> Result<(), Stop> {
        let own = match dest.get(GLOBAL) {
            None => Table::default(),
            Some(Val::Table(table)) => table,
            Some(other) => {
                let kind = other.kind_name();
                self.misfit(
                    GLOBAL,
                    format!("is {kind}, not a mapping: the subchart sees no globals of the charts above it"),
                );
                return Ok(());
            }
        };
        let above = match above.get(GLOBAL) {
            None => Table::default(),
            Some(Val::Table(table)) => table,
            Some(other) => {
                let kind = other.kind_name();
                let subchart = self.path.pop();
                self.misfit(GLOBAL, format!("is {kind}, not a mapping: subcharts do not see it"));
                self.path.extend(subchart);
                return Ok(());
            }
        };
        self.path.push(GLOBAL.into());
        for (key, value) in above.entries() {
            match (value, own.get(&key)) {
                (Val::Table(table), known) => {
                    let copy = table.shallow_copy();
                    match known {
                        None => own.set(key, Val::Table(copy)),
                        Some(Val::Table(known)) => {
                            // Upside down: what comes from above wins.
                            self.path.push(key.clone());
                            self.tables(&copy, &known, true)?;
                            self.path.pop();
                            own.set(key, Val::Table(copy));
                        }
                        Some(known) => {
                            let kind = known.kind_name();
                            self.misfit(&key, format!("is {kind} for the subchart, but a mapping in the globals above it; the subchart keeps its own"));
                        }
                    }
                }
                (value, Some(Val::Table(_))) => {
                    let kind = value.kind_name();
                    self.misfit(&key, format!("is a mapping for the subchart, but {kind} in the globals above it; the subchart keeps its own"));
                }
                (value, _) => own.set(key, value),
            }
        }
        self.path.pop();
        dest.set(GLOBAL, Val::Table(own));
        Ok(())
    }

    /// Helm's `CoalesceTables`, or `MergeTables` if `merge`: adds to `dst` what it lacks of `src`.
    pub(super) fn tables<'a>(&mut self, dst: &Table<'a>, src: &Table<'a>, merge: bool) -> Result<(), Stop> {
        if Rc::ptr_eq(&dst.0, &src.0) {
            return Ok(());
        }
        if self.path.len() > VALUES_DEPTH_MAX {
            return Err(Stop::Limit("nest too deep"));
        }
        let entries = src.entries();
        self.count(entries.len())?;
        for (key, value) in dst.entries() {
            if value.is_nil() {
                src.set(key, Val::Nil);
            }
        }
        for (key, own) in entries {
            match (dst.get(&key), own) {
                (None, own) => dst.set(key, own),
                (Some(Val::Nil), own) => {
                    if !merge && !own.is_nil() {
                        dst.remove(&key);
                    }
                }
                (Some(Val::Table(table)), Val::Table(own)) => {
                    self.path.push(key);
                    self.tables(&table, &own, merge)?;
                    self.path.pop();
                }
                (Some(Val::Table(_)), Val::Leaf(node)) => {
                    let kind = node.value.kind_name();
                    self.misfit(&key, format!("is {kind} in the chart's own values, a mapping is laid over it"));
                }
                (Some(Val::Leaf(node)), Val::Table(_)) => {
                    let kind = node.value.kind_name();
                    self.misfit(&key, format!("is a mapping in the chart's own values, {kind} is laid over it"));
                }
                (Some(Val::Table(_)), Val::Nil) | (Some(Val::Leaf(_)), Val::Leaf(_) | Val::Nil) => {}
            }
        }
        Ok(())
    }

    /// A copy that shares no table.
    pub(super) fn deep_copy<'a>(&mut self, table: &Table<'a>) -> Result<Table<'a>, Stop> {
        self.deep_copy_at(table, 0)
    }

    fn deep_copy_at<'a>(&mut self, table: &Table<'a>, depth: usize) -> Result<Table<'a>, Stop> {
        if depth > VALUES_DEPTH_MAX {
            return Err(Stop::Limit("nest too deep"));
        }
        let mut copy = table.0.borrow().clone();
        self.count(copy.len())?;
        for value in copy.values_mut() {
            if let Val::Table(inner) = value {
                *inner = self.deep_copy_at(inner, depth + 1)?;
            }
        }
        Ok(Table(Rc::new(RefCell::new(copy))))
    }

    /// The values as data.
    pub(super) fn data(&mut self, table: &Table<'_>) -> Result<Map, Stop> {
        self.data_at(table, 0)
    }

    fn data_at(&mut self, table: &Table<'_>, depth: usize) -> Result<Map, Stop> {
        if depth > VALUES_DEPTH_MAX {
            return Err(Stop::Limit("nest too deep"));
        }
        let entries = table.0.borrow();
        self.count(entries.len())?;
        let mut map = Map::with_capacity_and_hasher(entries.len(), Default::default());
        for (key, value) in entries.iter() {
            let entry = match value {
                Val::Nil => Entry::new(Value::Null),
                Val::Leaf(node) => Entry { key_span: crate::error::Span::NONE, node: (*node).clone() },
                Val::Table(inner) => Entry::new(self.data_at(inner, depth + 1)?),
            };
            map.insert(key.clone(), entry);
        }
        Ok(map)
    }

    fn count(&mut self, values: usize) -> Result<(), Stop> {
        self.visits += values;
        if self.visits > VISITS_MAX { Err(Stop::Limit("are too many")) } else { Ok(()) }
    }

    fn misfit(&mut self, key: &str, message: String) {
        let mut path = self.path.clone();
        path.push(key.into());
        let misfit = Misfit { path, message };
        // Helm's passes meet the same pair several times.
        if !self.misfits.contains(&misfit) {
            self.misfits.push(misfit);
        }
    }
}
