//! `kcfg install`: the manifests of the loop in a cluster, from the chart `charts/kcfg`, which the program carries. Asks
//! neither a repository nor a cluster; standard output is for `kubectl apply -f -`, what is left to do for standard error.

use std::fmt::Write as _;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use gix::url::Scheme;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::chart::{self, Chart, ChartFile};
use crate::engine::{self, Capabilities, KubeVersion, Randomness, RenderInput};
use crate::error::{Diagnostic, Source, visible};
use crate::manifest::{self, Object, ObjectRules, Scopes};
use crate::plan::OWN_NAMESPACE;
use crate::values::{self, Layer};
use crate::yaml::{self, Node, Numbers};

use super::output::Finding;
use super::value_flags::ValueFlags;
use super::watch::ReportArg;
use super::{Output, Status};

/// Print the manifests of `kcfg apply ENV --watch` in a cluster, and say what else it needs
///
/// For `kcfg install prod --git-url … --image … --init | kubectl apply -f -`. The account, what it may do and the Deployment
/// are the chart charts/kcfg, which is part of kcfg; its values are set as with `kcfg template`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The environment
    #[arg(value_name = "ENV")]
    environment: String,
    /// The repository's address: ssh://git@host/owner/name.git, git@host:owner/name.git or https://host/owner/name.git
    #[arg(long, value_name = "URL")]
    git_url: String,
    /// The branch to follow, or another ref in full (default: the repository's HEAD)
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// The image, with a tag or, better, a digest; there is none to fall back on
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// How many Pods: one works, the others wait
    #[arg(long, value_name = "COUNT")]
    replicas: Option<u8>,
    /// Have a Service and a Secret for webhooks
    #[arg(long)]
    webhook: bool,
    /// Tell the Git server how the environment stands: by a tag, or by statuses of commits
    #[arg(long, value_name = "HOW", value_enum, value_delimiter = ',')]
    git_report: Vec<ReportArg>,
    /// This cluster never had this environment, and now it will
    #[arg(long)]
    init: bool,
    #[command(flatten)]
    values: ValueFlags,
}

/// The files of charts/kcfg.
const CHART: &[(&str, &str)] = &[
    ("Chart.yaml", include_str!("../../charts/kcfg/Chart.yaml")),
    ("templates/_lib.tera", include_str!("../../charts/kcfg/templates/_lib.tera")),
    ("templates/deployment.yaml", include_str!("../../charts/kcfg/templates/deployment.yaml")),
    ("templates/namespace.yaml", include_str!("../../charts/kcfg/templates/namespace.yaml")),
    ("templates/rbac.yaml", include_str!("../../charts/kcfg/templates/rbac.yaml")),
    ("templates/service.yaml", include_str!("../../charts/kcfg/templates/service.yaml")),
    ("templates/serviceaccount.yaml", include_str!("../../charts/kcfg/templates/serviceaccount.yaml")),
    ("values.schema.json", include_str!("../../charts/kcfg/values.schema.json")),
    ("values.yaml", include_str!("../../charts/kcfg/values.yaml")),
];

/// Characters of an environment's name in the names of its objects.
const NAME_CHARACTERS_MAX: usize = 40;

pub fn run(args: &Args, output: &Output) -> Result<Status, Vec<Diagnostic>> {
    let remote = Remote::parse(&args.git_url).map_err(|error| vec![error])?;
    check_names(args).map_err(|error| vec![error])?;
    let name = release_name(&args.environment);
    let mut warnings = Vec::new();
    // A port stands before the first `/` behind it.
    if !args.image.rsplit('/').next().unwrap_or_default().contains([':', '@']) {
        warnings.push(
            Diagnostic::warning(format!("the image {} has no tag and no digest", visible(&args.image)))
                .help("whatever its registry calls `latest` would run; name a digest, or a tag that never moves"),
        );
    }
    let result = render(args, &name, &remote, &mut warnings);
    output.report(warnings.into_iter().map(Finding::from));
    let (objects, values) = result?;
    let mut text = format!("# kcfg {}: the loop of the environment {}\n", env!("CARGO_PKG_VERSION"), args.environment);
    for object in &objects {
        text.push_str("---\n");
        yaml::canonical_object(&object.node.value, &mut text);
    }
    output.text(&text);
    output.note(next_steps(args, &name, &remote, &values).trim_end());
    Ok(Status::Fine)
}

