//! Public keys of a JWKS in the forms in which libraries hold them (RFC 5280 SubjectPublicKeyInfo):
//! an attacker who knows the key knows them all.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// `SEQUENCE { OID rsaEncryption, NULL }`.
const RSA: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0];
/// `SEQUENCE { OID ecPublicKey, OID prime256v1 }`.
const P256: &[u8] = &[0x30, 19, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// Each form's name and octets; none for a key that is neither RSA nor P-256.
pub(super) fn forms(jwk: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let Some(der) = der(jwk) else { return Vec::new() };
    let pem = pem(&der);
    let trimmed = pem.trim_end().as_bytes().to_vec();
    vec![
        ("PEM", pem.into_bytes()),
        ("PEM without its last newline", trimmed),
        ("DER", der),
        ("JWK", jwk.to_string().into_bytes()),
    ]
}

fn der(jwk: &Value) -> Option<Vec<u8>> {
    let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
    let (algorithm, key) = match jwk.get("kty")?.as_str()? {
        "RSA" => {
            let numbers = [integer(&member("n")?), integer(&member("e")?)].concat();
            (RSA, element(0x30, &numbers))
        }
        "EC" => (P256, [&[4][..], &member("x")?, &member("y")?].concat()),
        _ => return None,
    };
    // A bit string begins with the number of its unused bits.
    let key = element(3, &[&[0][..], &key].concat());
    Some(element(0x30, &[algorithm, &key].concat()))
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    // A leading bit that is set would make it negative.
    let sign: &[u8] = if magnitude.first().is_some_and(|octet| octet & 128 != 0) { &[0] } else { &[] };
    element(2, &[sign, magnitude].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut octets = vec![tag];
    if length < 128 {
        octets.push(length as u8);
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect();
        octets.push(128 | bytes.len() as u8);
        octets.extend(bytes);
    }
    octets.extend_from_slice(content);
    octets
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls_pki_types::SubjectPublicKeyInfoDer;
    use rustls_pki_types::pem::PemObject;
    use serde_json::json;

    #[test]
    fn a_key_has_its_pem_der_and_jwk() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let point = pair.public_key_raw();
        let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])});
        let forms = forms(&jwk);
        assert_eq!(forms.len(), 4);
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pair.public_key_pem().as_bytes()).unwrap();
        assert_eq!(SubjectPublicKeyInfoDer::from_pem_slice(&forms[0].1).unwrap(), spki);
        assert_eq!(forms[2].1, spki.as_ref());
    }

    #[test]
    fn long_rsa_numbers_are_positive() {
        let modulus = URL_SAFE_NO_PAD.encode([0xff; 256]);
        let der = der(&json!({"kty": "RSA", "n": modulus, "e": "AQAB"})).unwrap();
        assert_eq!(&der[..4], [0x30, 0x82, 1, 0x22]);
        assert_eq!(der.len(), 4 + 0x122);
    }
}
