//! X.509 certificates as sprig's `genCA` and its kin make them, laid out as Go's `x509.CreateCertificate` does.

use std::net::IpAddr;
use std::rc::Rc;

use Param::{Int, List, Str};
use sha2::{Digest, Sha256};

use super::super::fmt::to_string;
use super::super::func::{Function, Generator, Host, Param};
use super::super::strconv::quoted;
use super::super::time::{Time, Zone};
use super::super::value::{Object, Value};
use super::der::{
    BIT_STRING, BOOLEAN, Element, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, PRINTABLE_STRING, SEQUENCE, SET,
    UTC_TIME, UTF8_STRING, bit_string, from_pem, integer, sequence, take, take_tag, tlv, to_pem,
};
use super::encoding::decode_base64;
use super::keys::{Key, new_rsa};
use super::{bytes, int, items, row, text};

const CERTIFICATE: &str = "sprig.certificate";
const CERTIFICATE_PARAM: Param = Param::Object(CERTIFICATE);

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        "genCA",
        &[Str, Int],
        |host, args| authority(host, args, None),
        "A certificate authority: name, days; .Cert and .Key are PEM.",
        &[("{{ (genCA \"ca\" 365).Cert | trunc 27 }}", "-----BEGIN CERTIFICATE-----")],
    ),
    row(
        "genCAWithKey",
        &[Str, Int, Str],
        |host, args| authority(host, args, Some(&args[2])),
        "The same with a private key of one's own.",
        &[("{{ (genCAWithKey \"ca\" 365 (genPrivateKey \"ed25519\")).Cert | trunc 10 }}", "-----BEGIN")],
    ),
    row(
        "genSelfSignedCert",
        &[Str, List, List, Int],
        |host, args| self_signed(host, args, None),
        "A certificate that signs itself: name, IP addresses, DNS names, days.",
        &[(
            "{{ (genSelfSignedCert \"a.b\" nil (list \"a.b\") 30).Key | trunc 31 }}",
            "-----BEGIN RSA PRIVATE KEY-----",
        )],
    ),
    row(
        "genSelfSignedCertWithKey",
        &[Str, List, List, Int, Str],
        |host, args| self_signed(host, args, Some(&args[4])),
        "The same with a private key of one's own.",
        &[(
            "{{ (genSelfSignedCertWithKey \"a\" nil nil 1 (genPrivateKey \"ed25519\")).Cert | trunc 10 }}",
            "-----BEGIN",
        )],
    ),
    row(
        "genSignedCert",
        &[Str, List, List, Int, CERTIFICATE_PARAM],
        |host, args| signed(host, args, None),
        "A certificate signed by an authority: name, IP addresses, DNS names, days, authority.",
        &[("{{ (genSignedCert \"a.b\" nil nil 30 (genCA \"ca\" 365)).Cert | trunc 10 }}", "-----BEGIN")],
    ),
    row(
        "genSignedCertWithKey",
        &[Str, List, List, Int, CERTIFICATE_PARAM, Str],
        |host, args| signed(host, args, Some(&args[5])),
        "The same with a private key of one's own.",
        &[(
            "{{ (genSignedCertWithKey \"a\" nil nil 1 (genCA \"ca\" 1) (genPrivateKey \"ed25519\")).Key | trunc 14 }}",
            "-----BEGIN PRI",
        )],
    ),
    row(
        "buildCustomCert",
        &[Str, Str],
        build_custom,
        "A certificate and its key, both given in base64 of PEM, as genSignedCert takes it.",
        &[("{{ $c := genCA \"ca\" 1 }}{{ eq (buildCustomCert (b64enc $c.Cert) (b64enc $c.Key)).Key $c.Key }}", "true")],
    ),
];

/// What a certificate is to say.
struct Request {
    name: String,
    addresses: Vec<IpAddr>,
    dns_names: Vec<String>,
    days: i64,
    is_authority: bool,
}