/// Where the repository is, as far as it matters here.
struct Remote {
    is_ssh: bool,
    host: String,
    port: Option<u16>,
}

impl Remote {
    fn parse(text: &str) -> Result<Remote, Diagnostic> {
        const HELP: &str =
            "as in ssh://git@host/owner/name.git, git@host:owner/name.git or https://host/owner/name.git";
        let shown = visible(text);
        let url = gix::url::parse(text).map_err(|error| {
            Diagnostic::error(format!("`{shown}` is no address of a Git repository: {error}")).help(HELP)
        })?;
        if url.password().is_some() {
            return Err(Diagnostic::error(
                "the address of the repository holds a password, which every reader of the Deployment would see",
            )
            .help(
                "leave it out: a token for HTTPS goes into a Secret, which is said after the manifests are printed",
            ));
        }
        let is_ssh = match url.scheme {
            Scheme::Ssh => true,
            Scheme::Https => false,
            Scheme::Http => {
                return Err(Diagnostic::error(format!(
                    "`{shown}` would be fetched in clear, for anybody to change on the way"
                ))
                .help("use https:// or ssh://; `--set git.ca=true` is for a certificate authority of your own"));
            }
            _ => {
                let message = format!("`{shown}` cannot be fetched from in a cluster: kcfg speaks HTTPS and SSH");
                return Err(Diagnostic::error(message).help(HELP));
            }
        };
        let host = url.host().unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
        if host.is_empty() || host.starts_with('-') || !host.chars().all(is_plain) || url.path.len() < 2 {
            return Err(Diagnostic::error(format!("`{shown}` names no host, or no repository")).help(HELP));
        }
        Ok(Remote { is_ssh, host: host.to_owned(), port: url.port })
    }
}

fn check_names(args: &Args) -> Result<(), Diagnostic> {
    let environment = args.environment.as_str();
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '/';
    if environment.is_empty() || environment.starts_with(['-', '.']) || environment.contains(is_odd) {
        return Err(Diagnostic::error(format!("`{}` is no name of an environment", visible(environment)))
            .help("it is the name of a folder below releases/"));
    }
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c);
    if let Some(reference) = args.reference.as_deref().filter(|name| name.is_empty() || name.contains(is_odd)) {
        return Err(Diagnostic::error(format!("`{}` cannot be the name of a ref", visible(reference)))
            .help("--ref names a branch, or another ref in full: refs/tags/v1.2"));
    }
    Ok(())
}

/// The name of an environment's loop and all that belongs to it: names of environments may be no names of objects.
fn release_name(environment: &str) -> String {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if environment.len() <= NAME_CHARACTERS_MAX && environment.bytes().all(is_name) && !environment.ends_with('-') {
        return format!("kcfg-{environment}");
    }
    let hash = HEXLOWER.encode(&Sha256::digest(environment));
    let clean = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = environment.chars().map(clean).take(NAME_CHARACTERS_MAX - 7).collect();
    format!("kcfg-{name}-{}", &hash[..6])
}

