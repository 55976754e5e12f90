//! A Git server's address → a connection to one of its services: HTTPS with a token, SSH with a deploy key, or a folder.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use gix::bstr::ByteSlice as _;
use gix::protocol::transport::client::blocking_io::{Transport, connect, http};
use gix::protocol::transport::{Protocol, Service, client};
use gix::url::Scheme;

use super::super::GitCredentials;
use super::{FetchLimits, ssh};
use crate::error::Diagnostic;

/// The user that goes with a token where the URL names none; GitHub asks for this one, others take any.
const TOKEN_USER: &str = "x-access-token";

/// Where a remote repository is.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: gix::Url,
    certificates: Option<Vec<u8>>,
    pub(super) limits: FetchLimits,
}

/// A transport, and what it is configured with.
pub(super) type Connected = (Box<dyn Transport + Send>, Option<Box<dyn Any>>);

impl Endpoint {
    /// Reads an address. `certificates` are further certificate authorities for HTTPS, in PEM.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn new(url: &str, certificates: Option<Vec<u8>>) -> Result<Endpoint, Diagnostic> {
        let help = "as in ssh://git@host/owner/name.git, git@host:owner/name.git or https://host/owner/name.git";
        let parsed = gix::url::parse(url).map_err(|error| {
            Diagnostic::error(format!("`{url}` is no address of a Git repository: {error}")).help(help)
        })?;
        if !matches!(parsed.scheme, Scheme::Https | Scheme::Http | Scheme::Ssh | Scheme::File) {
            let message = format!("`{}` cannot be fetched from: kcfg speaks HTTPS and SSH", shown(&parsed));
            return Err(Diagnostic::error(message).help(help));
        }
        if parsed.password().is_some() {
            return Err(Diagnostic::error("the address holds a password, which logs and status would show")
                .help("put it in a file and name that with --git-token-file"));
        }
        Ok(Endpoint { url: parsed, certificates, limits: FetchLimits::default() })
    }

    /// The address as it may be shown.
    pub fn url(&self) -> String {
        shown(&self.url)
    }

    pub(super) fn address(&self) -> &gix::Url {
        &self.url
    }

    pub(super) fn connect(
        &self,
        service: Service,
        credentials: &GitCredentials,
        stderr: &ssh::Stderr,
    ) -> Result<Connected, Diagnostic> {
        // Pushing has no version 2.
        let version = if service == Service::UploadPack { Protocol::V2 } else { Protocol::V1 };
        match (&self.url.scheme, credentials) {
            (Scheme::Ssh, GitCredentials::Ssh { key, known_hosts }) => {
                Ok((Box::new(ssh::connect(&self.url, service, key, known_hosts, self.limits, stderr)?), None))
            }
            (Scheme::Ssh, _) => Err(Diagnostic::error(format!("{} needs a deploy key", self.url()))
                .help("name it with --git-ssh-key-file, and the host's key with --git-known-hosts-file")),
            (Scheme::Http | Scheme::Https, _) => self.connect_http(version, credentials),
            _ => {
                let options = connect::Options { version, ..connect::Options::default() };
                let opened = connect::connect(self.url.clone(), options);
                Ok((opened.map_err(|error| self.failed("opening", &error))?, None))
            }
        }
    }

    fn connect_http(&self, version: Protocol, credentials: &GitCredentials) -> Result<Connected, Diagnostic> {
        // Another part of the program may have installed it already; it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut transport = http::connect::<http::reqwest::Remote>(self.url.clone(), version, false);
        if let GitCredentials::Token(token) = credentials {
            if self.url.scheme != Scheme::Https {
                return Err(Diagnostic::error(format!("the token is not sent to {} in clear text", self.url()))
                    .help("write https://"));
            }
            let account = client::Account {
                username: self.url.user().unwrap_or(TOKEN_USER).to_owned(),
                password: token.trim().to_owned(),
                oauth_refresh_token: None,
            };
            client::TransportWithoutIO::set_identity(&mut transport, account)
                .map_err(|error| self.failed("logging in", &error))?;
        }
        let certificates = match &self.certificates {
            None => Vec::new(),
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem).map_err(|error| {
                Diagnostic::error(format!("the certificate authorities for {} cannot be read: {error}", self.url()))
                    .help("the file holds certificates in PEM: -----BEGIN CERTIFICATE-----")
            })?,
        };
        let FetchLimits { connect, idle, .. } = self.limits;
        let backend = http::reqwest::Options {
            configure_client: Some(Box::new(move |mut builder| {
                builder = builder.connect_timeout(connect).timeout(idle);
                for certificate in &certificates {
                    builder = builder.add_root_certificate(certificate.clone());
                }
                Ok(builder)
            })),
            configure_request: None,
        };
        let options = http::Options { backend: Some(Arc::new(Mutex::new(backend))), ..http::Options::default() };
        Ok((Box::new(transport), Some(Box::new(options))))
    }

    pub(super) fn failed(&self, what: &str, error: &dyn std::error::Error) -> Diagnostic {
        let text = causes(error);
        let is_refused = ["401", "403", "authenticat"].iter().any(|word| text.to_lowercase().contains(word));
        let help = match is_refused {
            true => "the server refuses the credentials: see that the token is valid and may read this repository",
            false => "the last good commit stays in force; the next poll tries again",
        };
        Diagnostic::error(format!("{what} {}: {text}", self.url())).help(help)
    }
}

/// What an error says, and what caused it.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if causes.last() != Some(&text) {
            causes.push(text);
        }
        source = cause.source();
    }
    causes.join(": ")
}

/// Adds what the server said on its error output.
pub(super) fn with_words(error: Diagnostic, stderr: &ssh::Stderr) -> Diagnostic {
    let said = stderr.lock().unwrap_or_else(PoisonError::into_inner);
    match said.trim() {
        "" => error,
        said => error.note(format!("the server says: {said}"), None),
    }
}

fn shown(url: &gix::Url) -> String {
    url.to_bstring().to_str_lossy().into_owned()
}
