//! Random texts and passwords: everything random comes from the host's generator (sprig's crypto.go and goutils).

use Param::{Int, Str, Uint32};
use data_encoding::BASE64;

use super::super::func::{Function, Host, Param};
use super::super::random_text::Alphabet;
use super::super::value::Value;
use super::ciphers::{BLOCK, decrypt_cbc, encrypt_cbc, hmac_sha256, scrypt};
use super::encoding::decode_base64;
use super::{TEXT_BYTES_MAX, bytes, int, row, text};

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "randAlphaNum",
        &[Int],
        |host, args| random(host, Alphabet::Alphanumeric, &args[0]),
        "Random letters and digits.",
        &[("{{ randAlphaNum 8 | len }}", "8")],
    ),
    row(
        "randAlpha",
        &[Int],
        |host, args| random(host, Alphabet::Letters, &args[0]),
        "Random letters.",
        &[("{{ regexMatch \"^[a-zA-Z]{5}$\" (randAlpha 5) }}", "true")],
    ),
    row(
        "randNumeric",
        &[Int],
        |host, args| random(host, Alphabet::Digits, &args[0]),
        "Random digits.",
        &[("{{ regexMatch \"^[0-9]{5}$\" (randNumeric 5) }}", "true")],
    ),
    row(
        "randAscii",
        &[Int],
        |host, args| random(host, Alphabet::Ascii, &args[0]),
        "Random printable ASCII characters.",
        &[("{{ randAscii 9 | len }}", "9")],
    ),
    row("randBytes", &[Int], random_bytes, "Random bytes, in base64.", &[("{{ randBytes 3 | len }}", "4")]),
    row("uuidv4", &[], uuid, "A random UUID.", &[("{{ uuidv4 | len }}", "36")]),
    row(
        "bcrypt",
        &[Str],
        |host, args| Ok(Value::str(bcrypt_of(host, bytes(&args[0])))),
        "The bcrypt hash of a password.",
        &[("{{ bcrypt \"x\" | trunc 7 }}", "$2a$10$")],
    ),
    row(
        "htpasswd",
        &[Str, Str],
        htpasswd,
        "A line of a htpasswd file: htpasswd user password.",
        &[("{{ htpasswd \"u\" \"x\" | trunc 9 }}", "u:$2a$10$")],
    ),
    row(
        "derivePassword",
        &[Uint32, Str, Str, Str, Str],
        derive,
        "A password by the Master Password algorithm: counter, type, master password, user, site.",
        &[("{{ derivePassword 1 \"long\" \"password\" \"user\" \"example.com\" }}", "ZedaFaxcZaso9*")],
    ),
    row(
        "encryptAES",
        &[Str, Str],
        encrypt,
        "Encrypts a text with a password, in base64.",
        &[("{{ encryptAES \"k\" \"text\" | decryptAES \"k\" }}", "text")],
    ),
    row(
        "decryptAES",
        &[Str, Str],
        decrypt,
        "Decrypts what encryptAES made.",
        &[("{{ encryptAES \"k\" \"text\" | decryptAES \"k\" }}", "text")],
    ),
];

/// The alphabet of bcrypt's base64.
const BCRYPT_ALPHABET: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Nothing where the count is negative: sprig drops that error.
fn random(host: &mut dyn Host, alphabet: Alphabet, count: &Value) -> Result<Value, String> {
    let count = usize::try_from(int(count)).unwrap_or(0);
    if count > TEXT_BYTES_MAX {
        return Err(format!("the text would be longer than {TEXT_BYTES_MAX} bytes"));
    }
    Ok(Value::str(host.random_text(alphabet, count)))
}

fn random_bytes(host: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let count = usize::try_from(int(&args[0])).ok().filter(|count| *count <= TEXT_BYTES_MAX);
    let count = count.ok_or("runtime error: makeslice: len out of range")?;
    Ok(Value::str(host.random_text(Alphabet::Bytes, count)))
}

fn uuid(host: &mut dyn Host, _: &[Value]) -> Result<Value, String> {
    const LENGTH: usize = 36;
    Ok(Value::str(host.random_text(Alphabet::Uuid, LENGTH)))
}

