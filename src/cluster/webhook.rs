//! Whether a request comes from the Git server: its signature, by the rules of GitHub, GitLab and Gitea.
//!
//! | server | header | what it holds |
//! |---|---|---|
//! | GitHub, Gitea, Forgejo | `X-Hub-Signature-256` | `sha256=` and HMAC-SHA256 of the body, hexadecimal |
//! | Gitea, Forgejo | `X-Gitea-Signature`, `X-Forgejo-Signature` | HMAC-SHA256 of the body, hexadecimal |
//! | GitLab, signing token | `webhook-signature` | `v1,` and HMAC-SHA256 of `id.timestamp.body`, base64 (Standard Webhooks) |
//! | GitLab, secret token | `X-Gitlab-Token` | the secret itself |
//!
//! A request is a nudge and nothing more: the ref is asked for, whatever the body says. So one that is sent again does
//! no harm, and neither its age nor its content is looked at. Everything is compared in constant time.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use http::HeaderMap;
use ring::hmac;

/// What the Git server and kcfg both know.
#[derive(Clone)]
pub struct WebhookSecret(String);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

impl WebhookSecret {
    /// The secret out of a file's text: without the line feed at its end.
    ///
    /// # Errors
    /// It is empty: everybody would know it.
    pub fn new(text: &str) -> Result<WebhookSecret, String> {
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err("the webhook's secret is empty".to_owned()),
            secret => Ok(WebhookSecret(secret.to_owned())),
        }
    }

    /// Whether who sent this knows the secret.
    pub fn accepts(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let key = self.0.as_bytes();
        let is_hex = |signature: &str| {
            HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).is_ok_and(|signature| verify(key, &[body], &signature))
        };
        if let Some(signature) = header("x-hub-signature-256") {
            return signature.strip_prefix("sha256=").is_some_and(is_hex);
        }
        if let Some(signature) = header("x-gitea-signature").or_else(|| header("x-forgejo-signature")) {
            return is_hex(signature);
        }
        if let Some(signatures) = header("webhook-signature") {
            let (Some(id), Some(timestamp)) = (header("webhook-id"), header("webhook-timestamp")) else { return false };
            // Standard Webhooks writes keys in base64 after this prefix.
            let decoded = self.0.strip_prefix("whsec_").and_then(|key| BASE64.decode(key.as_bytes()).ok());
            let key = decoded.as_deref().unwrap_or(key);
            let signed: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
            // There may be several, one for each key that is in force.
            return signatures.split(' ').filter_map(|signature| signature.strip_prefix("v1,")).any(|signature| {
                BASE64.decode(signature.as_bytes()).is_ok_and(|signature| verify(key, &signed, &signature))
            });
        }
        header("x-gitlab-token").is_some_and(|token| {
            // Of two signatures by one key the time to compare tells nothing about the texts.
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            hmac::verify(&key, token.as_bytes(), hmac::sign(&key, self.0.as_bytes()).as_ref()).is_ok()
        })
    }
}

fn verify(key: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::verify(&key, &parts.concat(), signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation: its secret, body and signature.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const HEX: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn accepts(headers: &[(&'static str, &str)]) -> bool {
        let map = headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        WebhookSecret::new(SECRET).unwrap().accepts(&map.collect(), BODY)
    }

    #[test]
    fn each_server_signs_in_its_way() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let signed = BASE64.encode(hmac::sign(&key, b"m1.1700000000.Hello, World!").as_ref());
        let (github, gitlab) = (format!("sha256={HEX}"), format!("v1,AAAA v1,{signed}"));
        let (id, time) = (("webhook-id", "m1"), ("webhook-timestamp", "1700000000"));
        for headers in [
            &[("x-hub-signature-256", github.as_str())][..],
            &[("x-gitea-signature", HEX)],
            &[("x-forgejo-signature", HEX)],
            &[("x-gitlab-token", SECRET)],
            &[id, time, ("webhook-signature", &gitlab)],
        ] {
            assert!(accepts(headers), "{headers:?}");
        }
        let wrong = HEX.replace('7', "8");
        for headers in [
            &[][..],
            &[("x-hub-signature-256", HEX)],
            &[("x-hub-signature-256", "sha256=")],
            &[("x-hub-signature", "sha1=00")],
            &[("x-gitea-signature", wrong.as_str())],
            &[("x-gitea-signature", &HEX[..62])],
            &[("x-gitlab-token", "It's a Secret")],
            &[("x-gitlab-token", "")],
            &[id, ("webhook-signature", &gitlab)],
            &[("webhook-id", "m2"), time, ("webhook-signature", &gitlab)],
            // The strongest one that is there decides.
            &[("x-hub-signature-256", "sha256=00"), ("x-gitlab-token", SECRET)],
        ] {
            assert!(!accepts(headers), "{headers:?}");
        }
    }

    #[test]
    fn keys_in_base64() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"raw key");
        let signature = format!("v1,{}", BASE64.encode(hmac::sign(&key, b"a.1.Hello, World!").as_ref()));
        let mut headers = HeaderMap::new();
        for (name, value) in [("webhook-id", "a"), ("webhook-timestamp", "1"), ("webhook-signature", &signature)] {
            headers.insert(name, value.parse().unwrap());
        }
        let secret = WebhookSecret::new(&format!("whsec_{}\n", BASE64.encode(b"raw key"))).unwrap();
        assert!(secret.accepts(&headers, BODY));
        assert!(WebhookSecret::new("\n").is_err());
    }
}
