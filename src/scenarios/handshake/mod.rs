//! Scenario 1: authentication of the WebSocket handshake (contract, section 5).

checks! {
    valid_token_accepted,
}
