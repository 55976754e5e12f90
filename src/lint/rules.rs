//! The rules of `kcfg lint`, each with what it is for and with an example that breaks it and one that keeps it. The
//! examples are tests, and docs/lint.md is written from this table.

use std::fmt::Write as _;

use crate::error::RuleName;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, as findings show it.
    pub name: RuleName,
    /// `error`, `warning`, or when which.
    pub severity: &'static str,
    /// What it finds, and why that matters.
    pub doc: &'static str,
    /// Files, beside those of [`BASE`], that break it: `-- path --`, then the text.
    pub bad: &'static str,
    /// Files that keep it.
    pub good: &'static str,
}

/// The files that every example adds to.
pub const BASE: &str = "\
-- charts/web/Chart.yaml --
apiVersion: v2
name: web
version: 1.0.0
-- charts/web/values.yaml --
replicas: 1
image: {repository: nginx, tag: '1.27'}
-- charts/web/templates/config.yaml --
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  replicas: \"{{ .Values.replicas }}\"
  image: {{ .Values.image.repository }}:{{ .Values.image.tag }}
-- releases/prod/environment.yaml --
apiVersion: kcfg.dev/v1
kind: Environment
spec: {kubeVersion: v1.33.0}
";

/// All rules, by name.
pub const RULES: &[Rule] = &[
    Rule {
        name: RuleName::ChartUrl,
        severity: "warning",
        doc: "A release's `chart.git` is an SSH URL: a deploy key reads it everywhere, and no password stands in a file.",
        bad: "\
-- releases/prod/web.yaml --
apiVersion: flux.weave.works/v1beta1
kind: HelmRelease
metadata: {name: web, namespace: shop}
spec:
  releaseName: web
  chart:
    git: https://git.example.org/platform/config.git
    path: charts/web
    ref: main
",
        good: "\
-- releases/prod/web.yaml --
apiVersion: flux.weave.works/v1beta1
kind: HelmRelease
metadata: {name: web, namespace: shop}
spec:
  releaseName: web
  chart:
    git: git@git.example.org:platform/config.git
    path: charts/web
    ref: main
",
    },
    Rule {
        name: RuleName::DeprecatedApi,
        severity: "warning",
        doc: "An object's apiVersion is deprecated in the environment's Kubernetes version: an upgrade will remove it.",
        bad: "\
-- releases/prod/resources.yaml --
apiVersion: v1
kind: Endpoints
metadata: {name: web, namespace: shop}
subsets: []
",
        good: "\
-- releases/prod/resources.yaml --
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web, namespace: shop}
addressType: IPv4
endpoints: []
",
    },
    Rule {
        name: RuleName::DuplicateKey,
        severity: "warning in charts, rendered texts and HelmReleases; error in kcfg's own documents",
        doc: "A key stands twice in one mapping, so one of the two values is lost.",
        bad: "\
-- charts/web/values.yaml --
replicas: 1
image: {repository: nginx, tag: '1.27'}
replicas: 2
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec: {chart: charts/web}
",
        good: "\
-- charts/web/values.yaml --
replicas: 2
image: {repository: nginx, tag: '1.27'}
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec: {chart: charts/web}
",
    },
    Rule {
        name: RuleName::FileName,
        severity: "warning",
        doc: "A release's file is called like the release, so that whoever looks for one finds it.",
        bad: "\
-- releases/prod/rate_limit.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: rate-limit, namespace: shop}
spec: {chart: charts/web}
",
        good: "\
-- releases/prod/rate-limit.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: rate-limit, namespace: shop}
spec: {chart: charts/web}
",
    },
    Rule {
        name: RuleName::PlainSecret,
        severity: "the Environment's `secretPolicy`: allow, warn (the default) or deny",
        doc: "A Secret's data stands in Git for everybody to read. One that SOPS encrypted passes.",
        bad: "\
-- releases/prod/secret.yaml --
apiVersion: v1
kind: Secret
metadata: {name: web, namespace: shop}
stringData: {password: hunter2}
",
        good: "\
-- releases/prod/secret.yaml --
apiVersion: v1
kind: Secret
metadata: {name: web, namespace: shop}
data: {password: 'ENC[AES256_GCM,data:6bs=,iv:x=,tag:x==,type:str]'}
sops: {mac: 'ENC[AES256_GCM,data:x=,iv:x=,tag:x==,type:str]', version: 3.9.0}
",
    },
    Rule {
        name: RuleName::ReleaseName,
        severity: "warning",
        doc: "`releaseName` is the release's `metadata.name`: one name for the file, the release and its objects. A \
              HelmRelease without it is called `<namespace>-<name>`.",
        bad: "\
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec: {chart: charts/web, releaseName: shop}
",
        good: "\
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec: {chart: charts/web, releaseName: web}
",
    },
    Rule {
        name: RuleName::RemovedApi,
        severity: "error",
        doc: "The environment's Kubernetes version no longer has an object's apiVersion, so it cannot be applied.",
        bad: "\
-- releases/prod/job.yaml --
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: clean, namespace: shop}
spec: {schedule: '@daily'}
",
        good: "\
-- releases/prod/job.yaml --
apiVersion: batch/v1
kind: CronJob
metadata: {name: clean, namespace: shop}
spec: {schedule: '@daily'}
",
    },
    Rule {
        name: RuleName::SharedObject,
        severity: "error",
        doc: "Two releases of an environment render the same object; whichever is applied last would win.",
        bad: "\
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec: {chart: charts/web}
-- releases/prod/config.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: shop}
",
        good: "\
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec: {chart: charts/web}
-- releases/prod/config.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: other}
",
    },
    Rule {
        name: RuleName::UnknownKey,
        severity: "error",
        doc: "A release, an Environment or kcfg.yaml has a key that nobody reads. The nearest known one is named.",
        bad: "\
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec: {chart: charts/web, valeus: {replicas: 2}}
",
        good: "\
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec: {chart: charts/web, values: {replicas: 2}}
",
    },
    Rule {
        name: RuleName::UnreadValue,
        severity: "warning",
        doc: "A release sets a value that no template of its chart reads: it is misspelt, or the chart lost it. Where \
              a template takes all values at once, the chart is not judged; a key that values.schema.json requires counts as \
              read.",
        bad: "\
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec:
  chart: charts/web
  values:
    replicas: 2
    image: {tagg: '1.28'}
",
        good: "\
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec:
  chart: charts/web
  values:
    replicas: 2
    image: {tag: '1.28'}
",
    },
    Rule {
        name: RuleName::ValuesSchema,
        severity: "error",
        doc: "The values do not fit the chart's values.schema.json; the release is not rendered.",
        bad: "\
-- charts/web/values.schema.json --
{\"properties\": {\"replicas\": {\"type\": \"integer\"}}}
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec:
  chart: charts/web
  values: {replicas: 'two'}
",
        good: "\
-- charts/web/values.schema.json --
{\"properties\": {\"replicas\": {\"type\": \"integer\"}}}
-- releases/prod/web.yaml --
apiVersion: kcfg.dev/v1
kind: Release
metadata: {name: web, namespace: shop}
spec:
  chart: charts/web
  values: {replicas: 2}
",
    },
];

/// docs/lint.md.
pub fn document() -> String {
    let mut text = String::from(
        "# Rules of `kcfg lint`\n\n\
         <!-- Written from src/lint/rules.rs: `UPDATE=1 cargo test` writes it anew. -->\n\n\
         `kcfg lint` looks at everything, or at what selectors (`prod/web`) and charts (`charts/web`) name; `kcfg check`\n\
         does so too. An error makes it exit with 1, a warning does not, unless `--deny-warnings` is given.\n\
         `--format json` and `--format github` (annotations of a pull request) are for machines. What keeps a release\n\
         from rendering, and what rendering it warns of, is reported under the name `render` where no rule has it.\n\n\
         The examples are tests. They add to this repository:\n",
    );
    let _ = writeln!(text, "\n```text\n{BASE}```");
    for rule in RULES {
        let Rule { name, severity, doc, bad, good } = rule;
        let name = name.as_str();
        let _ = write!(
            text,
            "\n## {name}\n\n{doc}\n\nSeverity: {severity}.\n\nBad:\n\n```text\n{bad}```\n\nGood:\n\n```text\n{good}```\n"
        );
    }
    text
}
