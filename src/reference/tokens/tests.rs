use super::*;
use crate::reference::{Addresses, Algorithm, Policy};
use crate::wire::Contract;

fn tokens(algorithm: Algorithm, switches: &[&str]) -> Tokens {
    let mut policy = Policy::default();
    for id in switches {
        assert!(policy.switch_on(id), "{id}");
    }
    let mut conduct = Conduct::new(7, Contract::load("netra-v1").unwrap(), policy);
    conduct.algorithm = algorithm;
    Tokens::new(&conduct, &Facts::new(&conduct, Addresses::default())).unwrap()
}

fn claims() -> Claims {
    Claims {
        token_type: TokenType::Access,
        sub: Some("u".into()),
        sid: Some("s".into()),
        jti: Some("j".into()),
        iat: unix_now(),
        exp: unix_now() + 60,
        email: Some("u@netra.example".into()),
        permissions: Some(vec!["read".into()]),
    }
}

/// A token with any header and any claims, signed with an HMAC secret.
fn forged(header: Value, claims: Value, secret: &[u8]) -> String {
    let input = format!("{}.{}", encode(&header), encode(&claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, input.as_bytes())))
}

fn good_claims() -> Value {
    json!({
        "sub": "u", "iat": unix_now(), "exp": unix_now() + 60, "iss": "netra-auth-service",
        "aud": "netra-platform", "token_type": "access",
    })
}

#[test]
fn what_is_issued_is_accepted_and_says_the_same() {
    for algorithm in [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256] {
        for switches in [&[][..], &["unknown-claims"]] {
            let tokens = tokens(algorithm, switches);
            let token = tokens.issue(&claims()).unwrap();
            assert_eq!(tokens.check(&token, TokenType::Access), Ok(claims()), "{algorithm:?}");
            assert_eq!(tokens.check(&token, TokenType::Refresh), Err(Refusal::Invalid));
        }
    }
}

#[test]
fn a_changed_bit_anywhere_is_refused() {
    let tokens = tokens(Algorithm::Hs256, &[]);
    let token = tokens.issue(&claims()).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut octets = URL_SAFE_NO_PAD.decode(signature).unwrap();
    *octets.last_mut().unwrap() ^= 1;
    let flipped = format!("{input}.{}", URL_SAFE_NO_PAD.encode(octets));
    for bad in [flipped.as_str(), &format!("{input}."), input, "", "a.b.c", "…"] {
        assert_eq!(tokens.check(bad, TokenType::Access), Err(Refusal::Invalid), "{bad}");
    }
}

#[test]
fn each_switch_opens_the_door_that_it_names_and_no_other() {
    let secret = tokens(Algorithm::Hs256, &[]);
    let own = |claims: Value| {
        // The default key is a function of the seed.
        let key = crate::reference::id::secret(7, "signing-key");
        forged(json!({"alg": "HS256"}), claims, key.as_bytes())
    };
    let with = |member: &str, value: Value| {
        let mut claims = good_claims();
        claims[member] = value;
        own(claims)
    };
    let without = |member: &str| {
        let mut claims = good_claims();
        claims.as_object_mut().unwrap().remove(member);
        own(claims)
    };
    let issued = secret.issue(&claims()).unwrap();
    let (input, _) = issued.rsplit_once('.').unwrap();
    let oct = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode("mine")});
    let doors = [
        ("accept-expired", with("exp", json!(unix_now() - 60)), Refusal::Expired),
        ("skip-signature", format!("{input}.AAAA"), Refusal::Invalid),
        ("accept-empty-signature", format!("{input}."), Refusal::Invalid),
        (
            "accept-alg-none",
            format!("{}.{}.", encode(&json!({"alg": "nOnE"})), encode(&good_claims())),
            Refusal::Invalid,
        ),
        ("accept-foreign-key", forged(json!({"alg": "HS256"}), good_claims(), b"mine"), Refusal::Invalid),
        ("accept-weak-secret", forged(json!({"alg": "HS256"}), good_claims(), b"secret"), Refusal::Invalid),
        ("ignore-iss", with("iss", json!("other")), Refusal::Invalid),
        ("ignore-aud", without("aud"), Refusal::Invalid),
        ("ignore-nbf", with("nbf", json!(unix_now() + 600)), Refusal::Invalid),
        ("accept-no-exp", without("exp"), Refusal::Invalid),
        ("accept-string-exp", with("exp", json!((unix_now() + 60).to_string())), Refusal::Invalid),
        ("accept-refresh-token", with("token_type", json!("refresh")), Refusal::Invalid),
        ("honour-embedded-jwk", forged(json!({"alg": "HS256", "jwk": oct}), good_claims(), b"mine"), Refusal::Invalid),
        (
            "kid-selects-empty-key",
            forged(json!({"alg": "HS256", "kid": "/dev/null"}), good_claims(), b""),
            Refusal::Invalid,
        ),
    ];
    for (switch, token, refusal) in &doors {
        assert_eq!(secret.check(token, TokenType::Access).unwrap_err(), *refusal, "{switch}");
        assert!(tokens(Algorithm::Hs256, &[switch]).check(token, TokenType::Access).is_ok(), "{switch}");
    }
    let expired = with("exp", json!(unix_now() - 60));
    let renamed = tokens(Algorithm::Hs256, &["expired-called-invalid"]).check(&expired, TokenType::Access);
    assert_eq!(renamed, Err(Refusal::Invalid));
    let critical = format!("{}.{}", encode(&json!({"alg": "HS256", "crit": ["x"]})), encode(&good_claims()));
    assert_eq!(secret.check(&critical, TokenType::Access), Err(Refusal::Invalid));
}

#[test]
fn a_public_key_is_no_secret_unless_confused() {
    let honest = tokens(Algorithm::Rs256, &[]);
    let confused = tokens(Algorithm::Rs256, &["alg-confusion"]);
    for secret in honest.keyring.public_as_secrets() {
        let token = forged(json!({"alg": "HS256"}), good_claims(), &secret);
        assert_eq!(honest.check(&token, TokenType::Access), Err(Refusal::Invalid));
        assert!(confused.check(&token, TokenType::Access).is_ok());
    }
}

#[test]
fn the_jwks_holds_private_members_only_when_it_leaks() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let private = |switches: &[&str]| tokens(algorithm, switches).jwks().unwrap()["keys"][0].get("d").is_some();
        assert!(!private(&[]) && private(&["jwks-leaks-private"]), "{algorithm:?}");
    }
    assert_eq!(tokens(Algorithm::Hs256, &[]).jwks(), None);
    let rsa = tokens(Algorithm::Rs256, &[]);
    let token = rsa.issue(&claims()).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(keyring::jwk_verifies(&rsa.jwks().unwrap()["keys"][0], input.as_bytes(), &signature));
}
