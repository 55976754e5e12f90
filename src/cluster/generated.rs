//! Values that are made up in the cluster: a Secret as it is wanted and as it is → what to write first.
//!
//! The tree names such values in the annotation `kcfg.dev/generated` (its format: `manifest::parse_generated`). They are
//! written before the Secret's own apply, under a field manager of their own and without force, so that:
//! - what is there is never changed. It is written again as it is, because server-side apply takes away what a manager
//!   no longer names, and because it has to have an owner when an adopted object's old managers are dropped. A write by
//!   somebody else in between is a conflict (`resourceVersion`), and the next run reads anew;
//! - a value that was made and is gone is not made again: the old password may live on in a volume. It was made where
//!   the release's inventory has the Secret and, for one key of it, where the live annotation names the key;
//! - a value that the tree no longer names stays: nothing of this kind is lost by a change in Git.
//!
//! Pure but for the source of random bytes, which the caller gives. Values are in no message and in no debugging text.

use std::fmt;

use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use crate::manifest::{GENERATED_ANNOTATION, GeneratedLeaf, parse_generated};

/// The field manager of values that were made up.
pub const GENERATED_MANAGER: &str = "kcfg-generated";
/// Labels that are written with the first values: should the Secret's own apply never follow, the Secret still belongs
/// to its release. The desired object has them.
const OWNERSHIP_LABELS: [&str; 2] = ["applyset.kubernetes.io/part-of", "kcfg.dev/env"];

/// What to do about a Secret's values before it is applied.
#[derive(Debug, PartialEq)]
pub enum Filling {
    /// Nothing: none are asked for, or all are there and ours.
    Nothing,
    /// Apply this, as [`GENERATED_MANAGER`] and without force; then the Secret itself.
    Apply(FillingBody),
    /// Neither apply this nor the Secret: one sentence on what is gone, with what to do.
    Held(String),
}

/// The object to apply. Its values are secret: its debugging text has only the keys.
#[derive(Clone, PartialEq)]
pub struct FillingBody {
    body: Value,
    /// The keys whose values are new, sorted.
    pub made: Vec<String>,
    /// The keys whose values are written as they are, sorted.
    pub kept: Vec<String>,
}

impl FillingBody {
    /// The body of the request; holds the values.
    pub fn body(&self) -> &Value {
        &self.body
    }
}

impl fmt::Debug for FillingBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FillingBody").field("made", &self.made).field("kept", &self.kept).finish_non_exhaustive()
    }
}