/// The objects in the order in which to apply them, and the values that they were made with.
fn render(
    args: &Args,
    name: &str,
    remote: &Remote,
    warnings: &mut Vec<Diagnostic>,
) -> Result<(Vec<Object>, Node), Vec<Diagnostic>> {
    let single = |error: Diagnostic| vec![error];
    let chart = own_chart()?;
    let options = options(args, remote).map_err(single)?;
    let (merged, layers) = args.values.merge(vec![options], chart.engine, warnings).map_err(single)?;
    let (prepared, more) = values::prepare_merged(&chart, &merged, layers)?;
    warnings.extend(more);
    warnings.extend(prepared.check_schemas()?);
    let auth = prepared.values.at(&["git", "auth"]).and_then(Node::as_str).unwrap_or_default();
    if (auth == "ssh") != remote.is_ssh {
        let protocol = if remote.is_ssh { "SSH" } else { "HTTPS" };
        let fit = if remote.is_ssh { "ssh" } else { "token, or none" };
        return Err(single(
            Diagnostic::error(format!("git.auth is {auth}, and the repository is fetched over {protocol}"))
                .help(format!("leave git.auth out, or set it to {fit}")),
        ));
    }
    let report = prepared.values.at(&["git", "report"]).and_then(Node::as_str).unwrap_or_default();
    if auth == "none" && report.split(',').any(|word| word == "tag") {
        return Err(single(
            Diagnostic::error(
                "git.report has `tag`, which needs the right to write to the repository, and git.auth is none",
            )
            .help("leave git.auth out, and make a token that may write; or leave `tag` out"),
        ));
    }
    let capabilities = Capabilities::new(KubeVersion::default(), &[]);
    let rendered = engine::compile(&chart)?.render(&RenderInput {
        release_name: name,
        namespace: OWN_NAMESPACE,
        environment: &args.environment,
        is_upgrade: false,
        prepared: &prepared,
        capabilities: &capabilities,
        randomness: Randomness::Fixed(0),
    })?;
    warnings.extend(rendered.warnings);
    let mut sorted = manifest::sort(rendered.files)?;
    warnings.append(&mut sorted.warnings);
    let rules = ObjectRules { namespace: Some(OWN_NAMESPACE), scopes: &Scopes::default() };
    let objects = manifest::objects(sorted.manifests, rules, warnings)?;
    Ok((objects, prepared.values))
}

fn own_chart() -> Result<Arc<Chart>, Vec<Diagnostic>> {
    let files = CHART.iter().map(|(path, text)| ChartFile { path: (*path).to_owned(), bytes: text.as_bytes().into() });
    chart::load("charts/kcfg", files.collect()).map(|loaded| Arc::new(loaded.chart))
}

/// What the options say, as the lowest layer of values.
fn options(args: &Args, remote: &Remote) -> Result<Layer, Diagnostic> {
    let mut options = json!({
        "environment": args.environment,
        "image": {"name": args.image},
        "git": {"url": args.git_url, "auth": if remote.is_ssh { "ssh" } else { "token" }},
    });
    if let Some(reference) = &args.reference {
        options["git"]["ref"] = json!(reference);
    }
    if !args.git_report.is_empty() {
        let words: Vec<&str> = args.git_report.iter().map(|report| report.word()).collect();
        options["git"]["report"] = json!(words.join(","));
    }
    if let Some(replicas) = args.replicas {
        options["replicas"] = json!(replicas);
    }
    if args.webhook {
        options["webhook"] = json!({"enabled": true});
    }
    if args.init {
        options["init"] = json!(true);
    }
    let (name, text) = ("the options of kcfg install", options.to_string());
    let root = yaml::from_json(name, &text, Numbers::Exact)?;
    Ok(Layer { source: Source::new(name, text), root })
}