/// Who signs: a certificate and its key.
struct Issuer {
    /// Its subject, as DER.
    subject: Vec<u8>,
    key_id: Vec<u8>,
    key: Key,
}

fn authority(host: &mut dyn Host, args: &[Value], key: Option<&Value>) -> Result<Value, String> {
    let key = key_or_new(host, key)?;
    let request = Request {
        name: text(&args[0]).into_owned(),
        addresses: Vec::new(),
        dns_names: Vec::new(),
        days: int(&args[1]),
        is_authority: true,
    };
    create(host.generator(), &request, &key, None)
}

fn self_signed(host: &mut dyn Host, args: &[Value], key: Option<&Value>) -> Result<Value, String> {
    let key = key_or_new(host, key)?;
    create(host.generator(), &request(args)?, &key, None)
}

fn signed(host: &mut dyn Host, args: &[Value], key: Option<&Value>) -> Result<Value, String> {
    let key = key_or_new(host, key)?;
    let issuer = match &args[4] {
        Value::Object(object) => object.as_any().downcast_ref::<Certificate>(),
        _ => None,
    };
    let issuer = issuer.ok_or("wrong type for value; expected sprig.certificate")?;
    let issuer = Issuer::parse(issuer)?;
    create(host.generator(), &request(args)?, &key, Some(&issuer))
}

fn key_or_new(host: &mut dyn Host, key: Option<&Value>) -> Result<Key, String> {
    match key {
        Some(pem) => Key::parse(&text(pem)).map_err(|message| format!("parsing private key: {message}")),
        None => new_rsa(host.generator()),
    }
}

fn request(args: &[Value]) -> Result<Request, String> {
    let mut addresses = Vec::new();
    for address in items(&args[1], "")?.iter() {
        let Value::Str(text) = address else {
            return Err(format!("error parsing ip: {} is not a string", to_string(address)));
        };
        addresses.push(text.parse::<IpAddr>().map_err(|_| format!("error parsing ip: {text}"))?);
    }
    let mut dns_names = Vec::new();
    for name in items(&args[2], "")?.iter() {
        let Value::Str(text) = name else {
            return Err(format!("error processing alternate dns name: {} is not a string", to_string(name)));
        };
        dns_names.push(text.to_string());
    }
    Ok(Request { name: text(&args[0]).into_owned(), addresses, dns_names, days: int(&args[3]), is_authority: false })
}

impl Issuer {
    fn parse(certificate: &Certificate) -> Result<Issuer, String> {
        let (_, der) = from_pem(&certificate.cert).ok_or("unable to decode certificate")?;
        let parsed = parse_certificate(&der)
            .ok_or("error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate")?;
        let key = Key::parse(&certificate.key).map_err(|message| format!("error parsing private key: {message}"))?;
        let creating = |message: &str| format!("error creating certificate: {message}");
        let (_, public) = key.public().map_err(|message| creating(&message))?;
        if public != parsed.public_key.whole {
            return Err(creating("x509: provided PrivateKey doesn't match parent's PublicKey"));
        }
        Ok(Issuer { subject: parsed.subject.whole.to_vec(), key_id: parsed.key_id.to_vec(), key })
    }
}

struct Parsed<'a> {
    subject: Element<'a>,
    public_key: Element<'a>,
    /// Empty where it has none.
    key_id: &'a [u8],
}

const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const SUBJECT_KEY_ID: &[u8] = &[0x55, 0x1d, 14];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1d, 35];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 3];
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTHENTICATION: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

