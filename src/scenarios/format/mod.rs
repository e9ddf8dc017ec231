//! Scenario 7: the form of every message (contract, section 6; RFC 6455).

checks! {}