fn bcrypt_of(host: &mut dyn Host, password: &[u8]) -> String {
    const COST: u32 = 10;
    const PASSWORD_BYTES_MAX: usize = 72;
    if password.len() > PASSWORD_BYTES_MAX {
        return format!(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds {PASSWORD_BYTES_MAX} bytes"
        );
    }
    if host.generator().fixed_keys().is_some() {
        // Salt and hash are 53 characters; here each of them differs between the two fixed generators, which
        // those of a true hash need not.
        let generator = host.generator();
        let characters = (0..53).map(|_| char::from(BCRYPT_ALPHABET[generator.pick(BCRYPT_ALPHABET.len())]));
        return format!("$2a${COST}${}", characters.collect::<String>());
    }
    let mut salt = [0; 16];
    host.generator().fill(&mut salt);
    match bcrypt::hash_with_salt(password, COST, salt) {
        Ok(parts) => parts.format_for_version(bcrypt::Version::TwoA),
        Err(error) => format!("failed to encrypt string with bcrypt: {error}"),
    }
}

fn htpasswd(host: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let user = text(&args[0]);
    if user.contains(':') {
        return Ok(Value::str(format!("invalid username: {user}")));
    }
    Ok(Value::str(format!("{user}:{}", bcrypt_of(host, bytes(&args[1])))))
}

/// The shapes of passwords, a letter for an alphabet each.
fn shapes(kind: &str) -> &'static [&'static str] {
    match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => &[],
    }
}

fn characters(letter: u8) -> &'static [u8] {
    match letter {
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

fn derive(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    const NAMESPACE: &[u8] = b"com.lyndir.masterpassword";
    const COST: usize = 32_768;
    const PARALLEL: usize = 2;
    let kind = text(&args[1]);
    let shapes = shapes(&kind);
    if shapes.is_empty() {
        return Ok(Value::str(format!("cannot find password template {kind}")));
    }
    let (password, user, site) = (bytes(&args[2]), bytes(&args[3]), bytes(&args[4]));
    let length = |text: &[u8]| (text.len() as u32).to_be_bytes();
    let mut key = [0; 64];
    scrypt(password, &[NAMESPACE, &length(user), user].concat(), COST, PARALLEL, &mut key);
    let counter = (int(&args[0]) as u32).to_be_bytes();
    let seed = hmac_sha256(&key, &[NAMESPACE, &length(site), site, &counter].concat());
    let shape = shapes[usize::from(seed[0]) % shapes.len()];
    let chosen = shape.bytes().zip(&seed[1..]).map(|(letter, byte)| {
        let characters = characters(letter);
        char::from(characters[usize::from(*byte) % characters.len()])
    });
    Ok(Value::str(chosen.collect::<String>()))
}

/// The first 32 bytes of a password, filled up with zeros.
fn aes_key(password: &[u8]) -> [u8; 32] {
    std::array::from_fn(|i| password.get(i).copied().unwrap_or(0))
}

fn encrypt(host: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let mut plain = bytes(&args[1]).to_vec();
    if plain.is_empty() {
        return Ok(Value::str(""));
    }
    let padding = BLOCK - plain.len() % BLOCK;
    plain.extend(std::iter::repeat_n(padding as u8, padding));
    let mut iv = [0; BLOCK];
    host.generator().fill(&mut iv);
    encrypt_cbc(&aes_key(bytes(&args[0])), iv, &mut plain);
    Ok(Value::str(BASE64.encode(&[&iv[..], &plain].concat())))
}

fn decrypt(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let input = bytes(&args[1]);
    if input.is_empty() {
        return Ok(Value::str(""));
    }
    let all = decode_base64(input).map_err(|i| format!("illegal base64 data at input byte {i}"))?;
    let Some((iv, encrypted)) = all.split_first_chunk::<BLOCK>() else {
        return Err(format!("runtime error: slice bounds out of range [:{BLOCK}] with capacity {}", all.len()));
    };
    if encrypted.len() % BLOCK != 0 {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let mut plain = encrypted.to_vec();
    decrypt_cbc(&aes_key(bytes(&args[0])), *iv, &mut plain);
    let padding = plain.last().copied().ok_or("runtime error: index out of range [-1]")?;
    match plain.len().checked_sub(usize::from(padding)) {
        Some(length) => plain.truncate(length),
        None => {
            let end = plain.len() as i64 - i64::from(padding);
            return Err(format!("runtime error: slice bounds out of range [:{end}]"));
        }
    }
    Ok(Value::bytes(plain))
}
