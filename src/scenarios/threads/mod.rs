//! Scenario 9: threads, their histories, and what runs belong to them (contract, 3 and 7.3).

mod allowance;
mod history;
mod operations;
mod owner;
mod pages;
mod player;
mod seeded;

checks! {
    create_announces,
    first_message_creates_thread,
    switch_loads_history,
    context_kept_per_thread,
    history_pages,
    rename_agrees,
    delete_agrees,
    delete_stops_runs,
    list_newest_first,
    concurrent_creates_distinct,
    concurrent_sends_kept,
    missing_thread_refused,
    bad_titles_handled,
    rest_and_socket_agree,
}
