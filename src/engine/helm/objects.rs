//! Helm's objects: `.Chart`, `.Capabilities`, `.Release`, with the field names, types and methods of Helm's Go structs.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::convert::from_node;
use crate::chart::{Dependency, Maintainer};
use crate::engine::capabilities::HELM_VERSION;
use crate::engine::{Capabilities, KubeVersion, RenderInput};
use crate::gotmpl::{ElementType, List, Map, MapType, Object, Value, fmt};
use crate::values::PreparedChart;

/// A struct within a struct, whose fields are the outer one's too: only printing tells.
const CHART_TYPE: &str = "struct { chart.Metadata; IsRoot bool }";

/// `.Chart` of a chart in the tree of a release, under its alias if it has one.
pub(super) fn chart(prepared: &PreparedChart, is_root: bool) -> Value {
    let metadata = &prepared.chart.metadata;
    let text = |text: &str| Value::str(text);
    let annotations = metadata.annotations.iter().map(|(key, value)| (key.as_str().into(), text(value))).collect();
    let annotations = Map { entries: Rc::new(RefCell::new(annotations)), map_type: MapType::Strings };
    Record::value(
        CHART_TYPE,
        "struct",
        vec![
            ("Name", "name", text(&prepared.name)),
            ("Home", "home", text(&metadata.home)),
            ("Sources", "sources", texts(&metadata.sources)),
            ("Version", "version", text(&metadata.version)),
            ("Description", "description", text(&metadata.description)),
            ("Keywords", "keywords", texts(&metadata.keywords)),
            ("Maintainers", "maintainers", list(metadata.maintainers.iter().map(maintainer).collect())),
            ("Icon", "icon", text(&metadata.icon)),
            ("APIVersion", "apiVersion", text(&metadata.api_version)),
            ("Condition", "condition", text(&metadata.condition)),
            ("Tags", "tags", text(&metadata.tags)),
            ("AppVersion", "appVersion", text(&metadata.app_version)),
            ("Deprecated", "deprecated", Value::Bool(metadata.deprecated)),
            ("Annotations", "annotations", Value::Map(annotations)),
            ("KubeVersion", "kubeVersion", text(&metadata.kube_version)),
            ("Dependencies", "dependencies", list(prepared.requirements.iter().map(dependency).collect())),
            ("Type", "type", text(&metadata.chart_type)),
            ("IsRoot", "IsRoot", Value::Bool(is_root)),
        ],
    )
}

/// What Chart.yaml lacks is nil, which JSON and YAML show as `null`.
fn list(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::nil_list() } else { Value::list(items) }
}

fn texts(texts: &[String]) -> Value {
    match texts {
        [] => Value::nil_strings(),
        texts => Value::strings(texts.iter().map(String::as_str)),
    }
}

fn maintainer(maintainer: &Maintainer) -> Value {
    Record::value(
        "*chart.Maintainer",
        "ptr",
        vec![
            ("Name", "name", Value::str(maintainer.name.as_str())),
            ("Email", "email", Value::str(maintainer.email.as_str())),
            ("URL", "url", Value::str(maintainer.url.as_str())),
        ],
    )
}

fn dependency(dependency: &Dependency) -> Value {
    Record::value(
        "*chart.Dependency",
        "ptr",
        vec![
            ("Name", "name", Value::str(dependency.name.as_str())),
            ("Version", "version", Value::str(dependency.version.as_str())),
            ("Repository", "repository", Value::str(dependency.repository.as_str())),
            ("Condition", "condition", Value::str(dependency.condition.as_str())),
            ("Tags", "tags", texts(&dependency.tags)),
            ("Enabled", "enabled", Value::Bool(true)),
            ("ImportValues", "import-values", list(dependency.import_values.iter().map(from_node).collect())),
            ("Alias", "alias", Value::str(dependency.alias.as_str())),
        ],
    )
}

/// `.Release`.
pub(super) fn release(input: &RenderInput<'_>) -> Value {
    let entries = [
        ("Name", Value::str(input.release_name)),
        ("Namespace", Value::str(input.namespace)),
        ("IsUpgrade", Value::Bool(input.is_upgrade)),
        ("IsInstall", Value::Bool(!input.is_upgrade)),
        ("Revision", Value::int(1)),
        ("Service", Value::str("Helm")),
    ];
    Value::map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
}

