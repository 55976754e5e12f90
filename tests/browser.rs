//! `kcfg diff --format html` in a real browser: opens from a file, filters, expands, listens to keys, complains of
//! nothing, can be read in both colour schemes, and stays quick with thousands of objects. Pictures are left in target/tmp.

mod chromium;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::repo::{Repo, here};
use chromium::Chromium;

/// Bytes of a page with [`OBJECTS`] objects that changed.
const PAGE_BYTES_MAX: u64 = 20 << 20;
/// Objects that changed, each in another way.
const OBJECTS: usize = 5_000;
/// Until something is painted.
const FIRST_PAINT_MS_MAX: f64 = 2_000.0;
/// Loads of which the quickest counts: other tests run at the same time.
const LOADS: usize = 4;
/// The contrast that text needs (WCAG 2.2, 1.4.3).
const CONTRAST_MIN: f64 = 4.5;

/// This repository's example, with a change of each sort that people make.
pub fn changed_example() -> Repo {
    let repo = Repo::new("");
    for folder in ["kcfg.yaml", "charts", "releases", "rendered"] {
        for entry in walkdir::WalkDir::new(here().join(folder)) {
            let entry = entry.expect("the example can be read");
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(here()).expect("it is below").to_str().expect("names are UTF-8");
                repo.write(name, fs::read(entry.path()).expect("a file can be read"));
            }
        }
    }
    repo.write("releases/production/tools.yaml", TOOLS_BEFORE);
    repo.kcfg(&["render"]).code(0);
    repo.commit("the example");
    let replace = |path: &str, old: &str, new: &str| {
        let text = repo.read(path);
        assert!(text.contains(old), "{path} holds no {old:?}");
        repo.write(path, text.replacen(old, new, 1));
    };
    replace("releases/production/shop/caches.yaml", "maxMemory: 384mb", "maxMemory: 512mb");
    replace("releases/production/shop/caches.yaml", "timeout 300", "timeout 120\n      tcp-keepalive 60");
    replace("charts/web/values.yaml", "tag: \"\"", "tag: \"1.29.1\"");
    replace("charts/worker/values.yaml", "concurrency: 4", "concurrency: 6");
    replace(
        "releases/production/shop/web.yaml",
        "www.shop.example.org]",
        "www.shop.example.org, api.shop.example.org]",
    );
    replace("releases/production/shop/web.yaml", "maxReplicas: 12", "maxReplicas: 20");
    replace("releases/production/cluster/priority-classes.yaml", "value: 100000", "value: 200000");
    replace("releases/production/cluster/namespaces.yaml", "enforce: restricted", "enforce: privileged");
    repo.write("releases/production/tools.yaml", TOOLS_NOW);
    repo
}

const TOOLS_BEFORE: &str = r#"apiVersion: v1
kind: Secret
metadata: {name: token, namespace: shop}
stringData: {token: hunter2, user: deployer}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: uploads, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: flags, namespace: shop}
data:
  flags.json: '{"search": {"new": false, "limit": 20}, "hosts": ["a", "b"]}'
"#;

const TOOLS_NOW: &str = r#"apiVersion: v1
kind: Secret
metadata: {name: token, namespace: shop}
stringData: {token: hunter3, user: deployer}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: flags, namespace: shop}
data:
  flags.json: '{"search": {"new": true, "limit": 50}, "hosts": ["a", "b", "c"]}'
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "</script><img src=x onerror=alert(1)>"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: Group, name: "dev <&> \"ops\"", apiGroup: rbac.authorization.k8s.io}]
"#;

fn page(folder: &Path, run: &crate::repo::Run) -> PathBuf {
    let path = folder.join("report.html");
    fs::write(&path, &run.stdout).expect("a page can be written");
    path
}

fn pictures() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