fn parse_certificate(der: &[u8]) -> Option<Parsed<'_>> {
    const VERSION: u8 = 0xa0;
    const EXTENSIONS: u8 = 0xa3;
    let mut input = der;
    let mut certificate = take_tag(&mut input, SEQUENCE).filter(|_| input.is_empty())?.content;
    let mut body = take_tag(&mut certificate, SEQUENCE)?.content;
    take_tag(&mut certificate, SEQUENCE)?;
    take_tag(&mut certificate, BIT_STRING)?;
    take_tag(&mut body, VERSION);
    take_tag(&mut body, INTEGER)?;
    take_tag(&mut body, SEQUENCE)?;
    take_tag(&mut body, SEQUENCE)?;
    take_tag(&mut body, SEQUENCE)?;
    let subject = take_tag(&mut body, SEQUENCE)?;
    let public_key = take_tag(&mut body, SEQUENCE)?;
    let mut key_id: &[u8] = &[];
    while !body.is_empty() {
        let element = take(&mut body)?;
        if element.tag != EXTENSIONS {
            continue;
        }
        let mut extensions = take_tag(&mut &*element.content, SEQUENCE)?.content;
        while !extensions.is_empty() {
            let mut extension = take_tag(&mut extensions, SEQUENCE)?.content;
            let oid = take_tag(&mut extension, OID)?.content;
            take_tag(&mut extension, BOOLEAN);
            let value = take_tag(&mut extension, OCTET_STRING)?.content;
            if oid == SUBJECT_KEY_ID {
                key_id = take_tag(&mut &*value, OCTET_STRING)?.content;
            }
        }
    }
    Some(Parsed { subject, public_key, key_id })
}

/// Makes and signs a certificate; without an issuer it signs itself.
fn create(
    generator: &mut dyn Generator,
    request: &Request,
    key: &Key,
    issuer: Option<&Issuer>,
) -> Result<Value, String> {
    let failed = |message: String| format!("error creating certificate: {message}");
    let mut serial = [0; 16];
    generator.fill(&mut serial);
    let (public, public_info) = key.public().map_err(failed)?;
    let subject = distinguished_name(&request.name);
    let signer = issuer.map_or(key, |issuer| &issuer.key);
    let issuer_name = issuer.map_or(&subject, |issuer| &issuer.subject);
    let authority_key_id = issuer.filter(|issuer| issuer.subject != subject).map_or(&[][..], |issuer| &issuer.key_id);

    let now = Time::from_ns(generator.now_ns(), Zone::UTC);
    let mut end = now.clone();
    end.unix = end.unix.saturating_add(request.days.saturating_mul(86_400));
    let extensions =
        extensions(request, &public, subject.len() == EMPTY_NAME_LENGTH, authority_key_id).map_err(failed)?;
    let algorithm = signer.signature_algorithm();
    let body = sequence(&[
        &tlv(0xa0, &integer(&[2])),
        &integer(&serial),
        &algorithm,
        issuer_name,
        &sequence(&[&time(&now), &time(&end)]),
        &subject,
        &public_info,
        &tlv(0xa3, &sequence(&[&extensions])),
    ]);
    let signature = signer.sign(&body).map_err(failed)?;
    let der = sequence(&[&body, &algorithm, &bit_string(&signature)]);
    Ok(Value::Object(Rc::new(Certificate { cert: to_pem("CERTIFICATE", &der), key: key.to_pem() })))
}

/// The length of a name without parts.
const EMPTY_NAME_LENGTH: usize = 2;

fn distinguished_name(name: &str) -> Vec<u8> {
    if name.is_empty() {
        return sequence(&[]);
    }
    let printable = |c: char| c.is_ascii_alphanumeric() || " '()+,-./:=?".contains(c);
    let tag = if name.chars().all(printable) { PRINTABLE_STRING } else { UTF8_STRING };
    let attribute = sequence(&[&tlv(OID, COMMON_NAME), &tlv(tag, name.as_bytes())]);
    sequence(&[&tlv(SET, &attribute)])
}

