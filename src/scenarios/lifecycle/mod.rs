//! Scenario 2: what an agent's run tells, in which order and when (contract, section 7.2).

mod course;
mod flows;
mod grammar;
mod timed;

checks! {
    required_events_emitted,
    tool_events_emitted,
    payloads_match_schema,
    order_holds,
    tools_paired,
    one_terminal_event,
    ids_constant,
    steps_never_fall,
    fast_layer_in_time,
    tools_announced_in_time,
    medium_layer_in_time,
    slow_layer_in_time,
    events_spread_in_time,
    stream_equals_history,
    sequence_gap_free,
    stop_stops,
    every_prompt_conforms,
    every_event_type_seen,
    steady_under_jitter,
    frontend_names_every_event,
    frontend_renders_every_event,
}
