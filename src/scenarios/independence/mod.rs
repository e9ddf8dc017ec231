//! Scenario 8: the auth service stands alone (contract, sections 1 to 3).

#[cfg(feature = "database")]
mod databases;
mod flow;
mod jwks;
mod launched;
mod python;
mod requirements;
mod tree;

checks! {
    own_origin,
    issued_tokens_verifiable_offline_or_by_api,
    jwks_holds_no_private_key,
    whole_flow_without_backend,
    healthy_while_backend_loaded,
    health_not_cascading,
    outage_does_not_log_out,
    starts_standalone,
    api_only_communication,
    no_main_app_imports,
    no_shared_database,
}
