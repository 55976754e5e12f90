//! `kcfg install` on a real API server: what it prints is accepted, the Pod fits the namespace's security standard, and
//! the loop works with exactly that account's token and rights, with the very arguments of the Deployment.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::control_plane::{Parts, Request, Shared, eventually};
use crate::running_loop::{Loop, SECRET, VARIABLES};
use crate::site::{Site, config_map, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: true });

/// The image that Deployments name.
const IMAGE: &str = "registry.example.com/tools/kcfg:1";

const SERVICE: &str =
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: NAME}\nspec: {ports: [{port: 80}]}\n";

/// Installs the loop of a site's environment, and gives its Deployment.
fn install(site: &Site, args: &[&str]) -> Value {
    let url = "https://git.example.com/acme/config.git";
    let own = ["install", site.name, "--git-url", url, "--image", IMAGE, "--webhook", "--set", "git.auth=none"];
    let printed = site.kcfg(&[&own[..], args].concat()).code(0).stdout;
    apply(site, &printed);
    // Whoever applies it again changes nothing.
    let again = apply(site, &printed);
    assert!(again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    site.get("/apis/apps/v1/namespaces/kcfg-system/deployments/kcfg-NAME").expect("it is applied")
}

/// Applies what was printed as its reader does. One at a time: two who make the namespace at once get in each other's way.
pub fn apply(site: &Site, printed: &str) -> String {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    site.kubectl(&["apply", "-f", "-"], printed)
}

fn user(site: &Site) -> String {
    format!("system:serviceaccount:kcfg-system:kcfg-{}", site.name)
}

/// What the account asked for and was not allowed.
fn forbidden(site: &Site) -> Vec<Request> {
    site.plane.requests_of(&user(site)).into_iter().filter(|request| request.status == 403).collect()
}

/// Starts kcfg as the Deployment's container would be, but for where its files and its Git server are.
fn start(site: &Site, deployment: &Value, name: &str) -> Loop {
    let folder = site.repo.path().join(".git").join(name);
    fs::create_dir_all(folder.join("cache")).expect("the folder is ours");
    fs::write(folder.join("secret"), SECRET).expect("the folder is ours");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let args: Vec<String> = arguments(deployment)
        .into_iter()
        .map(|arg| match arg.split_once('=').map_or(arg.as_str(), |(flag, _)| flag) {
            "--git-url" => format!("--git-url=file://{}", site.repo.path().display()),
            "--cache-dir" => format!("--cache-dir={}", folder.join("cache").display()),
            "--listen" => format!("--listen=127.0.0.1:{port}"),
            "--poll" => "--poll=3600".to_owned(),
            "--webhook-secret-file" => format!("--webhook-secret-file={}", folder.join("secret").display()),
            _ => arg,
        })
        .collect();
    let (kubeconfig, _) = site.plane.kubeconfig_of_account(&format!("kcfg-{}", site.name));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kcfg"));
    command.args(args).current_dir(&folder).env_clear().env("KUBECONFIG", kubeconfig);
    Loop::of(command, port, folder.join("log"))
}

/// The environment variables that the container gets are those with which loops run in all tests.
#[test]
fn the_deployment_sets_the_variables_that_memory_is_measured_with() {
    let site = Site::new(&PLANE, "variables");
    let deployment = install(&site, &[]);
    let expected: Vec<Value> = VARIABLES.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["env"], json!(expected));
}

fn arguments(deployment: &Value) -> Vec<String> {
    let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    args.as_array().expect("it has arguments").iter().map(|arg| arg.as_str().expect("text").to_owned()).collect()
}

#[test]
fn the_account_with_listed_rules_applies_those_kinds_and_says_what_it_may_not() {
    let site = Site::new(&PLANE, "limited");
    site.write("many", &config_maps("many", 3, "first"));
    site.render();
    site.repo.commit("first");
    let rules = r#"rbac.rules=[{"apiGroups":[""],"resources":["configmaps","namespaces"],"verbs":["get","list","watch","create","patch","delete"]}]"#;
    let deployment = install(&site, &["--init", "--set", "rbac.mode=rules", "--set-json", rules]);
    let running = start(&site, &deployment, "loop");
    running.says("\"result\":\"ok\"", 1);
    site.assert_cluster_is_tree();
    assert!(running.get("/readyz").starts_with("HTTP/1.1 200"));
    // Drift, a change and a deletion.
    site.kubectl(&["-n", "NAME", "delete", "configmap", "many-0"], "");
    eventually(Duration::from_secs(20), "it is made again", || site.config_map("many-0").is_some());
    site.write("many", &(config_maps("many", 2, "first") + &config_map("other", "second")));
    site.render();
    site.repo.commit("second");
    running.nudge();
    running.says("\"outcome\":\"pruned\"", 1);
    running.says("\"result\":\"ok\"", 3);
    site.assert_cluster_is_tree();
    let events = site.get("/apis/events.k8s.io/v1/namespaces/NAME/events").expect("it can be listed");
    let reasons: Vec<_> = events["items"].as_array().expect("a list").iter().map(|event| &event["reason"]).collect();
    assert_eq!(reasons, ["Pruned"], "Events are written where their objects are");
    // Making kcfg's own namespace is tried, and is not needed: it is part of what is installed.
    let refused = forbidden(&site);
    assert!(refused.iter().all(|request| request.uri.starts_with("/api/v1/namespaces/kcfg-system?")), "{refused:#?}");

    // A kind that the rules do not name.
    let before = refused.len();
    site.write("web", SERVICE);
    site.write("more", &config_map("more", "third"));
    site.render();
    site.repo.commit("third");
    running.nudge();
    running.says("\"result\":\"findings\"", 1);
    let log = running.log();
    let failed = log.lines().find(|line| line.contains("core/Service/limited/web")).expect("the object is named");
    assert!(failed.contains("services is forbidden") && failed.contains(&user(&site)), "{failed}");
    assert!(site.config_map("more").is_some(), "the others are applied");
    sleep(Duration::from_secs(5));
    let refused = forbidden(&site).split_off(before);
    assert!(!refused.is_empty() && refused.len() <= 6, "{refused:#?}");
    let log = running.stop();
    assert!(log.contains("\"lease\":\"released\""), "{log}");
}