#[test]
fn the_page_opens_filters_expands_and_listens_to_keys() {
    let Some(mut browser) = Chromium::start() else { return };
    let repo = changed_example();
    let run = repo.kcfg(&["diff", "--format", "html"]).code(0);
    assert!(!run.stdout.contains("hunter"), "no value of a Secret");
    let path = page(repo.path(), &run);
    browser.prefer("light");
    browser.open(&format!("file://{}", path.display()));
    browser.wait("document.documentElement.dataset.ready");
    let entries = |browser: &mut Chromium| {
        browser.value("document.querySelectorAll('.entry').length").as_u64().expect("a number")
    };
    let open = |browser: &mut Chromium| {
        browser.value("document.querySelectorAll('.entry.open').length").as_u64().expect("a number")
    };
    let all = entries(&mut browser);
    assert!(all >= 8, "{all} entries");
    assert_eq!(
        browser.value("document.querySelectorAll('.entry .change').length"),
        json!(0),
        "bodies are built when opened"
    );
    assert_eq!(browser.value("document.images.length"), json!(0), "markup in a name is text");
    browser.screenshot(&pictures().join("diff-light.png"));

    // Keys: next, open, all, none.
    browser.press(&["j", "j", "Enter"]);
    assert_eq!(open(&mut browser), 1);
    let focused = "[...document.querySelectorAll('.head')].indexOf(document.activeElement)";
    assert_eq!(browser.value(focused), json!(1));
    assert!(
        browser.value("document.querySelectorAll('.entry.open .change, .entry.open .explained').length").as_u64()
            > Some(0)
    );
    browser.press(&["k", "o"]);
    assert_eq!((browser.value(focused), open(&mut browser)), (json!(0), 2));
    browser.press(&["e"]);
    assert_eq!(open(&mut browser), all);
    browser.press(&["c"]);
    assert_eq!(open(&mut browser), 0);

    // Side by side and unified.
    browser.press(&["e"]);
    let tables = |browser: &mut Chromium, layout: &str| {
        browser.value(&format!("document.querySelectorAll('table.{layout}').length")).as_u64()
    };
    assert!(tables(&mut browser, "split") > Some(0));
    browser.screenshot(&pictures().join("diff-split.png"));
    browser.press(&["s"]);
    assert_eq!(tables(&mut browser, "split"), Some(0));
    assert!(tables(&mut browser, "unified") > Some(0));
    assert!(
        browser.value("document.querySelectorAll('.code mark').length").as_u64() > Some(0),
        "changed words are marked"
    );

    // The filter: by text, from the keyboard, and by each list.
    browser.press(&["c", "/"]);
    assert_eq!(browser.value("document.activeElement.id"), json!("text"));
    browser.press(&["k", "e", "e", "p", "a", "l", "i", "v", "e"]);
    browser.wait("document.querySelectorAll('.entry').length === 1");
    assert!(
        browser
            .value("document.getElementById('count').textContent")
            .as_str()
            .is_some_and(|text| text.starts_with("1 of "))
    );
    assert!(browser.value("location.hash").as_str().is_some_and(|hash| hash.contains("keepalive")));
    browser.press(&["Escape", "x"]);
    assert_eq!(entries(&mut browser), all);
    let choose = |browser: &mut Chromium, id: &str, value: &str| {
        browser.value(&format!(
            "(() => {{ const s = document.getElementById('{id}'); s.value = '{value}'; s.dispatchEvent(new Event('change')); return s.value; }})()"
        ));
        entries(browser)
    };
    for (id, value) in [
        ("environment", "staging"),
        ("release", "production/caches"),
        ("kind", "ConfigMap"),
        ("flag", "severity:danger"),
        ("flag", "restarts-pods"),
        ("status", "removed"),
    ] {
        let value = if id == "release" {
            browser
                .value("document.querySelector('#release option:nth-child(3)').value")
                .as_str()
                .expect("a release")
                .to_owned()
        } else {
            value.to_owned()
        };
        let left = choose(&mut browser, id, &value);
        assert!(left > 0 && left < all, "{id} {value}: {left} of {all}");
        browser.press(&["x"]);
        assert_eq!(entries(&mut browser), all);
    }
    // A view is found again by its address.
    choose(&mut browser, "kind", "ConfigMap");
    let (hash, left) = (browser.value("location.href"), entries(&mut browser));
    browser.open("about:blank#");
    browser.open(hash.as_str().expect("an address"));
    browser.wait("document.documentElement.dataset.ready");
    assert_eq!(entries(&mut browser), left);
    browser.press(&["x"]);
    // A danger leads to its entry.
    browser.value("document.querySelector('[data-danger]').click()");
    assert_eq!(open(&mut browser), 1);

    browser.press(&["?"]);
    assert_eq!(browser.value("document.getElementById('help').open"), json!(true));
    browser.screenshot(&pictures().join("diff-help.png"));
    browser.press(&["?"]);
    browser.press(&["e"]);
    for (scheme, ground) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 17, 23)")] {
        browser.prefer(scheme);
        assert_eq!(browser.value("getComputedStyle(document.body).backgroundColor"), json!(ground));
        contrasts(&mut browser, scheme);
    }
    browser.value("scrollTo(0, document.getElementById('changes').offsetTop)");
    browser.screenshot(&pictures().join("diff-dark-open.png"));
    browser.press(&["c"]);
    browser.value("scrollTo(0, 0)");
    browser.screenshot(&pictures().join("diff-dark.png"));
    // The button overrides what the system prefers.
    browser.press(&["t"]);
    assert_eq!(browser.value("getComputedStyle(document.body).backgroundColor"), json!("rgb(255, 255, 255)"));
    browser.size(420, 800);
    browser.screenshot(&pictures().join("diff-narrow.png"));
    assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), json!(true), "nothing sticks out");
    assert_eq!(
        browser.value("[...document.querySelectorAll('input, select')].every(e => e.labels.length > 0)"),
        json!(true)
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Text of every sort has enough contrast with what is behind it.
fn contrasts(browser: &mut Chromium, scheme: &str) {
    let script = r"(() => {
      const rgb = (text) => text.match(/[\d.]+/g).map(Number);
      const light = ([r, g, b]) => {
        const part = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
        return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
      };
      const ground = (node) => {
        for (; node; node = node.parentElement) {
          const colour = rgb(getComputedStyle(node).backgroundColor);
          if (colour.length < 4 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
      };
      const found = {};
      for (const node of document.querySelectorAll('body *')) {
        const has_text = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
        if (!has_text || !node.checkVisibility()) continue;
        const [a, b] = [light(rgb(getComputedStyle(node).color)), light(ground(node))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        const name = node.tagName + '.' + node.className;
        if (!node.disabled) found[name] = Math.min(found[name] ?? 99, contrast);
      }
      return found;
    })()";
    let found = browser.value(script);
    let found = found.as_object().expect("contrasts by element");
    assert!(found.len() > 15, "{found:?}");
    let poor: Vec<_> =
        found.iter().filter(|(_, contrast)| contrast.as_f64().is_some_and(|c| c < CONTRAST_MIN)).collect();
    assert!(poor.is_empty(), "{scheme}: {poor:?}");
}

#[test]
fn thousands_of_objects_stay_quick() {
    let Some(mut browser) = Chromium::start() else { return };
    let repo = Repo::new("");
    for (side, version) in [("old", 1), ("new", 2)] {
        let mut text = String::new();
        for n in 0..OBJECTS {
            let _ = write!(
                text,
                "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app-{n}, namespace: team-{}}}\nspec:\n  \
                 replicas: {}\n  template:\n    spec:\n      containers:\n      - name: main\n        image: registry.example.org/app-{n}:{version}.{n}\n        \
                 args: [--shard={n}, --seed={}]\n",
                n % 40,
                version + n % 3,
                n * version
            );
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: app-{n}, namespace: team-{}}}\ndata:\n  app.conf: |\n",
                n % 40
            );
            for line in 0..40 {
                let value = if line % 7 == n % 7 { line * version } else { line };
                let _ = writeln!(text, "    setting-{line} = value {value} of app {n}");
            }
        }
        repo.write(&format!("{side}/all.yaml"), text.replacen("---\n", "", 1));
    }
    let run = repo.kcfg(&["diff", "--from-path", "old", "--to-path", "new", "--format", "html"]).code(0);
    let path = page(repo.path(), &run);
    let bytes = fs::metadata(&path).expect("it is there").len();
    assert!(bytes <= PAGE_BYTES_MAX, "{bytes} bytes");
    let mut first_paint_ms = f64::MAX;
    for _ in 0..LOADS {
        browser.open("about:blank#");
        browser.open(&format!("file://{}", path.display()));
        browser.wait("performance.getEntriesByName('first-contentful-paint').length > 0");
        let paint = browser.value("performance.getEntriesByName('first-contentful-paint')[0].startTime");
        first_paint_ms = first_paint_ms.min(paint.as_f64().expect("a time"));
    }
    browser.wait("document.documentElement.dataset.ready");
    println!("{} objects: {bytes} bytes, first contentful paint after {first_paint_ms:.0} ms", 2 * OBJECTS);
    assert!(first_paint_ms < FIRST_PAINT_MS_MAX, "{first_paint_ms} ms");
    let made = browser.value("document.querySelectorAll('.entry').length").as_u64().expect("a number");
    assert!(made > 0 && made < 500, "{made} entries are made at once");
    browser.press(&["/", "s", "e", "e", "d", "=", "4", "9", "9", "8"]);
    browser.wait("document.querySelectorAll('.entry').length > 0 && document.querySelectorAll('.entry').length < 4");
    browser.press(&["Escape", "x", "e"]);
    // As a reader does: entries out of view count with an estimated height until they are seen, so the end moves away once more.
    let scroll = "scrollTo(0, document.body.scrollHeight)";
    browser.wait(&format!("({scroll}, document.querySelectorAll('.entry').length > {made})"));
    browser.screenshot(&pictures().join("diff-many.png"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
