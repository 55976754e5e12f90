//! Private keys: made, read from PEM, written as PEM, used to sign.
//!
//! The primes of RSA keys are found here (`primes`), the crate `rsa` makes keys of them, all signing is ring's. The fixed generators have keys of their own, in
//! `keys/`: those are published with the source and protect nothing.

use Param::Str;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rsa::BoxedUint;
use rsa::pkcs1::EncodeRsaPrivateKey;

use super::super::func::{Function, Generator, Host, Param};
use super::super::value::Value;
use super::der::{
    INTEGER, NULL, OCTET_STRING, OID, SEQUENCE, bit_string, from_pem, integer, sequence, take, take_tag, tlv, to_pem,
};
use super::{primes, row, text};

pub(super) const FUNCTIONS: &[Function] = &[row(
    "genPrivateKey",
    &[Str],
    |host, args| generate(host, &text(&args[0])).map(Value::str),
    "A new private key in PEM: rsa (4096 bits), ecdsa (P-256), ed25519 or dsa.",
    &[("{{ genPrivateKey \"ed25519\" | trunc 27 }}", "-----BEGIN PRIVATE KEY-----")],
)];

/// A private key.
pub(super) enum Key {
    /// PKCS #1, as DER.
    Rsa(Vec<u8>),
    Ec {
        curve: Curve,
        private: Vec<u8>,
        public: Vec<u8>,
    },
    Ed25519 {
        seed: [u8; 32],
    },
    /// OpenSSL's form, as DER; it cannot sign certificates, in Go neither.
    Dsa(Vec<u8>),
}

/// The curves that can sign here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

// Object identifiers, as DER.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ECDSA_SHA384: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

impl Curve {
    fn oid(self) -> &'static [u8] {
        match self {
            Curve::P256 => P256,
            Curve::P384 => P384,
        }
    }

    fn from_oid(oid: &[u8]) -> Option<Curve> {
        [Curve::P256, Curve::P384].into_iter().find(|curve| curve.oid() == oid)
    }

    fn algorithm(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        }
    }
}

/// The sets of keys that the fixed generators have; the numbers are those of [`Generator::fixed_keys`].
struct FixedKeys {
    rsa_2048: &'static str,
    rsa_4096: &'static str,
    ecdsa: &'static str,
    dsa: &'static str,
}

const FIXED: [FixedKeys; 2] = [
    FixedKeys {
        rsa_2048: include_str!("keys/rsa-2048-0.pem"),
        rsa_4096: include_str!("keys/rsa-4096-0.pem"),
        ecdsa: include_str!("keys/ecdsa-0.pem"),
        dsa: include_str!("keys/dsa-0.pem"),
    },
    FixedKeys {
        rsa_2048: include_str!("keys/rsa-2048-1.pem"),
        rsa_4096: include_str!("keys/rsa-4096-1.pem"),
        ecdsa: include_str!("keys/ecdsa-1.pem"),
        dsa: include_str!("keys/dsa-1.pem"),
    },
];

/// A new RSA key of 2048 bits, for a certificate.
pub(super) fn new_rsa(generator: &mut dyn Generator) -> Result<Key, String> {
    rsa_key::<16, 20>(generator, |fixed| fixed.rsa_2048)
}

/// A key of two primes of 64 × `N` bits, which `L` limbs of 52 bits hold with four to spare.
fn rsa_key<const N: usize, const L: usize>(
    generator: &mut dyn Generator,
    fixed: fn(&FixedKeys) -> &'static str,
) -> Result<Key, String> {
    // Asked in any case, so that the generator counts as used.
    let mut unused = [0; 1];
    generator.fill(&mut unused);
    if let Some(variant) = generator.fixed_keys() {
        return Key::parse(fixed(&FIXED[variant.min(1)]));
    }
    let failed = |error: &dyn std::fmt::Display| format!("error generating rsa key: {error}");
    let [p, q] = primes::two_primes::<N, L>(&mut |bytes| generator.fill(bytes))
        .map(|prime| BoxedUint::from_be_slice_vartime(&prime));
    // It checks that the parts belong together.
    let key = rsa::PrivateKey::from_p_q(p, q, primes::PUBLIC_EXPONENT.into()).map_err(|error| failed(&error))?;
    let der = key.to_pkcs1_der().map_err(|error| failed(&error))?;
    Ok(Key::Rsa(der.as_bytes().to_vec()))
}

