//! Scenario 6: agents fail; it is told, contained and survived (contract, 7.4 "Failure", "Breaker").

mod breaker;
mod failure;

checks! {
    usable_after_refused_request,
    failure_emits_error,
    error_is_actionable,
    run_ends_after_failure,
    thread_usable_after_failure,
    partial_work_kept,
    timeout_is_reported,
    breaker_opens,
    breaker_half_opens_and_closes,
    breaker_stays_local,
    degradation_announced,
    failure_stays_local,
    every_failure_kind_reported,
}
