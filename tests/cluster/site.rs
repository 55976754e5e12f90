//! [`Site`]: one test's own corner of a shared control plane: a repository, an environment, a namespace and a user, all
//! of one name.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::control_plane::{ControlPlane, Request, Shared};
use crate::repo::{Repo, Run};
use crate::running_loop::Loop;

/// Kinds that tests apply, and the collections they are in, across all namespaces.
const COLLECTIONS: &[(&str, &str)] = &[
    ("core/ConfigMap", "/api/v1/configmaps"),
    ("core/Secret", "/api/v1/secrets"),
    ("core/Service", "/api/v1/services"),
    ("core/ServiceAccount", "/api/v1/serviceaccounts"),
    ("core/Namespace", "/api/v1/namespaces"),
    ("core/PersistentVolumeClaim", "/api/v1/persistentvolumeclaims"),
    ("apps/Deployment", "/apis/apps/v1/deployments"),
    ("apps/StatefulSet", "/apis/apps/v1/statefulsets"),
    ("batch/Job", "/apis/batch/v1/jobs"),
    ("rbac.authorization.k8s.io/Role", "/apis/rbac.authorization.k8s.io/v1/roles"),
    ("rbac.authorization.k8s.io/RoleBinding", "/apis/rbac.authorization.k8s.io/v1/rolebindings"),
    ("rbac.authorization.k8s.io/ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles"),
    ("apiextensions.k8s.io/CustomResourceDefinition", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
];

/// A test's own corner of a control plane.
pub struct Site {
    /// The control plane.
    pub plane: &'static ControlPlane,
    /// The repository.
    pub repo: Repo,
    /// The name of the environment, of the namespace and of the user.
    pub name: &'static str,
    kubeconfig: PathBuf,
}

impl Site {
    /// A corner of this name, which no other test of the file has. Its user may do everything.
    pub fn new(shared: &'static Shared, name: &'static str) -> Site {
        let plane = shared.get();
        let kubeconfig = plane.kubeconfig_of(name, &["system:masters"]);
        let repo = Repo::new("-- kcfg.yaml --\nkubeVersion: \"1.36.3\"\n");
        Site { plane, repo, name, kubeconfig }
    }

    /// Writes a document of the environment: a release, or manifests that become a folder of the tree as they are.
    /// `NAME` stands for the site's name.
    pub fn write(&self, document: &str, text: &str) {
        self.repo.write(&format!("releases/{}/{document}.yaml", self.name), text.replace("NAME", self.name));
    }

    /// Removes a document.
    pub fn remove(&self, document: &str) {
        self.repo.remove(&format!("releases/{}/{document}.yaml", self.name));
    }

    /// Renders the environment.
    #[track_caller]
    pub fn render(&self) {
        self.repo.kcfg(&["render"]).code(0);
    }

    /// Runs `kcfg apply` on the tree as it is.
    pub fn apply(&self, args: &[&str]) -> Run {
        self.kcfg(&[&["apply", self.name], args].concat())
    }

    /// Renders, then applies for the first time.
    #[track_caller]
    pub fn render_and_init(&self) -> Run {
        self.render();
        self.apply(&["--init"]).code(0)
    }

    /// Runs any verb of kcfg as the site's user.
    pub fn kcfg(&self, args: &[&str]) -> Run {
        let output = self.command(args).output().expect("kcfg can be run");
        Run {
            code: output.status.code().expect("kcfg was not killed"),
            stdout: String::from_utf8(output.stdout).expect("kcfg prints UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("kcfg prints UTF-8"),
        }
    }

    /// Starts kcfg without waiting for it, its output thrown away.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("kcfg can be run")
    }

    /// kcfg, to be run as the site's user.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kcfg"));
        command.args(args).current_dir(self.repo.path()).env("NO_COLOR", "1").env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// What the path holds in the cluster; `NAME` stands for the site's name.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.plane.get(&path.replace("NAME", self.name))
    }

    /// A ConfigMap of the site's namespace.
    pub fn config_map(&self, name: &str) -> Option<Value> {
        self.get(&format!("/api/v1/namespaces/NAME/configmaps/{name}"))
    }

    /// Runs kubectl as admin; `NAME` stands for the site's name.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str], input: &str) -> String {
        let args: Vec<_> = args.iter().map(|arg| arg.replace("NAME", self.name)).collect();
        self.plane.kubectl(&args.iter().map(String::as_str).collect::<Vec<_>>(), &input.replace("NAME", self.name))
    }

    /// What kcfg asked of the API server so far, as the site's user, but for what concerns the Lease. Needs an audit log.
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.plane.requests_of(self.name);
        requests.into_iter().filter(|request| !request.is_of_lease()).collect()
    }

    /// The ids of the objects that say they belong to the environment.
    pub fn members(&self) -> BTreeSet<String> {
        let selector = format!("?labelSelector=kcfg.dev%2Fenv%3D{}", self.name);
        let mut members = BTreeSet::new();
        for (kind, path) in COLLECTIONS {
            let list = self.plane.get(&format!("{path}{selector}")).expect("the kind is built in");
            for item in list["items"].as_array().expect("a list has items") {
                let text = |field: &str| item["metadata"][field].as_str().unwrap_or("-").to_owned();
                members.insert(format!("{kind}/{}/{}", text("namespace"), text("name")));
            }
        }
        members
    }

    /// The ids of the objects that the tree's sums list.
    pub fn wanted(&self) -> BTreeSet<String> {
        let folder = format!("rendered/{}", self.name);
        let sums = self.repo.list(&folder).into_iter().filter(|file| file.ends_with("kcfg.sum"));
        let texts: Vec<_> = sums.map(|file| self.repo.read(&format!("{folder}/{file}"))).collect();
        let ids = texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("# id "));
        ids.map(|rest| rest.rsplit(' ').next().expect("it has a last word").to_owned()).collect()
    }

    /// Asserts that the cluster is what the tree says: every object of the tree is there and holds what its file
    /// declares, as kubectl sees it, and nothing else says that it belongs to the environment.
    #[track_caller]
    pub fn assert_cluster_is_tree(&self) {
        let (wanted, members) = (self.wanted(), self.members());
        let missing: Vec<_> = wanted.difference(&members).collect();
        let extra: Vec<_> = members.difference(&wanted).collect();
        assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}\nnot of the tree {extra:#?}");
        if wanted.is_empty() {
            return;
        }
        let folder = self.repo.path().join(format!("rendered/{}", self.name)).display().to_string();
        let args =
            ["diff", "--server-side", "--force-conflicts", "--field-manager=oracle", "--recursive", "-f", &folder];
        let (is_equal, stdout, stderr) = self.plane.try_kubectl(&args, "");
        assert!(is_equal, "the cluster is not what the tree says:\n{stdout}\n{stderr}");
    }
}