fn generate(host: &mut dyn Host, kind: &str) -> Result<String, String> {
    let generator = host.generator();
    let mut seed = [0; 32];
    match kind {
        "" | "rsa" => Ok(rsa_key::<32, 40>(generator, |fixed| fixed.rsa_4096)?.to_pem()),
        "ed25519" => {
            generator.fill(&mut seed);
            Ok(Key::Ed25519 { seed }.to_pem())
        }
        "ecdsa" | "dsa" => {
            generator.fill(&mut seed);
            match (generator.fixed_keys(), kind) {
                (Some(variant), "dsa") => Ok(FIXED[variant.min(1)].dsa.to_owned()),
                (Some(variant), _) => Ok(Key::parse(FIXED[variant.min(1)].ecdsa)?.to_pem()),
                (None, "dsa") => Err("DSA keys are not made any more; use \"ecdsa\" or \"ed25519\"".into()),
                (None, _) => new_ecdsa().map(|key| key.to_pem()).ok_or_else(|| "no ECDSA key could be made".into()),
            }
        }
        _ => Ok(format!("Unknown type {kind}")),
    }
}

fn new_ecdsa() -> Option<Key> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).ok()?;
    Key::from_pkcs8(document.as_ref())
}

impl Key {
    /// sprig's `parsePrivateKeyPEM`.
    pub(super) fn parse(pem: &str) -> Result<Key, String> {
        let (label, der) = from_pem(pem).ok_or("no PEM data in input")?;
        if label == "PRIVATE KEY" {
            return Key::from_pkcs8(&der)
                .ok_or_else(|| "decoding PEM as PKCS#8: x509: failed to parse private key".into());
        }
        let Some(kind) = label.strip_suffix(" PRIVATE KEY") else {
            return Err(format!("no private key data in PEM block of type {label}"));
        };
        let failed = || format!("parsing {kind} private key from PEM: x509: failed to parse private key");
        match kind {
            "RSA" => rsa_public(&der).map(|_| Key::Rsa(der.clone())).ok_or_else(failed),
            "EC" => Key::from_sec1(&der, None).ok_or_else(failed),
            "DSA" => take_tag(&mut &der[..], SEQUENCE).map(|_| Key::Dsa(der.clone())).ok_or_else(failed),
            _ => Err(format!("invalid private key type {label}")),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Option<Key> {
        let mut key = take_tag(&mut &der[..], SEQUENCE)?.content;
        take_tag(&mut key, INTEGER)?;
        let mut algorithm = take_tag(&mut key, SEQUENCE)?.content;
        let oid = take_tag(&mut algorithm, OID)?.content;
        let inner = take_tag(&mut key, OCTET_STRING)?.content;
        if oid == RSA {
            rsa_public(inner)?;
            return Some(Key::Rsa(inner.to_vec()));
        }
        if oid == EC {
            let curve = Curve::from_oid(take_tag(&mut algorithm, OID)?.content)?;
            return Key::from_sec1(inner, Some(curve));
        }
        if oid == ED25519 {
            let seed = take_tag(&mut &inner[..], OCTET_STRING)?.content;
            return Some(Key::Ed25519 { seed: seed.try_into().ok()? });
        }
        None
    }

    /// RFC 5915; the public key must be there, as every tool writes it.
    fn from_sec1(der: &[u8], curve: Option<Curve>) -> Option<Key> {
        const PARAMETERS: u8 = 0xa0;
        const PUBLIC_KEY: u8 = 0xa1;
        let mut key = take_tag(&mut &der[..], SEQUENCE)?.content;
        take_tag(&mut key, INTEGER)?;
        let private = take_tag(&mut key, OCTET_STRING)?.content;
        let named = match take_tag(&mut key, PARAMETERS) {
            Some(parameters) => Curve::from_oid(take_tag(&mut &parameters.content[..], OID)?.content),
            None => None,
        };
        let bits = take(&mut &*take_tag(&mut key, PUBLIC_KEY)?.content)?.content;
        let (public, private) = (bits.get(1..)?.to_vec(), private.to_vec());
        Some(Key::Ec { curve: named.or(curve)?, private, public })
    }

    /// sprig's `pemBlockForKey`.
    pub(super) fn to_pem(&self) -> String {
        match self {
            Key::Rsa(der) => to_pem("RSA PRIVATE KEY", der),
            Key::Dsa(der) => to_pem("DSA PRIVATE KEY", der),
            Key::Ec { curve, private, public } => {
                let parameters = tlv(0xa0, &tlv(OID, curve.oid()));
                let public = tlv(0xa1, &bit_string(public));
                let der = sequence(&[&integer(&[1]), &tlv(OCTET_STRING, private), &parameters, &public]);
                to_pem("EC PRIVATE KEY", &der)
            }
            Key::Ed25519 { seed } => {
                let algorithm = sequence(&[&tlv(OID, ED25519)]);
                let der = sequence(&[&integer(&[0]), &algorithm, &tlv(OCTET_STRING, &tlv(OCTET_STRING, seed))]);
                to_pem("PRIVATE KEY", &der)
            }
        }
    }

    /// The bytes of the public key and the `SubjectPublicKeyInfo` around them.
    pub(super) fn public(&self) -> Result<(Vec<u8>, Vec<u8>), String> {
        let (algorithm, public) = match self {
            Key::Rsa(der) => {
                let public = rsa_public(der).ok_or("x509: failed to parse private key")?;
                (sequence(&[&tlv(OID, RSA), &tlv(NULL, &[])]), public)
            }
            Key::Ec { curve, public, .. } => (sequence(&[&tlv(OID, EC), &tlv(OID, curve.oid())]), public.clone()),
            Key::Ed25519 { seed } => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|error| error.to_string())?;
                (sequence(&[&tlv(OID, ED25519)]), pair.public_key().as_ref().to_vec())
            }
            Key::Dsa(_) => return Err("x509: unsupported public key type: *dsa.PublicKey".into()),
        };
        let info = sequence(&[&algorithm, &bit_string(&public)]);
        Ok((public, info))
    }

