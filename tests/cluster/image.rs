//! The image: its files as a read-only root, and in it the loop as `kcfg install` describes it, with the very arguments
//! of the Deployment, as the user 65532, without any capability, with the files that a kubelet would mount; the Git server is a real one.
//!
//! `just image` and `just image-test` lay out the root, name it in `KCFG_IMAGE_ROOT`, and run these tests as root.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::control_plane::{Parts, Shared, eventually};
use crate::git_servers::{HttpServer, SshServer, fixture};
use crate::install;
use crate::running_loop::{Loop, SECRET};
use crate::site::{Site, config_map, config_maps};

static PLANE: Shared = Shared::new(Parts { controllers: false, audit: false });

/// The user of the image and of the Deployment.
const USER: u32 = 65532;

/// What a container runtime does: the root read-only, the cache a volume, /proc and /dev, another user without capabilities.
const CONTAINER: &str = "set -e; root=$1; shift
mount --bind $root $root
mount -o remount,bind,ro $root
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 cache $root/cache
mount --rbind /proc $root/proc
mount -t tmpfs dev $root/dev
for device in null zero random urandom; do : > $root/dev/$device; mount --bind /dev/$device $root/dev/$device; done
exec chroot --userspec=65532:65532 --groups=65532 $root /kcfg \"$@\"";

/// The image's files with what a kubelet mounts among them.
struct Root {
    folder: tempfile::TempDir,
}

impl Root {
    fn new(site: &Site) -> Root {
        let image = std::env::var("KCFG_IMAGE_ROOT").expect("`just image-test` runs this");
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        let copied = Command::new("cp").args(["-a", &format!("{image}/."), "."]).current_dir(folder.path()).status();
        assert!(copied.expect("there is cp").success());
        let root = Root { folder };
        ["proc", "dev", "cache"].iter().for_each(|name| fs::create_dir(root.at(name)).expect("the image lacks it"));
        let account = "var/run/secrets/kubernetes.io/serviceaccount";
        let (_, token) = site.plane.kubeconfig_of_account(&format!("kcfg-{}", site.name));
        root.mount(&format!("{account}/token"), &token);
        root.mount(&format!("{account}/namespace"), "kcfg-system");
        let certificate = fs::read_to_string(site.plane.certificate()).expect("it is there");
        root.mount(&format!("{account}/ca.crt"), &certificate);
        root.mount("etc/hosts", "127.0.0.1 localhost git.example.com\n");
        root.mount("webhook/secret", SECRET);
        root
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file as a kubelet mounts it: for root and the Pod's group alone.
    fn mount(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("the folder is ours");
        fs::write(&path, text).expect("the folder is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).expect("it is ours");
        chown(&path, Some(0), Some(USER)).expect("the test runs as root");
    }

    /// Starts the Deployment's container.
    fn start(&self, site: &Site, deployment: &Value, port: u16) -> Loop {
        let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
        let args = args.as_array().expect("it has arguments").iter().map(|arg| arg.as_str().expect("text"));
        let (_, api_port) =
            site.plane.url().rsplit_once(':').map(|(url, port)| (url.to_owned(), port.to_owned())).expect("a port");
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "--", "sh", "-c", CONTAINER, "sh"])
            .arg(self.folder.path())
            .args(args)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", api_port);
        Loop::of(command, port, site.repo.path().join(".git/log"))
    }
}

