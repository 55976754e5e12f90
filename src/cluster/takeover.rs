//! Taking an object over from kubectl, Helm, Flux or another deployer: what they own in managedFields becomes kcfg's, so
//! that the apply that follows removes those of their fields that the tree does not have. What people and controllers own
//! beside them stays theirs.

use serde_json::{Map, Value, json};

use super::client::{Accept, Call, Client, Failure, JSON_PATCH};
use super::parent::FIELD_MANAGER;

/// Field managers of tools that deploy, as they name themselves.
const DEPLOYERS: &[&str] = &[
    "before-first-apply",
    "kubectl",
    "kubectl-client-side-apply",
    "kubectl-create",
    "kubectl-replace",
    "helm",
    "Helm",
    "Tiller",
    "tiller",
    "helm-operator",
    "helm-controller",
    "fluxd",
    "flux",
    "kustomize-controller",
    "gitops-toolkit",
    "argocd-controller",
    "argocd-application-controller",
    "kapp",
    "kapp-server",
    "Terraform",
    "pulumi-kubernetes",
];
/// Where kubectl keeps what it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How often it is tried again where the object changes in between.
const TRIES_MAX: usize = 5;

/// Makes kcfg the owner of what deployers own. `path` is the object's.
///
/// # Errors
/// The object cannot be read or patched.
pub async fn take_over(client: &Client, path: &str) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        let object: Value = client.send(&Call::get(path, Accept::Metadata)).await?.json()?;
        let Some(patch) = patch(&object) else { return Ok(()) };
        let body = patch.to_string().into_bytes();
        let path = format!("{path}?fieldManager={FIELD_MANAGER}");
        tries += 1;
        match client.send(&Call::patch(path, JSON_PATCH, body)).await {
            Err(Failure::Refused { code: 409, .. }) if tries < TRIES_MAX => {}
            result => return result.map(drop),
        }
    }
}

/// The JSON patch that hands over, if there is anything to hand over.
fn patch(object: &Value) -> Option<Value> {
    let metadata = object.get("metadata")?;
    let entries = metadata.get("managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_own = |entry: &Value| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply";
    let is_deployer = |entry: &Value| {
        let is_whole = entry.get("subresource").and_then(Value::as_str).unwrap_or_default().is_empty();
        is_whole && entry["manager"].as_str().is_some_and(|manager| DEPLOYERS.contains(&manager))
    };
    let (taken, mut left): (Vec<Value>, Vec<Value>) =
        entries.into_iter().partition(|entry| is_own(entry) || is_deployer(entry));
    let has_last_applied = metadata.pointer("/annotations").and_then(|map| map.get(LAST_APPLIED)).is_some();
    if !taken.iter().any(is_deployer) && !has_last_applied {
        return None;
    }
    if let Some(latest) = taken.iter().max_by_key(|entry| entry["time"].as_str().unwrap_or_default().to_owned()) {
        let mut fields = Map::default();
        taken.iter().filter_map(|entry| entry["fieldsV1"].as_object()).for_each(|more| union(&mut fields, more));
        left.push(json!({
            "manager": FIELD_MANAGER,
            "operation": "Apply",
            "apiVersion": latest["apiVersion"],
            "time": latest["time"],
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }));
    }
    let mut operations = vec![
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]}),
        json!({"op": "replace", "path": "/metadata/managedFields", "value": left}),
    ];
    if has_last_applied {
        let path = format!("/metadata/annotations/{}", LAST_APPLIED.replace('/', "~1"));
        operations.push(json!({"op": "remove", "path": path}));
    }
    Some(Value::Array(operations))
}

/// The fields of both sets.
fn union(into: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(more)) => union(into, more),
            (Some(_), _) => {}
            (None, _) => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_deployers_own_becomes_kcfgs_and_the_rest_stays() {
        let entry = |manager: &str, operation: &str, subresource: &str, fields: Value| {
            json!({"manager": manager, "operation": operation, "subresource": subresource, "apiVersion": "apps/v1",
                   "time": "2026-01-01T00:00:00Z", "fieldsV1": fields})
        };
        let object = json!({"metadata": {
            "resourceVersion": "7",
            "annotations": {LAST_APPLIED: "{}"},
            "managedFields": [
                entry("kubectl-client-side-apply", "Update", "", json!({"f:spec": {"f:a": {}}})),
                entry("helm", "Update", "", json!({"f:spec": {"f:b": {}}, "f:data": {}})),
                entry("kubectl", "Update", "scale", json!({"f:spec": {"f:replicas": {}}})),
                entry("kubectl-edit", "Update", "", json!({"f:spec": {"f:c": {}}})),
            ],
        }});
        let patch = patch(&object).expect("there is something to take over");
        let managers: Vec<&str> = patch[1]["value"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|entry| entry["manager"].as_str())
            .collect();
        assert_eq!(managers, ["kubectl", "kubectl-edit", "kcfg"]);
        assert_eq!(patch[1]["value"][2]["fieldsV1"], json!({"f:spec": {"f:a": {}, "f:b": {}}, "f:data": {}}));
        assert_eq!(patch[2]["path"], "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration");
    }

    #[test]
    fn an_object_of_no_deployer_is_left_as_it_is() {
        let object = json!({"metadata": {"managedFields": [{"manager": "kubectl-edit", "operation": "Update"}]}});
        assert_eq!(patch(&object), None);
    }
}
