//! Scenario 10: streams end with what they are bound to – completion, credential, limit (contract, 5 and 7.4).

mod burst;
mod stream;

checks! {
    stream_completes,
    stream_needs_auth,
    auth_rechecked_while_streaming,
    expiry_stops_gracefully,
    refresh_continues_stream,
    other_streams_unaffected,
    rate_limit_enforced,
    throttle_keeps_connection,
    retry_after_true,
    limit_is_per_user,
    http_limit_says_when,
    sockets_per_user_limited,
    slow_reader_contained,
    first_event_in_time,
}