impl Loop {
    /// Renders and commits what was written, and starts a loop `one`, which has applied it when this returns.
    #[track_caller]
    pub fn begin(site: &Site) -> Loop {
        site.render();
        site.repo.commit("first");
        let running = Loop::start(site, "one", &["--init"]);
        running.says("\"message\":\"synchronised\"", 1);
        running
    }

    /// A loop of a site, with further arguments; polls so seldom that only webhooks count.
    pub fn start(site: &Site, name: &str, args: &[&str]) -> Loop {
        Loop::follow(site, name, &format!("file://{}", site.repo.path().display()), args)
    }

    /// The same of another address.
    pub fn follow(site: &Site, name: &str, url: &str, args: &[&str]) -> Loop {
        let args = [&["--poll", "3600"], args].concat();
        Loop::following(site.command(&["apply", site.name]), url, &site.repo.path().join(".git"), name, &args)
    }
}

/// What a ConfigMap of the site's namespace that [`config_map`] describes holds; none where it is not there.
pub fn value(site: &Site, name: &str) -> Option<String> {
    Some(site.config_map(name)?["data"]["value"].as_str()?.to_owned())
}

/// A ConfigMap of the site's namespace, as YAML.
pub fn config_map(name: &str, value: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: NAME}}\ndata: {{value: {value:?}}}\n"
    )
}

/// ConfigMaps `PREFIX-0` to `PREFIX-(COUNT-1)`, as YAML.
pub fn config_maps(prefix: &str, count: usize, value: &str) -> String {
    (0..count).map(|index| config_map(&format!("{prefix}-{index}"), value)).collect()
}
