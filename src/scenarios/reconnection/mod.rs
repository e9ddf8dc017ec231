//! Scenario 4: connections are lost, sessions are not (contract, 7.4 "Reconnection").

mod away;
mod drops;
mod expiry;
mod interrupted;
mod stream;
mod tale;

checks! {
    sent_while_away_kept,
    state_restored,
    nothing_lost,
    nothing_doubled,
    replay_before_live,
    replay_in_order,
    old_socket_superseded,
    expired_token_cannot_reconnect,
    refreshed_token_reconnects,
    foreign_session_refused,
    logged_out_session_not_restored,
    bad_restore_answered,
    too_old_says_so,
    duplicate_send_processed_once,
    run_survives_disconnect,
    reconnect_is_quick,
    frontend_reconnects_with_fresh_token,
}