    /// The identifier of the algorithm that signs, as X.509 wants it.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            Key::Rsa(_) | Key::Dsa(_) => sequence(&[&tlv(OID, RSA_SHA256), &tlv(NULL, &[])]),
            Key::Ec { curve: Curve::P256, .. } => sequence(&[&tlv(OID, ECDSA_SHA256)]),
            Key::Ec { curve: Curve::P384, .. } => sequence(&[&tlv(OID, ECDSA_SHA384)]),
            Key::Ed25519 { .. } => sequence(&[&tlv(OID, ED25519)]),
        }
    }

    /// Signs; ECDSA takes randomness of the system's for it, which ring does not let anybody replace.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let failed = |error: String| format!("the key cannot sign: {error}");
        match self {
            Key::Rsa(der) => {
                // ring wants 2048 to 4096 bits.
                let pair = RsaKeyPair::from_der(der).map_err(|error| failed(error.to_string()))?;
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .map_err(|error| failed(error.to_string()))?;
                Ok(signature)
            }
            Key::Ec { curve, private, public } => {
                let random = SystemRandom::new();
                let pair = EcdsaKeyPair::from_private_key_and_public_key(curve.algorithm(), private, public, &random);
                let pair = pair.map_err(|error| failed(error.to_string()))?;
                let signature = pair.sign(&random, message).map_err(|error| failed(error.to_string()))?;
                Ok(signature.as_ref().to_vec())
            }
            Key::Ed25519 { seed } => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|error| failed(error.to_string()))?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
            Key::Dsa(_) => Err("x509: only RSA, ECDSA and Ed25519 keys supported".into()),
        }
    }
}

/// Modulus and exponent of a PKCS #1 private key, as a public one.
fn rsa_public(der: &[u8]) -> Option<Vec<u8>> {
    let mut key = take_tag(&mut &der[..], SEQUENCE)?.content;
    take_tag(&mut key, INTEGER)?;
    let modulus = take_tag(&mut key, INTEGER)?.whole;
    let exponent = take_tag(&mut key, INTEGER)?.whole;
    take_tag(&mut key, INTEGER)?;
    Some(sequence(&[modulus, exponent]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for fixed in &FIXED {
            for pem in [fixed.rsa_2048, fixed.rsa_4096, fixed.ecdsa, fixed.dsa] {
                assert_eq!(Key::parse(pem).unwrap().to_pem(), pem);
            }
        }
        let key = Key::Ed25519 { seed: [7; 32] };
        assert_eq!(Key::parse(&key.to_pem()).unwrap().to_pem(), key.to_pem());
        assert!(new_ecdsa().unwrap().sign(b"message").is_ok());
    }

    #[test]
    fn the_fixed_generators_have_different_keys() {
        let [a, b] = &FIXED;
        assert!(a.rsa_2048 != b.rsa_2048 && a.rsa_4096 != b.rsa_4096 && a.ecdsa != b.ecdsa && a.dsa != b.dsa);
    }
}