/// `.Capabilities`.
pub(super) fn capabilities(capabilities: &Capabilities) -> Value {
    let KubeVersion { version, major, minor } = &capabilities.kube_version;
    let kube_version = Record {
        type_name: "chartutil.KubeVersion",
        kind: "struct",
        fields: vec![
            ("Version", "Version", Value::str(version.as_str())),
            ("Major", "Major", Value::str(major.as_str())),
            ("Minor", "Minor", Value::str(minor.as_str())),
        ],
        texts: vec![("String", version.as_str().into()), ("GitVersion", version.as_str().into())],
    };
    let helm_version = Record::value(
        "version.BuildInfo",
        "struct",
        vec![
            ("Version", "version", Value::str(HELM_VERSION)),
            ("GitCommit", "git_commit", Value::str("")),
            ("GitTreeState", "git_tree_state", Value::str("")),
            ("GoVersion", "go_version", Value::str("go1.26.8")),
        ],
    );
    let api_versions = VersionSet(capabilities.api_versions.iter().map(|version| version.as_str().into()).collect());
    Record::value(
        "*chartutil.Capabilities",
        "ptr",
        vec![
            ("KubeVersion", "KubeVersion", Value::Object(Rc::new(kube_version))),
            ("APIVersions", "APIVersions", Value::Object(Rc::new(api_versions))),
            ("HelmVersion", "HelmVersion", helm_version),
        ],
    )
}

/// A Go struct: its fields, each with the name it has in JSON, and its methods that give a fixed text.
struct Record {
    type_name: &'static str,
    kind: &'static str,
    fields: Vec<(&'static str, &'static str, Value)>,
    texts: Vec<(&'static str, Arc<str>)>,
}

impl Record {
    fn value(type_name: &'static str, kind: &'static str, fields: Vec<(&'static str, &'static str, Value)>) -> Value {
        Value::Object(Rc::new(Record { type_name, kind, fields, texts: Vec::new() }))
    }
}

/// The one tagged field that Helm shows though it is empty: a dependency's.
const SHOWN_EMPTY: &str = "repository";

impl Object for Record {
    fn type_name(&self) -> &str {
        self.type_name
    }

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|(field, ..)| *field == name).map(|(.., value)| value.clone())
    }

    fn field_names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, ..)| *name).collect()
    }

    fn has_method(&self, name: &str) -> bool {
        self.texts.iter().any(|(method, _)| *method == name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        if !args.is_empty() {
            return Err(format!("wrong number of args for {name}: want 0 got {}", args.len()));
        }
        let found = self.texts.iter().find(|(method, _)| *method == name);
        found.map(|(_, text)| Value::Str(text.clone())).ok_or_else(|| format!("no method {name}"))
    }

    fn is_stringer(&self) -> bool {
        false
    }

    fn struct_fields(&self) -> Option<Vec<(&str, Value)>> {
        match self.fields.split_last() {
            Some((is_root, metadata)) if self.type_name == CHART_TYPE => {
                let metadata = Record::value("chart.Metadata", "struct", metadata.to_vec());
                Some(vec![("Metadata", metadata), (is_root.0, is_root.2.clone())])
            }
            _ => Some(self.fields.iter().map(|(name, _, value)| (*name, value.clone())).collect()),
        }
    }

    /// The methods of these structs are their addresses'.
    fn copied(&self) -> Option<Value> {
        (self.kind == "struct" && !self.texts.is_empty())
            .then(|| Record::value(self.type_name, self.kind, self.fields.clone()))
    }

    /// Go's `%v` of a struct: the values of its fields.
    fn print(&self) -> String {
        let mut out = String::from(if self.kind == "ptr" { "&{" } else { "{" });
        for (i, (_, value)) in self.struct_fields().unwrap_or_default().iter().enumerate() {
            out.push_str(if i > 0 { " " } else { "" });
            fmt::write_value(&mut out, value);
        }
        out.push('}');
        out
    }

    fn as_data(&self) -> Option<Value> {
        let shown = self.json_fields()?.into_iter();
        Some(Value::map(shown.map(|(name, value)| (name.into(), value)).collect()))
    }

    /// In Helm's structs empty fields are left out, but not those of untagged structs, nor [`SHOWN_EMPTY`].
    fn json_fields(&self) -> Option<Vec<(&str, Value)>> {
        let shown = self.fields.iter().filter(|(go, json, value)| go == json || *json == SHOWN_EMPTY || value.truth());
        Some(shown.map(|(_, json, value)| (*json, value.clone())).collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `.Capabilities.APIVersions`: a list with a method.
struct VersionSet(Vec<Arc<str>>);

impl Object for VersionSet {
    fn type_name(&self) -> &str {
        "chartutil.VersionSet"
    }

    fn kind(&self) -> &'static str {
        "slice"
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn has_method(&self, name: &str) -> bool {
        name == "Has"
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        match args {
            [Value::Str(version)] => Ok(Value::Bool(self.0.contains(version))),
            [other] => Err(format!("wrong type for value; expected string; got {}", other.type_name())),
            _ => Err(format!("wrong number of args for {name}: want 1 got {}", args.len())),
        }
    }

    fn print(&self) -> String {
        format!("[{}]", self.0.join(" "))
    }

    fn as_data(&self) -> Option<Value> {
        let items = self.0.iter().map(|version| Value::Str(version.clone())).collect();
        Some(Value::List(List { items: Rc::new(items), element: ElementType::String }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
