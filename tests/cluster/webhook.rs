//! A mutating admission webhook: HTTPS on a port of the loopback that answers every review with a JSON patch.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use crate::http::{self, Connection};
use crate::repo::Repo;

/// A webhook that answers until the process ends.
pub struct Webhook {
    /// Where it listens.
    pub port: u16,
    /// Its certificate in PEM and base64, as `caBundle` takes it.
    pub authority: String,
}

/// Starts one; `patch` gives the operations for an object.
pub fn serve(patch: impl Fn(&Value) -> Vec<Value> + Send + Sync + 'static) -> Webhook {
    let (certificate, key) = certificate();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("it was just made")];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("it was just made");
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let config = Arc::new(config.expect("certificate and key belong together"));
    let wrap = move |connection| {
        let session = rustls::ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
        Ok(rustls::StreamOwned::new(session, connection))
    };
    let port = http::serve(wrap, move |asked, stream| {
        let review: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let operations = patch(&review["request"]["object"]);
        let patch = data_encoding::BASE64.encode(json!(operations).to_string().as_bytes());
        let answer = json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {"uid": review["request"]["uid"], "allowed": true, "patchType": "JSONPatch", "patch": patch},
        });
        http::answer(stream, 200, &[("Content-Type", "application/json")], answer.to_string().as_bytes())?;
        Ok(Connection::Keep)
    });
    Webhook { port, authority: data_encoding::BASE64.encode(certificate.as_bytes()) }
}

/// A certificate for the loopback and its key, as PEM, made by the template function that charts use for it.
fn certificate() -> (String, String) {
    let repo = Repo::new(
        r#"
        -- chart/Chart.yaml --
        apiVersion: v2
        name: certificate
        version: 1.0.0
        -- chart/templates/certificate.yaml --
        {{- $made := genSelfSignedCert "127.0.0.1" (list "127.0.0.1") nil 30 }}
        apiVersion: v1
        kind: Secret
        metadata: {name: certificate}
        data: {cert: {{ $made.Cert | b64enc }}, key: {{ $made.Key | b64enc }}}
        "#,
    );
    let text = repo.kcfg(&["template", "certificate", "chart"]).code(0).stdout;
    let part = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}: ")).expect("it is printed");
        let base64: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "+/=".contains(*c)).collect();
        String::from_utf8(data_encoding::BASE64.decode(base64.as_bytes()).expect("it is base64")).expect("it is PEM")
    };
    (part("cert"), part("key"))
}
