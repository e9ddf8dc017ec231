//! Scenario 3: one token, one session, every service (contract, sections 2 to 5).

mod oauth;
mod renewal;
mod surfaces;
mod token_sets;

checks! {
    token_works_everywhere,
    refusals_agree,
    logout_reaches_every_service,
    other_sessions_survive_logout,
    logout_kills_refresh,
    refresh_rotates,
    replayed_refresh_revokes_family,
    concurrent_refresh_safe,
    refresh_cannot_widen,
    lifetimes_honest,
    clocks_agree,
    session_persists,
    frontend_names_same_origins,
    service_calls_authenticated,
    oauth_start_sound,
    oauth_flow_completes,
    oauth_state_enforced,
    oauth_completion_notified,
    every_provider_configured,
    test_logins_closed,
    user_states_respected,
    login_does_not_tell_users,
    tokens_not_cacheable,
}
