//! A repository to measure with: the same files for the same numbers, on every machine.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The small chart that is also measured by itself.
pub const CHART: &str = "charts/web-0";
/// How many charts the releases are spread over.
const CHARTS: usize = 8;
/// One more chart, that every fortieth release uses.
pub const RARE_CHART: &str = "charts/rare";
/// Each how many releases use it.
pub const RARE_EVERY: usize = 40;
/// How many releases an environment has.
const RELEASES_PER_ENVIRONMENT: usize = 100;
/// Objects that a chart gives beside its ConfigMaps.
const FIXED_OBJECTS: usize = 3; // Deployment, Service, the ConfigMap of values.yaml

/// Writes `releases` releases of `objects` objects each (at least 3), spread over environments and charts, and commits them.
pub fn write(folder: &Path, releases: usize, objects: usize) {
    for chart in 0..CHARTS {
        for (path, text) in CHART_FILES {
            put(folder, &format!("charts/web-{chart}/{path}"), &text.replace("@CHART@", &format!("web-{chart}")));
        }
    }
    for (path, text) in CHART_FILES {
        put(folder, &format!("{RARE_CHART}/{path}"), &text.replace("@CHART@", "rare"));
    }
    for release in 0..releases {
        let environment = format!("env-{:02}", release / RELEASES_PER_ENVIRONMENT);
        let name = format!("web-{release:04}");
        let chart = match release % RARE_EVERY {
            0 => RARE_CHART.to_owned(),
            _ => format!("charts/web-{}", release % CHARTS),
        };
        let mut text = format!(
            "apiVersion: helm.fluxcd.io/v1\nkind: HelmRelease\nmetadata:\n  name: {name}\n  namespace: team-{}\nspec:\n  \
             releaseName: {name}\n  chart:\n    git: git@example.com:example/config.git\n    ref: main\n    path: {chart}\n  values:\n    replicas: {}\n    \
             host: {name}.example.com\n    configs:\n",
            release % 10,
            release % 5 + 1,
        );
        for config in 0..objects.saturating_sub(FIXED_OBJECTS) {
            let _ = writeln!(
                text,
                "      c{config:02}: {{LEVEL: info, LIMIT: \"{}\", URL: \"https://{name}.example.com/{config}\"}}",
                release + config
            );
        }
        if objects <= FIXED_OBJECTS {
            text = text.replace("    configs:\n", "    configs: {}\n");
        }
        fs::create_dir_all(folder.join("releases").join(environment)).expect("a folder can be made");
        fs::write(release_path(folder, release), text).expect("a file can be written");
    }
    put(folder, "kcfg.yaml", "repository: git@example.com:example/config.git\nbranch: main\n");
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    git(folder, &["add", "--all"]);
    git(
        folder,
        &["-c", "user.name=Bench", "-c", "user.email=bench@example.com", "commit", "--quiet", "--message=generated"],
    );
}

/// The document of a release.
pub fn release_path(folder: &Path, release: usize) -> PathBuf {
    folder.join(format!("releases/env-{:02}/web-{release:04}.yaml", release / RELEASES_PER_ENVIRONMENT))
}

fn put(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
    fs::write(&path, text).expect("a file can be written");
}

pub fn git(folder: &Path, args: &[&str]) {
    // Git's own collection in the background would be measured too, and be in the way of ours.
    let settings = ["-c", "gc.auto=0", "-c", "maintenance.auto=false"];
    let status = Command::new("git").args(settings).args(args).current_dir(folder).status().expect("git can be run");
    assert!(status.success(), "git {args:?}");
}

/// A chart such as people write: helpers, labels, a checksum, conditions and loops.
const CHART_FILES: &[(&str, &str)] = &[
    ("Chart.yaml", "apiVersion: v2\nname: @CHART@\nversion: 1.2.3\nappVersion: \"4.5\"\n"),
    (
        "values.yaml",
        "replicas: 1\nhost: web.example.com\nimage: {repository: registry.example.com/web, tag: \"\", pullPolicy: IfNotPresent}\n\
         service: {type: ClusterIP, port: 80}\nresources:\n  limits: {cpu: 500m, memory: 128Mi}\n  requests: {cpu: 100m, memory: 64Mi}\n\
         nodeSelector: {}\ntolerations: []\nconfigs:\n  base: {LEVEL: info}\n",
    ),
    (
        "templates/_helpers.tpl",
        r#"{{- define "web.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}
{{- define "web.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
"#,
    ),
    (
        "templates/deployment.yaml",
        r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "web.fullname" . }}
  labels:
    {{- include "web.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      app: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app: {{ .Release.Name }}
      annotations:
        checksum/config: {{ include (print $.Template.BasePath "/configmap.yaml") . | sha256sum }}
    spec:
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          imagePullPolicy: {{ .Values.image.pullPolicy }}
          ports:
            - name: http
              containerPort: 8080
          envFrom:
          {{- range $name, $_ := .Values.configs }}
            - configMapRef:
                name: {{ include "web.fullname" $ }}-{{ $name }}
          {{- end }}
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
"#,
    ),
    (
        "templates/configmap.yaml",
        r#"{{- range $name, $data := .Values.configs }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "web.fullname" $ }}-{{ $name }}
  labels:
    {{- include "web.labels" $ | nindent 4 }}
data:
  {{- range $key, $value := $data }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
{{- end }}
"#,
    ),
    (
        "templates/service.yaml",
        r#"apiVersion: v1
kind: Service
metadata:
  name: {{ include "web.fullname" . }}
  labels:
    {{- include "web.labels" . | nindent 4 }}
spec:
  type: {{ .Values.service.type }}
  selector:
    app: {{ .Release.Name }}
  ports:
    - name: http
      port: {{ .Values.service.port }}
      targetPort: http
"#,
    ),
];