/// X.509's rule: two digits of the year from 1950 to 2049, else four.
fn time(time: &Time) -> Vec<u8> {
    let two_digits = (1950..2050).contains(&time.parts().year);
    let (tag, layout) = if two_digits { (UTC_TIME, "060102150405Z") } else { (GENERALIZED_TIME, "20060102150405Z") };
    tlv(tag, time.format(layout).as_bytes())
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tlv(BOOLEAN, &[0xff]) } else { Vec::new() };
    sequence(&[&tlv(OID, oid), &critical, &tlv(OCTET_STRING, value)])
}

fn extensions(request: &Request, public: &[u8], no_name: bool, authority_key_id: &[u8]) -> Result<Vec<u8>, String> {
    // Bits from the left: digital signature, key encipherment, and for an authority signing certificates.
    let usage: &[u8] = if request.is_authority { &[2, 0xa4] } else { &[5, 0xa0] };
    let purposes = sequence(&[&tlv(OID, SERVER_AUTHENTICATION), &tlv(OID, CLIENT_AUTHENTICATION)]);
    let constraints = if request.is_authority { sequence(&[&tlv(BOOLEAN, &[0xff])]) } else { sequence(&[]) };
    let mut out = [
        extension(KEY_USAGE, true, &tlv(BIT_STRING, usage)),
        extension(EXTENDED_KEY_USAGE, false, &purposes),
        extension(BASIC_CONSTRAINTS, true, &constraints),
    ]
    .concat();
    if request.is_authority {
        // As Go since 1.25: the first 20 bytes of SHA-256.
        let id = Sha256::digest(public);
        out.extend(extension(SUBJECT_KEY_ID, false, &tlv(OCTET_STRING, &id[..20])));
    }
    if !authority_key_id.is_empty() {
        out.extend(extension(AUTHORITY_KEY_ID, false, &sequence(&[&tlv(0x80, authority_key_id)])));
    }
    let mut names = Vec::new();
    for name in &request.dns_names {
        if !name.is_ascii() {
            return Err(format!("x509: {} cannot be encoded as an IA5String", quoted(name)));
        }
        names.extend(tlv(0x82, name.as_bytes()));
    }
    for address in &request.addresses {
        names.extend(match address.to_canonical() {
            IpAddr::V4(address) => tlv(0x87, &address.octets()),
            IpAddr::V6(address) => tlv(0x87, &address.octets()),
        });
    }
    if !names.is_empty() {
        out.extend(extension(ALTERNATIVE_NAMES, no_name, &sequence(&[&names])));
    }
    Ok(out)
}

fn build_custom(_: &mut dyn Host, args: &[Value]) -> Result<Value, String> {
    let decoded = |value: &Value, what: &str| {
        let bytes = decode_base64(bytes(value)).map_err(|_| format!("unable to decode base64 {what}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let cert = decoded(&args[0], "certificate")?;
    let key = decoded(&args[1], "private key")?;
    let (_, der) = from_pem(&cert).ok_or("unable to decode certificate")?;
    parse_certificate(&der).ok_or("error parsing certificate: decodedCert.Bytes: x509: malformed certificate")?;
    Key::parse(&key).map_err(|message| format!("error parsing private key: {message}"))?;
    Ok(Value::Object(Rc::new(Certificate { cert, key })))
}

/// sprig's `certificate`: two texts of PEM.
struct Certificate {
    cert: String,
    key: String,
}

impl Object for Certificate {
    fn type_name(&self) -> &str {
        CERTIFICATE
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::str(&*self.cert)),
            "Key" => Some(Value::str(&*self.key)),
            _ => None,
        }
    }

    fn has_method(&self, _: &str) -> bool {
        false
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        Err(format!("can't evaluate field {name} in type {CERTIFICATE}"))
    }

    fn print(&self) -> String {
        format!("{{{} {}}}", self.cert, self.key)
    }

    fn as_data(&self) -> Option<Value> {
        let fields = ["Cert", "Key"].map(|name| (name.into(), self.field(name).unwrap_or(Value::Nil)));
        Some(Value::map(fields.into()))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