/// Installs the loop, starts it with these files beside the image's, and sees it follow the repository.
fn follows(site: &Site, url: &str, args: &[&str], mounted: &[(&str, &str)], trusted: Option<&Path>) {
    site.write("many", &config_maps("many", 3, "first"));
    site.render();
    site.repo.commit("first");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let set = format!("port={port}");
    let own = ["install", site.name, "--git-url", url, "--image", "kcfg", "--webhook", "--init", "--set", &set];
    let printed = site.kcfg(&[&own[..], args].concat()).code(0).stdout;
    install::apply(site, &printed);
    let deployment = site.get("/apis/apps/v1/namespaces/kcfg-system/deployments/kcfg-NAME").expect("it is applied");
    let root = Root::new(site);
    mounted.iter().for_each(|(name, text)| root.mount(name, text));
    if let Some(certificate) = trusted {
        let bundle = root.at("etc/ssl/certs/ca-certificates.crt");
        let text = fs::read_to_string(&bundle).expect("the image has certificate authorities")
            + &fs::read_to_string(certificate).expect("it is there");
        fs::write(&bundle, text).expect("it is ours");
    }
    let running = root.start(site, &deployment, port);
    running.says("\"result\":\"ok\"", 1);
    site.assert_cluster_is_tree();
    assert!(running.get("/readyz").starts_with("HTTP/1.1 200"));
    site.write("many", &(config_maps("many", 2, "first") + &config_map("other", "second")));
    site.render();
    site.repo.commit("second");
    running.nudge();
    eventually(Duration::from_secs(20), "the commit is applied", || site.config_map("other").is_some());

    // It is who it should be, in what it should be in.
    let proc = PathBuf::from(format!("/proc/{}", running.pid()));
    let read = |name: &str| fs::read_to_string(proc.join(name)).expect("it runs");
    let status = read("status");
    for line in ["Uid:\t65532\t65532\t65532\t65532", "Gid:\t65532\t65532\t65532\t65532", "CapEff:\t0000000000000000"] {
        assert!(status.contains(line), "{status}");
    }
    let mounts = read("mountinfo");
    let top = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).expect("it has a root");
    assert!(top.split(' ').nth(5).is_some_and(|options| options.split(',').any(|o| o == "ro")), "{mounts}");
    let maps = read("maps");
    assert!(!maps.contains(".so"), "no library is needed: {maps}");
    let log = running.stop();
    assert!(log.contains("\"lease\":\"released\""), "{log}");
}

/// A folder with the site's repository as `config`, to be served.
fn served(site: &Site) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    symlink(site.repo.path(), folder.path().join("config")).expect("the folder is ours");
    folder
}

fn authorization() -> String {
    format!("Basic {}", data_encoding::BASE64.encode(b"x-access-token:s3cret"))
}

#[test]
#[ignore = "needs an image: `just image-test`"]
fn over_ssh_with_a_deploy_key() {
    let site = Site::new(&PLANE, "image-ssh");
    let server = SshServer::start();
    let keys = [("git/ssh-privatekey", server.read("client")), ("git/known_hosts", server.known_hosts("host"))];
    let keys = keys.each_ref().map(|(name, text)| (*name, text.as_str()));
    follows(&site, &server.url(site.repo.path()), &[], &keys, None);
}

#[test]
#[ignore = "needs an image: `just image-test`"]
fn over_https_with_a_certificate_authority_of_its_own() {
    let site = Site::new(&PLANE, "image-ca");
    let folder = served(&site);
    let server = HttpServer::start(folder.path(), Some(&authorization()));
    let authority = fs::read_to_string(fixture("ca.pem")).expect("it is there");
    let mounted = [("git/token", "s3cret\n"), ("git/ca.crt", authority.as_str())];
    follows(&site, &server.url("https"), &["--set", "git.ca=true"], &mounted, None);
}

/// The server's name is looked up (in /etc/hosts), and its certificate checked with the image's authorities, to which one is added.
#[test]
#[ignore = "needs an image: `just image-test`"]
fn over_https_with_the_authorities_of_the_image() {
    let site = Site::new(&PLANE, "image-https");
    let folder = served(&site);
    let server = HttpServer::start(folder.path(), Some(&authorization()));
    let url = format!("https://localhost:{}/config", server.port);
    follows(&site, &url, &[], &[("git/token", "s3cret\n")], Some(&fixture("ca.pem")));
}
