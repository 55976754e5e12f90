//! The text of a known_hosts file → which keys a host may show, by the rules of OpenSSH's sshd(8).
//!
//! Host patterns with `*`, `?` and `!`, hashed names (`|1|salt|hash`), `[host]:port`, and the marker `@revoked`. Absent:
//! `@cert-authority`; kcfg asks servers for plain keys.

use data_encoding::BASE64;
use ring::hmac;
use russh::keys::{Algorithm, PublicKey, parse_public_key_base64};

/// Why a host's key is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The file has no line for the host.
    UnknownHost,
    /// It has lines, of other keys.
    OtherKey,
    /// The key is marked as revoked.
    Revoked,
}

/// The keys of one host.
#[derive(Debug, Default)]
pub(super) struct HostKeys {
    trusted: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
    /// Types of keys that cannot be read, for the message.
    pub unread: Vec<String>,
}

impl HostKeys {
    /// The keys that a file gives for a host.
    pub(super) fn read(text: &str, host: &str, port: u16) -> HostKeys {
        let name =
            if port == 22 { host.to_ascii_lowercase() } else { format!("[{}]:{port}", host.to_ascii_lowercase()) };
        let mut keys = HostKeys::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.split_ascii_whitespace();
            let first = words.next().unwrap_or_default();
            let (marker, hosts) = match first.strip_prefix('@') {
                Some(marker) => (marker, words.next().unwrap_or_default()),
                None => ("", first),
            };
            let (Some(kind), Some(key)) = (words.next(), words.next()) else { continue };
            if marker == "cert-authority" || !matches_host(hosts, &name) {
                continue;
            }
            match parse_public_key_base64(key) {
                Ok(key) if marker == "revoked" => keys.revoked.push(key),
                Ok(key) => keys.trusted.push(key),
                Err(_) => keys.unread.push(kind.to_owned()),
            }
        }
        keys
    }

    /// Whether the host may show this key.
    pub(super) fn check(&self, key: &PublicKey) -> Result<(), Refusal> {
        let has = |keys: &[PublicKey]| keys.iter().any(|known| known.key_data() == key.key_data());
        match () {
            () if has(&self.revoked) => Err(Refusal::Revoked),
            () if has(&self.trusted) => Ok(()),
            () if self.trusted.is_empty() => Err(Refusal::UnknownHost),
            () => Err(Refusal::OtherKey),
        }
    }

    /// The types of key to ask the server for: a server with several shows the one that is known.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let mut algorithms: Vec<Algorithm> = Vec::new();
        for algorithm in self.trusted.iter().map(PublicKey::algorithm) {
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        algorithms
    }
}

/// Whether the first word of a line is about a host.
fn matches_host(hosts: &str, name: &str) -> bool {
    if let Some(hashed) = hosts.strip_prefix("|1|") {
        let Some((salt, hash)) = hashed.split_once('|') else { return false };
        let (Ok(salt), Ok(hash)) = (BASE64.decode(salt.as_bytes()), BASE64.decode(hash.as_bytes())) else {
            return false;
        };
        return hmac::verify(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt), name.as_bytes(), &hash)
            .is_ok();
    }
    let mut is_match = false;
    for pattern in hosts.split(',') {
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('!') {
            Some(pattern) if matches_pattern(pattern.as_bytes(), name.as_bytes()) => return false,
            Some(_) => {}
            None => is_match |= matches_pattern(pattern.as_bytes(), name.as_bytes()),
        }
    }
    is_match
}

/// `*` stands for any text, `?` for one character. Linear in the pattern times the name.
fn matches_pattern(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(c) if *c == b'?' || *c == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => match star {
                Some((star_at, from)) => {
                    star = Some((star_at, from + 1));
                    at = star_at + 1;
                    in_name = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn check(line: &str, host: &str, port: u16) -> Result<(), Refusal> {
        HostKeys::read(line, host, port).check(&parse_public_key_base64(A).unwrap())
    }

    #[test]
    fn lines_and_hosts() {
        let known = Ok(());
        let unknown = Err(Refusal::UnknownHost);
        for (hosts, host, port, expected) in [
            ("git.example", "git.example", 22, &known),
            ("GIT.example", "git.Example", 22, &known),
            ("git.example", "git.example", 2222, &unknown),
            ("[git.example]:2222", "git.example", 2222, &known),
            ("other,git.example", "git.example", 22, &known),
            ("*.example", "git.example", 22, &known),
            ("g?t.*", "git.example", 22, &known),
            ("*.example,!git.example", "git.example", 22, &unknown),
            ("*a*b", "git.example", 22, &unknown),
            ("", "git.example", 22, &unknown),
            // ssh-keygen -H of `git.example`.
            ("|1|broken", "git.example", 22, &unknown),
        ] {
            assert_eq!(
                &check(&format!("# a comment\n\n{hosts} ssh-ed25519 {A} me@x\n"), host, port),
                expected,
                "{hosts}"
            );
        }
    }

    #[test]
    fn hashed_names() {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"twenty bytes of salt");
        let hash = hmac::sign(&key, b"[git.example]:2222");
        let salt = BASE64.encode(b"twenty bytes of salt");
        let line = format!("|1|{salt}|{} ssh-ed25519 {A}", BASE64.encode(hash.as_ref()));
        assert_eq!(check(&line, "git.example", 2222), Ok(()));
        assert_eq!(check(&line, "git.example", 22), Err(Refusal::UnknownHost));
    }

    #[test]
    fn other_keys_and_markers() {
        assert_eq!(check(&format!("h ssh-ed25519 {B}"), "h", 22), Err(Refusal::OtherKey));
        assert_eq!(check(&format!("h ssh-ed25519 {B}\nh ssh-ed25519 {A}"), "h", 22), Ok(()));
        assert_eq!(check(&format!("h ssh-ed25519 {A}\n@revoked * ssh-ed25519 {A}"), "h", 22), Err(Refusal::Revoked));
        assert_eq!(check(&format!("@cert-authority h ssh-ed25519 {A}"), "h", 22), Err(Refusal::UnknownHost));
        let keys = HostKeys::read("h ssh-future AAAA", "h", 22);
        assert_eq!(keys.unread, ["ssh-future"]);
    }
}