/// What is left to do by hand: keys are nobody's business but their owner's.
fn next_steps(args: &Args, name: &str, remote: &Remote, values: &Node) -> String {
    let text = |path: &[&str]| values.at(path).and_then(Node::as_str).filter(|text| !text.is_empty());
    let is_set = |path: &[&str]| values.at(path).and_then(Node::as_bool).unwrap_or(false);
    let kubectl = format!("kubectl --namespace {OWN_NAMESPACE}");
    let secret = text(&["git", "secret"]).map_or_else(|| format!("{name}-git"), str::to_owned);
    let ca = if is_set(&["git", "ca"]) { " --from-file=ca.crt=ca.crt" } else { "" };
    let reports: Vec<&str> = text(&["git", "report"]).into_iter().flat_map(|text| text.split(',')).collect();
    let right = if reports.contains(&"tag") { "read and write" } else { "read" };
    let mut steps = Vec::new();
    let forge = reports.iter().find(|report| **report != "tag");
    if let Some(forge) = forge {
        let how = match *forge {
            "github" => "a fine-grained one with `Commit statuses: write` for this repository",
            "gitlab" => "a project access token with the role Developer and the scope api",
            _ => "one with the scope write:repository",
        };
        steps.push(format!("Make a token for the statuses of commits, {how}, and save it as report-token."));
    }
    let rm = if forge.is_some() { " report-token" } else { "" };
    let more = format!("{ca}{}", if forge.is_some() { " --from-file=report-token=report-token" } else { "" });
    match text(&["git", "auth"]) {
        Some("ssh") => {
            let port = remote.port.map(|port| format!(" -p {port}")).unwrap_or_default();
            let host = &remote.host;
            steps.push(format!(
                "Make a deploy key, and give its public half, {name}.pub, the right to {right} the repository:\n  \
                 ssh-keygen -t ed25519 -N '' -C {name} -f {name}"
            ));
            steps.push(format!(
                "Ask the Git server for its key, and compare the fingerprint with the one that its owner publishes: whoever\n\
                 answered in its place would be believed from then on.\n  \
                 ssh-keyscan -t ed25519{port} {host} > known_hosts\n  ssh-keygen -lf known_hosts"
            ));
            steps.push(format!(
                "Put both into the Secret that the Pod waits for, and keep no other copy of the private half:\n  \
                 {kubectl} create secret generic {secret} --from-file=ssh-privatekey={name} \
                 --from-file=known_hosts=known_hosts{more}\n  rm {name}{rm}"
            ));
        }
        Some("token") => {
            steps.push(format!(
                "Make a token that may {right} this repository and nothing else, and put it into the Secret that the Pod waits\n\
                 for (`--set git.auth=none` if everybody may read the repository):\n  \
                 {kubectl} create secret generic {secret} --from-file=token=token{more}\n  rm token{rm}"
            ));
        }
        _ if !more.is_empty() => {
            steps.push(format!(
                "Put what the Pod waits for into its Secret:\n  \
                 {kubectl} create secret generic {secret}{more}"
            ));
        }
        _ => {}
    }
    if is_set(&["webhook", "enabled"]) {
        let secret = text(&["webhook", "secret"]).map_or_else(|| format!("{name}-webhook"), str::to_owned);
        steps.push(format!(
            "Make the text that webhooks are signed with, and give it to the Git server too, with the address under which\n\
             an Ingress of yours serves service/{name}, port 80, path /webhook and no other:\n  \
             head -c 32 /dev/urandom | base64 > webhook-secret\n  \
             {kubectl} create secret generic {secret} --from-file=secret=webhook-secret"
        ));
    }
    steps.push(format!(
        "See it work:\n  {kubectl} rollout status deployment/{name}\n  {kubectl} logs deployment/{name}"
    ));
    if is_set(&["init"]) {
        steps.push("Once it has synchronised, apply the same again without --init.".to_owned());
    } else {
        steps.push(format!(
            "Where {} was never applied to this cluster, and its Environment does not name the cluster (cluster.uid), the\n\
             loop refuses to begin: apply the same with --init once.",
            args.environment
        ));
    }
    if text(&["rbac", "mode"]) == Some("cluster-admin") {
        steps.push(
            "The loop is cluster-admin: whoever may push to that ref may do anything in the cluster. Protect the ref, or limit\n\
             the loop to the kinds that the tree holds (docs/install.md, rbac.rules)."
                .to_owned(),
        );
    }
    let mut told = String::from("next, once the manifests above are applied:\n");
    for (index, step) in steps.iter().enumerate() {
        let number = format!("{}. ", index + 1);
        let _ = writeln!(told, "{number}{}", step.replace('\n', "\n   "));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_carries_the_whole_chart() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/kcfg");
        let mut files: Vec<String> = walkdir::WalkDir::new(&folder)
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| entry.path().strip_prefix(&folder).unwrap().display().to_string())
            .collect();
        files.sort();
        assert_eq!(files, CHART.iter().map(|(path, _)| *path).collect::<Vec<_>>());
        let metadata = &own_chart().unwrap().metadata;
        assert_eq!(
            (metadata.version.as_str(), metadata.app_version.as_str()),
            (env!("CARGO_PKG_VERSION"), env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn names_of_loops() {
        assert_eq!(release_name("prod"), "kcfg-prod");
        assert_eq!(release_name("Prod_eu"), "kcfg-prod-eu-08a9d4");
        let long = release_name(&"x".repeat(63));
        assert!(long.len() <= 53 - "-webhook".len(), "{long}");
        assert_ne!(long, release_name(&"x".repeat(62)));
    }
}
