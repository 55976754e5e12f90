//! `.Capabilities`: what the cluster is taken to offer, as Helm 3.22 has it when nothing else is said.

use super::{Capabilities, KubeVersion};
use crate::chart::Chart;
use crate::error::Diagnostic;
use crate::semver::is_compatible;

/// The Kubernetes version of Helm 3.22's own client library, which its releases use by default.
pub const KUBE_VERSION_DEFAULT: &str = "v1.37.0";
/// `.Capabilities.HelmVersion.Version`.
pub const HELM_VERSION: &str = "v3.22.0";

/// The group/versions of Helm 3.22's client library, in its order (`helm template` with `.Capabilities.APIVersions`).
pub const API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

impl Capabilities {
    /// Helm's default API versions and some more, for a Kubernetes version.
    pub fn new(kube_version: KubeVersion, more_api_versions: &[String]) -> Capabilities {
        let default = API_VERSIONS.iter().map(|version| (*version).to_owned());
        Capabilities { kube_version, api_versions: default.chain(more_api_versions.iter().cloned()).collect() }
    }
}

impl Capabilities {
    /// Checks the `kubeVersion` that a chart asks for. As in Helm only the top chart is asked, not its subcharts.
    ///
    /// # Errors
    /// The chart wants another Kubernetes version.
    pub fn check_chart(&self, chart: &Chart) -> Result<(), Diagnostic> {
        let (wanted, version) = (&chart.metadata.kube_version, &self.kube_version.version);
        if wanted.is_empty() || is_compatible(wanted, version) {
            return Ok(());
        }
        let mut error = Diagnostic::error(format!("the chart asks for Kubernetes {wanted}, and this is {version}"))
            .help("set the Kubernetes version that the cluster has: `kubeVersion` of the Environment or of kcfg.yaml, --kube-version");
        error.place = chart.metadata_place("kubeVersion");
        Err(error)
    }
}

impl Default for Capabilities {
    fn default() -> Capabilities {
        Capabilities::new(KubeVersion::default(), &[])
    }
}

impl Default for KubeVersion {
    /// [`KUBE_VERSION_DEFAULT`].
    fn default() -> KubeVersion {
        KubeVersion { version: KUBE_VERSION_DEFAULT.into(), major: "1".into(), minor: "37".into() }
    }
}

impl KubeVersion {
    /// Reads what `--kube-version` takes, as Helm does: two or more numbers, of which what follows is dropped
    /// (`1.28.3-gke.1` gives `v1.28.3`).
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<KubeVersion, String> {
        let body = text.trim_start();
        let body = body.strip_prefix('v').unwrap_or(body);
        let end = body.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(body.len());
        let numbers = body[..end].trim_end_matches('.');
        let components: Vec<&str> = numbers.split('.').take_while(|component| !component.is_empty()).collect();
        if components.is_empty() {
            return Err(format!("could not parse {text:?} as version"));
        }
        if components.len() < 2 {
            return Err(format!("illegal version string {text:?}"));
        }
        if components[0].starts_with('0') && components[0] != "0" {
            return Err(format!("illegal zero-prefixed version component {:?} in {text:?}", components[0]));
        }
        let mut parsed = Vec::new();
        for component in components {
            let number: u64 = component
                .parse()
                .map_err(|_| format!("illegal non-numeric version component {component:?} in {text:?}"))?;
            parsed.push(number.to_string());
        }
        Ok(KubeVersion {
            version: format!("v{}", parsed.join(".")),
            major: parsed[0].clone(),
            minor: parsed[1].clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_helm_reads_them() {
        let check = |text, expected: Option<&str>| {
            assert_eq!(KubeVersion::parse(text).ok().map(|v| v.version), expected.map(Into::into), "{text}");
        };
        check("1.33", Some("v1.33"));
        check("v1.33.0", Some("v1.33.0"));
        check("1.28.3-gke.1", Some("v1.28.3"));
        check("1.33+", Some("v1.33"));
        check("1.033.0", Some("v1.33.0"));
        check("1", None);
        check("x", None);
        check("", None);
        check("01.2", None);
        assert_eq!(KubeVersion::parse(KUBE_VERSION_DEFAULT), Ok(KubeVersion::default()));
    }
}
