//! Scenario 8: the auth service stands alone (contract, sections 1 to 3).

checks! {}
