//! Checksums, in hexadecimal, and Adler-32 in decimal.

use Param::Str;
use data_encoding::HEXLOWER;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::super::func::{Function, Host, Param};
use super::super::value::Value;
use super::{bytes, row};

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "sha1sum",
        &[Str],
        |host, args| Ok(digest::<Sha1>(host, &args[0])),
        "SHA-1.",
        &[("{{ sha1sum \"a\" }}", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8")],
    ),
    row(
        "sha256sum",
        &[Str],
        |host, args| Ok(digest::<Sha256>(host, &args[0])),
        "SHA-256.",
        &[("{{ sha256sum \"a\" }}", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")],
    ),
    row(
        "sha512sum",
        &[Str],
        |host, args| Ok(digest::<Sha512>(host, &args[0])),
        "SHA-512.",
        &[("{{ sha512sum \"\" | trunc 16 }}", "cf83e1357eefb8bd")],
    ),
    row(
        "adler32sum",
        &[Str],
        |host, args| Ok(noted(host, adler2::adler32_slice(bytes(&args[0])).to_string())),
        "Adler-32.",
        &[("{{ adler32sum \"a\" }}", "6422626")],
    ),
];

fn digest<D: Digest>(host: &mut dyn Host, value: &Value) -> Value {
    noted(host, HEXLOWER.encode(&D::digest(bytes(value))))
}

/// The checksum as a value, on record: it may be made of something random.
fn noted(host: &mut dyn Host, checksum: String) -> Value {
    host.note_checksum(&checksum);
    Value::str(checksum)
}
