//! What `kcfg render` is measured against: the real `helm template`, once per release of the same repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kcfg::pipeline::{ChartPlace, Content, Plan, PlanOptions};
use kcfg::release::ReleaseValues;
use tempfile::TempDir;

/// A release as helm takes it: a chart's folder and files of values.
pub struct Release {
    name: String,
    namespace: String,
    chart: PathBuf,
    values: Vec<PathBuf>,
    /// Holds the values, and the chart where it is that of another commit.
    _scratch: TempDir,
}

/// The releases of a repository that have a chart in it.
pub fn releases(folder: &Path) -> Vec<Release> {
    let options = PlanOptions { selectors: Vec::new(), update_refs: false };
    let plan = Plan::read(folder, &options).expect("the repository can be read: kcfg has just rendered it");
    let jobs = plan.environments.iter().flat_map(|environment| &environment.jobs);
    jobs.filter_map(|job| {
        let Content::Release(release) = &job.content else { return None };
        let scratch = tempfile::tempdir().expect("a temporary folder can be made");
        let chart = match &release.chart.files {
            ChartPlace::WorkingTree(folder) => folder.clone(),
            ChartPlace::Commit(commit, path) => {
                let tree = scratch.path().join("tree");
                check_out(folder, commit.as_str(), path, &tree);
                tree.join(path)
            }
        };
        let file = |(index, values): (usize, &ReleaseValues)| match values {
            ReleaseValues::ChartFile(file) => chart.join(file.path.as_str()),
            ReleaseValues::Inline(values) => {
                let path = scratch.path().join(format!("values-{index}.yaml"));
                let mut text = String::new();
                kcfg::yaml::canonical(&values.root.value, &mut text);
                fs::write(&path, text).expect("a file can be written");
                path
            }
        };
        let values = release.values.iter().enumerate().map(file).collect();
        Some(Release { name: release.name.clone(), namespace: job.namespace.clone(), chart, values, _scratch: scratch })
    })
    .collect()
}

fn check_out(folder: &Path, commit: &str, path: &str, target: &Path) {
    fs::create_dir_all(target).expect("a folder can be made");
    let mut archive = Command::new("git")
        .args(["archive", commit, path])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("git can be run");
    let tree = archive.stdout.take().expect("it is piped");
    let unpacked = Command::new("tar").arg("x").current_dir(target).stdin(tree).status().expect("tar can be run");
    assert!(archive.wait().expect("git ends").success() && unpacked.success(), "git archive {commit} {path}");
}

/// Runs helm once per release, one after the other; gives the time of all runs and how many helm refused.
pub fn template_all(releases: &[Release]) -> (Duration, usize) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/helm.sh");
    let helm = Command::new(script).output().expect("helm.sh can be run").stdout;
    let helm = String::from_utf8(helm).expect("a path").trim().to_owned();
    let (mut total, mut refused) = (Duration::ZERO, 0);
    for release in releases {
        let mut command = Command::new(&helm);
        command.args(["template", &release.name]).arg(&release.chart).args(["--namespace", &release.namespace]);
        command.args(release.values.iter().flat_map(|path| [Path::new("-f"), path]));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let begin = Instant::now();
        let status = command.status().expect("helm can be run");
        total += begin.elapsed();
        refused += usize::from(!status.success());
    }
    (total, refused)
}
