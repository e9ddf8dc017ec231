//! Scenario 1: authentication of the WebSocket handshake (contract, section 5).

mod expiry;
mod refresh;

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
    token_not_echoed,
    foreign_origin_refused,
    foreign_pages_refused,
    plaintext_refused,
    refusal_says_why,
    refresh_keeps_connection,
    refreshed_token_outlives_old,
    refresh_of_another_user_refused,
    bad_refresh_leaves_session,
    http_refresh_keeps_connection,
    idle_socket_closed_at_expiry,
    ping_answered,
    dead_peer_reaped,
    close_is_clean,
    auth_outage_fails_closed,
}