/// What to write before a Secret is applied.
///
/// `desired` is the Secret as it will be applied, with its labels; `live` the one in the cluster, with its
/// managedFields; `in_inventory` says whether its release has applied it before; `fill` gives random bytes.
///
/// # Errors
/// One sentence: the annotation cannot be read, it names a key that `data` has, or there are no random bytes.
pub fn filling<E: fmt::Display>(
    desired: &Value,
    live: Option<&Value>,
    in_inventory: bool,
    mut fill: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<Filling, String> {
    let leaves = annotated(desired)?;
    if leaves.is_empty() {
        return Ok(Filling::Nothing);
    }
    if let Some(leaf) = leaves.iter().find(|leaf| data(desired).is_some_and(|data| data.contains_key(&leaf.key))) {
        return Err(format!("data.{} is written and is listed in {GENERATED_ANNOTATION}", leaf.key));
    }
    if let Some(message) = held(&leaves, live, in_inventory) {
        return Ok(Filling::Held(message));
    }

    let ours = live.map(owned_keys).unwrap_or_default();
    let live_data = live.and_then(data);
    let there = |key: &str| live_data.and_then(|data| data.get(key));
    let (mut made, mut kept) = (Vec::new(), Vec::new());
    let mut values = Map::default();
    for key in ours.iter().copied().filter(|key| !leaves.iter().any(|leaf| leaf.key == *key)) {
        if let Some(value) = there(key) {
            values.insert(key.to_owned(), value.clone());
            kept.push(key.to_owned());
        }
    }
    for leaf in &leaves {
        let value = match there(&leaf.key) {
            Some(value) => {
                kept.push(leaf.key.clone());
                value.clone()
            }
            None => {
                made.push(leaf.key.clone());
                Value::String(make(leaf, &mut fill)?)
            }
        };
        values.insert(leaf.key.clone(), value);
    }
    if made.is_empty() && kept.iter().all(|key| ours.contains(&key.as_str())) {
        return Ok(Filling::Nothing);
    }
    kept.sort();
    Ok(Filling::Apply(FillingBody { body: body(desired, live, values), made, kept }))
}

/// Why nothing may be made.
fn held(leaves: &[GeneratedLeaf], live: Option<&Value>, in_inventory: bool) -> Option<String> {
    if !in_inventory {
        return None;
    }
    let Some(live) = live else {
        return Some(
            "the Secret is gone, and with it values that were made up here; what used them may still expect the old \
             ones. Restore it from a backup; to have new ones made, create it empty"
                .to_owned(),
        );
    };
    let before = annotated(live).unwrap_or_default();
    let was_made = |leaf: &&GeneratedLeaf| before.iter().any(|old| old.key == leaf.key);
    let is_gone = |leaf: &&GeneratedLeaf| data(live).is_none_or(|data| !data.contains_key(&leaf.key));
    let gone: Vec<&str> = leaves.iter().filter(was_made).filter(is_gone).map(|leaf| leaf.key.as_str()).collect();
    (!gone.is_empty()).then(|| {
        format!(
            "values that were made up here are gone from the Secret: data.{}; what used them may still expect the old \
             ones. Put them back; to have new ones made, take the keys out of the live annotation {GENERATED_ANNOTATION}",
            gone.join(", data.")
        )
    })
}

/// The object to apply: at first with what cannot be changed later (its type) and what says whose it is.
fn body(desired: &Value, live: Option<&Value>, values: Map<String, Value>) -> Value {
    let mut metadata = Map::default();
    for key in ["name", "namespace"] {
        if let Some(value) = desired.pointer(&format!("/metadata/{key}")) {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    let mut body = json!({"apiVersion": "v1", "kind": "Secret"});
    match live {
        Some(live) => {
            if let Some(version) = live.pointer("/metadata/resourceVersion") {
                metadata.insert("resourceVersion".to_owned(), version.clone());
            }
        }
        None => {
            let label =
                |name: &str| desired.pointer("/metadata/labels")?.get(name).map(|v| (name.to_owned(), v.clone()));
            let labels: Map<String, Value> = OWNERSHIP_LABELS.into_iter().filter_map(label).collect();
            if !labels.is_empty() {
                metadata.insert("labels".to_owned(), Value::Object(labels));
            }
            if let Some(kind) = desired.get("type") {
                body["type"] = kind.clone();
            }
        }
    }
    body["metadata"] = Value::Object(metadata);
    body["data"] = Value::Object(values);
    body
}

fn make<E: fmt::Display>(
    leaf: &GeneratedLeaf,
    fill: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<String, String> {
    let mut problem = None;
    let value = leaf.form.make(|bytes| {
        if let Err(error) = fill(bytes) {
            problem.get_or_insert_with(|| error.to_string());
        }
    });
    match problem {
        None => Ok(BASE64.encode(&value)),
        Some(problem) => Err(format!("data.{} cannot be made up: no random bytes: {problem}", leaf.key)),
    }
}

fn annotated(object: &Value) -> Result<Vec<GeneratedLeaf>, String> {
    match object.pointer("/metadata/annotations").and_then(|annotations| annotations.get(GENERATED_ANNOTATION)) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => parse_generated(text),
        Some(_) => Err("it is not text".to_owned()),
    }
    .map_err(|problem| format!("{GENERATED_ANNOTATION} cannot be read: {problem}"))
}

fn data(secret: &Value) -> Option<&Map<String, Value>> {
    secret.get("data")?.as_object()
}

/// The keys of `data` that the manager of made-up values owns.
fn owned_keys(live: &Value) -> Vec<&str> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries
        .into_iter()
        .flatten()
        .filter(|entry| entry["manager"] == GENERATED_MANAGER && entry["operation"] == "Apply")
        .filter_map(|entry| entry.pointer("/fieldsV1/f:data")?.as_object())
        .flat_map(Map::keys)
        .filter_map(|field| field.strip_prefix("f:"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "cookie 32 bytes base64\npassword 16 alphanumeric";

    fn desired(annotation: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth",
            "metadata": {
                "name": "db", "namespace": "shop", "annotations": {GENERATED_ANNOTATION: annotation},
                "labels": {"app": "db", "kcfg.dev/env": "prod", "applyset.kubernetes.io/part-of": "applyset-x-v1"},
            },
            "data": {"username": "cm9vdA=="},
        })
    }

    /// A live Secret: its data, and which of the keys the manager of made-up values owns.
    fn live(annotation: &str, data: &Value, owned: &[&str]) -> Value {
        let fields: Map<String, Value> = owned.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
        json!({
            "metadata": {
                "name": "db", "namespace": "shop", "resourceVersion": "77",
                "annotations": {GENERATED_ANNOTATION: annotation},
                "managedFields": [
                    {"manager": "helm", "operation": "Update", "fieldsV1": {"f:data": {"f:other": {}}}},
                    {"manager": GENERATED_MANAGER, "operation": "Apply", "fieldsV1": {"f:data": fields}},
                ],
            },
            "data": data,
        })
    }

    fn run(desired: &Value, live: Option<&Value>, in_inventory: bool) -> Result<Filling, String> {
        let mut state = 7_u8;
        filling(desired, live, in_inventory, |bytes: &mut [u8]| {
            bytes.fill_with(|| {
                state = state.wrapping_mul(77).wrapping_add(31);
                state
            });
            Ok::<_, String>(())
        })
    }

    fn applied(filling: Result<Filling, String>) -> FillingBody {
        match filling.unwrap() {
            Filling::Apply(body) => body,
            other => panic!("{other:?}"),
        }
    }

    fn decoded(body: &FillingBody, key: &str) -> Vec<u8> {
        BASE64.decode(body.body()["data"][key].as_str().unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn a_new_secret_gets_all_values_its_type_and_its_owner() {
        let filling = applied(run(&desired(TWO), None, false));
        assert_eq!(filling.made, ["cookie", "password"]);
        let password = decoded(&filling, "password");
        assert!(password.len() == 16 && password.iter().all(u8::is_ascii_alphanumeric));
        assert_eq!(BASE64.decode(&decoded(&filling, "cookie")).unwrap().len(), 32);
        let mut body = filling.body().clone();
        body["data"] = json!(null);
        assert_eq!(
            body,
            json!({
                "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/basic-auth", "data": null,
                "metadata": {
                    "name": "db", "namespace": "shop",
                    "labels": {"kcfg.dev/env": "prod", "applyset.kubernetes.io/part-of": "applyset-x-v1"},
                },
            })
        );
    }

    #[test]
    fn what_is_there_is_kept_and_written_again_where_a_key_is_new() {
        let there = live("password 16 alphanumeric", &json!({"password": "b2xk"}), &["password"]);
        let filling = applied(run(&desired(TWO), Some(&there), true));
        assert_eq!(
            (filling.made.as_slice(), filling.kept.as_slice()),
            (&["cookie".into()][..], &["password".into()][..])
        );
        assert_eq!(filling.body()["data"]["password"], "b2xk");
        assert_eq!(filling.body()["metadata"], json!({"name": "db", "namespace": "shop", "resourceVersion": "77"}));
        assert_eq!(filling.body().get("type"), None);
    }

    #[test]
    fn all_there_and_ours_is_nothing_to_do_whatever_its_form() {
        let there = live(TWO, &json!({"password": "b2xk", "cookie": ""}), &["cookie", "password"]);
        assert_eq!(run(&desired(TWO), Some(&there), true), Ok(Filling::Nothing));
        let longer = desired("cookie 64 bytes base64\npassword 99 digits");
        assert_eq!(run(&longer, Some(&there), true), Ok(Filling::Nothing));
        assert_eq!(run(&json!({"kind": "Secret"}), None, true), Ok(Filling::Nothing));
    }

    #[test]
    fn an_adopted_value_gets_an_owner_and_stays() {
        let there = live("", &json!({"password": "b2xk", "cookie": "Yw==", "username": "cm9vdA=="}), &[]);
        let filling = applied(run(&desired(TWO), Some(&there), false));
        assert_eq!(filling.body()["data"], json!({"cookie": "Yw==", "password": "b2xk"}));
        assert!(filling.made.is_empty());
    }

    #[test]
    fn a_value_that_the_tree_no_longer_names_stays() {
        let there = live("old 4 digits", &json!({"old": "MTIzNA=="}), &["old"]);
        let filling = applied(run(&desired("password 16 alphanumeric"), Some(&there), true));
        assert_eq!(filling.body()["data"]["old"], "MTIzNA==");
        assert_eq!((filling.made.as_slice(), filling.kept.as_slice()), (&["password".into()][..], &["old".into()][..]));
    }

    #[test]
    fn what_was_made_and_is_gone_is_held() {
        let held = |live: Option<&Value>, in_inventory| match run(&desired(TWO), live, in_inventory).unwrap() {
            Filling::Held(message) => Some(message),
            _ => None,
        };
        assert!(held(None, true).unwrap().starts_with("the Secret is gone"));
        assert_eq!(held(None, false), None);
        let without = live(TWO, &json!({"cookie": "Yw=="}), &["cookie"]);
        assert!(held(Some(&without), true).unwrap().contains("gone from the Secret: data.password;"));
        // Another applier had left it without its values.
        assert_eq!(held(Some(&without), false), None);
    }

    #[test]
    fn what_cannot_be_made_is_an_error() {
        assert_eq!(
            run(&desired("username 16 alphanumeric"), None, false).unwrap_err(),
            "data.username is written and is listed in kcfg.dev/generated"
        );
        assert!(
            run(&desired("password 16"), None, false).unwrap_err().starts_with("kcfg.dev/generated cannot be read")
        );
        let none = filling(&desired(TWO), None, false, |_: &mut [u8]| Err("no device"));
        assert_eq!(none.unwrap_err(), "data.cookie cannot be made up: no random bytes: no device");
    }

    #[test]
    fn values_are_in_no_debugging_text() {
        let there = live("", &json!({"password": "b2xk"}), &[]);
        let filling = run(&desired(TWO), Some(&there), false).unwrap();
        assert_eq!(format!("{filling:?}"), "Apply(FillingBody { made: [\"cookie\"], kept: [\"password\"], .. })");
    }
}
