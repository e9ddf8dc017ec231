//! Scenario 7: the form of every message (contract, section 6; RFC 6455).

mod content;
mod details;
mod ends;
mod internals;
mod received;
mod requests;
mod tour;

checks! {
    envelope_consistent,
    every_frame_in_contract,
    no_leaked_internals,
    content_field_maps,
    async_order_holds,
    every_request_answered,
    answered_while_streaming,
    bad_json_answered,
    unknown_type_answered,
    wrong_field_types_answered,
    client_dialects,
    binary_refused,
    oversize_refused,
    limit_size_accepted,
    invalid_utf8_refused,
    protocol_errors_refused,
    fragments_reassembled,
    server_frames_legal,
    config_sane,
    http_errors_structured,
}
