//! Scenario 5: users, threads, runs and sockets are kept apart (contract, 7.3 and 7.4 "Isolation").

mod crowd;
mod estate;
mod likeness;

checks! {
    users_never_mix,
    users_never_mix_under_load,
    no_foreign_canary,
    events_reach_their_run,
    agents_run_concurrently,
    one_user_cannot_starve_another,
    second_socket_gets_same,
    foreign_thread_like_missing,
    foreign_thread_time_like_missing,
    lists_hold_own_only,
    context_does_not_bleed,
    reused_connection_carries_nothing,
}
