//! What the workshop forges.

use super::*;

#[test]
fn forged_tokens_have_their_shapes() {
    let target = target_of(profile(1));
    let workshop = target.workshop();
    let claims = json!({"sub": "u-1", "email": "a@b.c", "iat": 1_000, "exp": 2_000, "aud": "netra-platform"});
    let good = workshop.mint(claims.as_object().cloned().unwrap()).unwrap();
    let other = workshop.with_claim(&good, "jti", Some(json!("2"))).unwrap();
    let parts = |token: &Token| token.expose().split('.').map(str::to_owned).collect::<Vec<_>>();

    let tampered = workshop.tampered(&good, &other);
    assert_eq!(tampered.len(), 7);
    let mut all: Vec<_> = tampered.iter().map(|forged| forged.token.expose().to_owned()).collect();
    all.dedup();
    assert!(all.len() == 7 && !all.contains(&good.expose().to_owned()));
    assert_eq!(parts(&tampered[2].token)[..2], parts(&good)[..2]);
    assert_eq!(parts(&tampered[6].token).len(), 2);

    let unsigned = workshop.unsigned(&good);
    assert_eq!(unsigned.iter().filter(|forged| forged.token.expose().ends_with('.')).count(), 3);
    assert!(workshop.foreign_key(&good).len() > 10);
    assert_eq!(workshop.wrong_claims(&good, 1_500.0).unwrap().len(), 9);
    assert_eq!(workshop.header_injection(&good, None).len(), 5);
    assert_eq!(workshop.header_injection(&good, Some("http://127.0.0.1:1/")).len(), 7);
    let jwks = json!({"keys": [{"kty": "RSA", "n": "sXch", "e": "AQAB"}]});
    assert_eq!(workshop.algorithm_confusion(&good, &jwks).len(), 4);

    let (control, expired) = workshop.expired(&good, 10_000.0, 2.0).unwrap();
    assert_eq!((control.time_claim("exp"), expired.time_claim("exp")), (Some(10_600.0), Some(9_938.0)));
    let without = |token: &Token| {
        let mut claims = token.claims().unwrap();
        claims.shift_remove("exp");
        claims
    };
    assert_eq!(without(&control), without(&expired));
    let mint_again = workshop.mint(claims.as_object().cloned().unwrap()).unwrap();
    assert_eq!(mint_again.expose(), good.expose());
    assert_eq!(
        format!("{:?}", tampered[0]),
        "Forged { step: \"header with one more member\", token: «forged-token 1» }"
    );
}
