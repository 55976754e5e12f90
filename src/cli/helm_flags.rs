//! Flags of `helm template` that `kcfg template` does not have, for those whose hands still write them: what to do instead.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::Diagnostic;

const CHARTS_ARE_FOLDERS: &str = "charts are folders of the repository: put the chart there, and commit it";
const ASKS_NO_CLUSTER: &str = "rendering asks no cluster; `kcfg apply ENV --dry-run` and `kcfg diff --live ENV` do";
const APPLYING: &str = "it is about applying, which `kcfg apply` does";
const NOTES: &str = "NOTES.txt is run, but not printed";

/// By flag: what to do instead.
const FLAGS: &[(&str, &str)] = &[
    ("--atomic", APPLYING),
    ("--ca-file", CHARTS_ARE_FOLDERS),
    ("--cert-file", CHARTS_ARE_FOLDERS),
    ("--create-namespace", APPLYING),
    ("--debug", "errors name file, line and column of what is wrong; the output before an error is not shown"),
    ("--dependency-update", "put the dependencies below the chart's charts/ and commit them"),
    ("--devel", CHARTS_ARE_FOLDERS),
    ("--disable-openapi-validation", ASKS_NO_CLUSTER),
    ("--dry-run", ASKS_NO_CLUSTER),
    ("--enable-dns", "no name is looked up while rendering: getHostByName gives an empty text"),
    ("--force", APPLYING),
    ("--generate-name", "`--name-template TEMPLATE` makes a name; without a name it is release-name"),
    ("--hide-notes", NOTES),
    ("--insecure-skip-tls-verify", CHARTS_ARE_FOLDERS),
    ("--keyring", CHARTS_ARE_FOLDERS),
    ("--key-file", CHARTS_ARE_FOLDERS),
    ("--kube-apiserver", ASKS_NO_CLUSTER),
    ("--kube-context", ASKS_NO_CLUSTER),
    ("--kubeconfig", ASKS_NO_CLUSTER),
    ("--output-dir", "`kcfg render` writes a file for each object of a release; here redirect the output: > FILE"),
    ("--pass-credentials", CHARTS_ARE_FOLDERS),
    ("--password", CHARTS_ARE_FOLDERS),
    ("--plain-http", CHARTS_ARE_FOLDERS),
    ("--post-renderer", "pipe the output into the program"),
    ("--post-renderer-args", "pipe the output into the program"),
    ("--registry-config", CHARTS_ARE_FOLDERS),
    ("--release-name", "it names folders of --output-dir, which is not there either; the name is the first argument"),
    ("--render-subchart-notes", NOTES),
    ("--repo", CHARTS_ARE_FOLDERS),
    ("--repository-cache", CHARTS_ARE_FOLDERS),
    ("--repository-config", CHARTS_ARE_FOLDERS),
    ("--skip-crds", "leave it out: the files of crds/ are shown with --include-crds only"),
    ("--take-ownership", APPLYING),
    ("--timeout", APPLYING),
    ("--username", CHARTS_ARE_FOLDERS),
    ("--validate", ASKS_NO_CLUSTER),
    ("--verify", CHARTS_ARE_FOLDERS),
    ("--version", CHARTS_ARE_FOLDERS),
    ("--wait", APPLYING),
    ("--wait-for-jobs", APPLYING),
];

/// The error for a flag that helm has, if that is what is wrong with a command line for `kcfg template`.
pub(super) fn explain(error: &clap::Error) -> Option<Diagnostic> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return None };
    let (flag, help) = FLAGS.iter().find(|(name, _)| name == flag)?;
    let is_unknown = error.kind() == ErrorKind::UnknownArgument;
    is_unknown.then(|| Diagnostic::error(format!("kcfg template has no {flag}")).help(*help))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn of(arguments: &str) -> Option<Diagnostic> {
        let arguments: Vec<OsString> = arguments.split(' ').map(Into::into).collect();
        super::super::parse(&arguments).err().and_then(|error| explain(&error))
    }

    #[test]
    fn every_flag_of_helm_is_explained_and_none_is_there() {
        for (flag, help) in FLAGS {
            for arguments in [format!("{flag} x"), format!("{flag}=x")] {
                let error = of(&format!("kcfg template web charts/web {arguments}")).expect(flag).to_string();
                assert!(error.contains(&format!("kcfg template has no {flag}")) && error.contains(help), "{error}");
            }
        }
        for arguments in ["template web charts/web --values", "template web charts/web --nothing", "template"] {
            assert!(of(&format!("kcfg {arguments}")).is_none(), "{arguments}");
        }
    }
}
