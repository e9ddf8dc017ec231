//! Scenario 1: authentication of the WebSocket handshake (contract, section 5).

checks! {
    valid_token_accepted,
    accept_key_correct,
    upgrade_rules_kept,
    validated_before_accept,
    missing_token_refused,
    expired_token_refused,
    tampered_token_refused,
    unsigned_token_refused,
    foreign_key_token_refused,
    algorithm_confusion_refused,
    wrong_claims_refused,
    refresh_token_is_no_access_token,
    service_token_is_no_access_token,
    header_injection_refused,
    unknown_crit_refused,
    query_token_refused,
    conflicting_credentials_refused,
}