#[test]
fn the_account_of_a_cluster_admin_applies_whatever_the_tree_holds() {
    let site = Site::new(&PLANE, "whole");
    site.write("one", &(config_map("one", "first") + SERVICE));
    let role = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: NAME-reader}\n\
                rules: [{apiGroups: [apps], resources: [deployments], verbs: [get]}]\n";
    site.write("role", role);
    site.render();
    site.repo.commit("first");
    let deployment = install(&site, &[]);
    let running = start(&site, &deployment, "loop");
    // Nobody said that this is the right cluster; then Git says it.
    running.says("whole was never applied to this cluster", 1);
    assert!(running.get("/readyz").starts_with("HTTP/1.1 503"));
    assert!(running.get("/healthz").starts_with("HTTP/1.1 200"));
    let kube_system = site.get("/api/v1/namespaces/kube-system").expect("it is there");
    let uid = kube_system["metadata"]["uid"].as_str().expect("it has a UID");
    site.write(
        "environment",
        &format!("apiVersion: kcfg.dev/v1\nkind: Environment\nspec: {{cluster: {{uid: {uid}}}}}\n"),
    );
    site.render();
    site.repo.commit("second");
    running.nudge();
    running.says("\"result\":\"ok\"", 1);
    site.assert_cluster_is_tree();
    assert!(forbidden(&site).is_empty(), "{:#?}", forbidden(&site));
    running.stop();
}

/// Delete hooks are kept in Secrets of kcfg's namespace, which the account sees only where that is asked for.
#[test]
fn the_account_keeps_delete_hooks_where_it_may() {
    let site = Site::new(&PLANE, "hooked");
    let rules = r#"rbac.rules=[{"apiGroups":[""],"resources":["configmaps","namespaces"],"verbs":["get","list","watch","create","patch","delete"]}]"#;
    let hook = config_map("bye", "x")
        .replace("namespace: NAME}", "namespace: NAME, annotations: {helm.sh/hook: post-delete}}");
    site.write("one", &(config_map("one", "first") + &hook));
    // So many that one may go.
    site.write("two", &config_maps("two", 9, "first"));
    site.render();
    site.repo.commit("first");
    let args = ["--init", "--set", "rbac.mode=rules", "--set-json", rules];
    let running = start(&site, &install(&site, &args), "without");
    running.says("is forbidden", 1);
    running.stop();
    let hooks = || {
        let secrets = site.get("/api/v1/namespaces/kcfg-system/secrets").expect("it can be listed");
        let items = secrets["items"].as_array().expect("a list has items").clone();
        items.iter().filter(|secret| secret["metadata"]["labels"].to_string().contains("hooked")).count()
    };
    assert_eq!(hooks(), 0);
    let running = start(&site, &install(&site, &[&args[..], &["--set", "rbac.deleteHooks=true"]].concat()), "with");
    running.says("\"result\":\"ok\"", 1);
    assert_eq!(hooks(), 1);
    site.remove("one");
    site.render();
    site.repo.commit("second");
    running.nudge();
    eventually(Duration::from_secs(20), "the hook ran", || site.config_map("bye").is_some());
    running.stop();
}

/// Pods that break the standard are refused by the namespace, and the loop's is none of them.
#[test]
fn the_pod_fits_the_restricted_standard() {
    let site = Site::new(&PLANE, "standard");
    let deployment = install(&site, &["--replicas", "2", "--set", "git.ca=true"]);
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("pod");
    let path = "/api/v1/namespaces/kcfg-system/pods?dryRun=All&fieldValidation=Strict";
    let create = |pod: &Value| site.plane.request(reqwest::Method::POST, path, Some(("application/json", pod)));
    let (status, made) = create(&pod);
    assert_eq!(status, 201, "{made}");
    let mounts = made["spec"]["containers"][0]["volumeMounts"].as_array().expect("it has mounts");
    let token = "/var/run/secrets/kubernetes.io/serviceaccount";
    assert!(mounts.iter().any(|mount| mount["mountPath"] == token), "the Pod gets a token: {mounts:#?}");
    for field in ["runAsNonRoot", "seccompProfile"] {
        let mut other = pod.clone();
        other["spec"]["securityContext"].as_object_mut().expect("it has one").remove(field);
        let (status, answer) = create(&other);
        assert!(status == 403 && answer["message"].as_str().is_some_and(|why| why.contains(field)), "{answer}");
    }
}

/// Every file that an argument names is below a mount of the container.
#[test]
fn arguments_name_files_that_are_mounted() {
    let site = Site::new(&PLANE, "mounts");
    let deployment = install(&site, &["--set", "git.ca=true"]);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let mounts: Vec<_> =
        container["volumeMounts"].as_array().expect("mounts").iter().filter_map(|m| m["mountPath"].as_str()).collect();
    let mut files = 0;
    for arg in arguments(&deployment) {
        let Some((_, file)) = arg.split_once("=/") else { continue };
        let file = format!("/{file}");
        assert!(mounts.iter().any(|mount| Path::new(&file).starts_with(mount)), "{file} is in none of {mounts:?}");
        files += 1;
    }
    assert_eq!(files, 3, "cache, certificate authority, webhook secret");
}
