//! Scenario 4: connections are lost, sessions are not (contract, 7.4 "Reconnection").

mod away;

checks! {
    sent_while_away_kept,
}
