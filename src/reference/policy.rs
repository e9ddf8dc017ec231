//! Every misconduct and every permitted alternative of the reference, off by default.
//!
//! A line here is one switch: its field, its name on the command line, and what it does in one
//! sentence. Each field is read at one place of the reference (a test counts), so that "off" means
//! that the correct code runs.

use std::time::Duration;

use super::notes::Noted;
use super::switch::{Defect, Setting, Switch, Variation, policy};
use super::{Filter, Subject};
use crate::wire::Kind;

policy! {
    groups {
    /// How the auth service judges tokens.
    tokens: TokenPolicy {
        accept_expired = "accept-expired": "Accepts a token past its expiry.",
        expired_called_invalid = "expired-called-invalid": "Refuses an expired token as TOKEN_INVALID.",
        skip_signature = "skip-signature": "Reads the claims without verifying the signature.",
        accept_empty_signature = "accept-empty-signature": "Accepts a token whose signature is empty.",
        accept_alg_none = "accept-alg-none": "Accepts `alg: none` in any spelling.",
        accept_foreign_key = "accept-foreign-key": "Accepts a token signed with any key.",
        accept_weak_secret = "accept-weak-secret": "Also tries well-known weak secrets as the key.",
        alg_confusion = "alg-confusion" needs Rs256: "Takes its public key as an HMAC secret when a token says HS256.",
        ignore_iss = "ignore-iss": "Does not compare `iss`.",
        ignore_aud = "ignore-aud": "Does not compare `aud`.",
        ignore_nbf = "ignore-nbf": "Does not compare `nbf`.",
        accept_no_exp = "accept-no-exp": "Accepts a token without `exp`.",
        accept_string_exp = "accept-string-exp": "Accepts `exp` as a string.",
        accept_unknown_sub = "accept-unknown-sub": "Accepts a `sub` that names no user, or none.",
        accept_refresh_token = "accept-refresh-token": "Accepts a refresh token as an access token.",
        accept_service_token = "accept-service-token": "Accepts a service token as an access token.",
        honour_embedded_jwk = "honour-embedded-jwk": "Verifies with the key that the token's own `jwk` header holds.",
        fetches_jku = "fetches-jku": "Fetches the URL in the token's `jku` or `x5u` header.",
        kid_selects_empty_key = "kid-selects-empty-key": "Reads its key from the file that `kid` names.",
        kid_crash = "kid-crash": "Fails with a server error on a `kid` that holds a quote or is very long.",
        ignore_crit = "ignore-crit": "Ignores critical header members that it does not know.",
        verify_refuses_own_tokens = "verify-refuses-own-tokens": "Refuses at /auth/verify and /auth/validate what it issued.",
    }
    /// How the backend answers an upgrade.
    handshake: HandshakePolicy {
        reject_everything = "reject-everything": "Refuses every token as TOKEN_INVALID.",
        wrong_user_in_welcome = "wrong-user-in-welcome": "Names another user in connection_established.",
        no_welcome = "no-welcome": "Sends no connection_established.",
        accept_then_hang = "accept-then-hang": "Answers nothing after connection_established.",
        one_carrier_only = "one-carrier-only": "Reads the token from the header only.",
        wrong_accept_key = "wrong-accept-key": "Sends a Sec-WebSocket-Accept that does not fit the key.",
        unasked_subprotocol = "unasked-subprotocol": "Selects a subprotocol that was not offered.",
        unasked_extension = "unasked-extension": "Selects an extension that was not offered.",
        accepts_wrong_version = "accepts-wrong-version": "Upgrades whatever Sec-WebSocket-Version says.",
        upgrade_500 = "upgrade-500": "Answers a malformed upgrade with 500.",
        welcome_before_auth = "welcome-before-auth": "Sends connection_established before it asks the auth service.",
        answer_before_auth = "answer-before-auth": "Answers the first message before it asks the auth service.",
        accept_anonymous = "accept-anonymous": "Lets a peer without a credential in as a guest.",
        accept_empty_bearer = "accept-empty-bearer": "Lets a peer with an empty Bearer in as a guest.",
        accept_query_token = "accept-query-token": "Accepts a token in the query string.",
        ticket_reusable = "ticket-reusable" needs Tickets: "Lets a ticket open any number of sockets.",
        ticket_unchecked = "ticket-unchecked" needs Tickets: "Lets a peer with any ticket in as a guest.",
        first_carrier_wins = "first-carrier-wins": "Takes the first of two credentials and ignores the other.",
        falls_back_to_good_one = "falls-back-to-good-one": "Tries credentials until one is good.",
        echo_subprotocol_token = "echo-subprotocol-token": "Selects the subprotocol that carries the token.",
        token_in_error_body = "token-in-error-body": "Quotes the refused token in the error.",
        token_in_close_reason = "token-in-close-reason": "Refuses after 101 and quotes the token in the close reason.",
        accept_any_origin = "accept-any-origin": "Does not compare Origin.",
        origin_prefix_match = "origin-prefix-match": "Accepts an Origin that begins or ends like the frontend's.",
        silent_refusal = "silent-refusal": "Refuses after 101 by closing without an error.",
        close_1011_on_auth = "close-1011-on-auth": "Refuses after 101 with close 1011.",
        missing_called_invalid = "missing-called-invalid": "Calls a missing credential TOKEN_INVALID.",
        no_www_authenticate = "no-www-authenticate": "Sends 401 without WWW-Authenticate.",
        fail_open = "fail-open": "Lets everyone in while the auth service is down.",
    }
    /// How the backend keeps a session.
    session: SessionPolicy {
        refresh_drops_socket = "refresh-drops-socket": "Closes the connection after token_refreshed.",
        refresh_restarts_stream = "refresh-restarts-stream": "Starts running streams again after token_refreshed.",
        refresh_not_applied = "refresh-not-applied": "Answers token_refreshed and keeps the old expiry.",
        refresh_switches_user = "refresh-switches-user": "Accepts another user's token in token_refresh.",
        bad_refresh_closes = "bad-refresh-closes": "Closes the connection on a bad token_refresh.",
        bad_refresh_accepted = "bad-refresh-accepted": "Answers token_refreshed to a bad token.",
        rotation_kills_socket = "rotation-kills-socket": "Rotating a refresh token revokes the access tokens before it.",
        idle_expiry_ignored = "idle-expiry-ignored": "Looks at expiry only when a message arrives.",
        expires_at_lies = "expires-at-lies": "Tells an expires_at an hour late.",
        no_pong = "no-pong": "Does not answer protocol pings.",
        pong_wrong_payload = "pong-wrong-payload": "Answers protocol pings with an empty payload.",
        no_heartbeat = "no-heartbeat": "Does not ping idle connections.",
        zombie_socket = "zombie-socket": "Keeps connections whose peer answers no ping.",
        pong_kills = "pong-kills": "Closes the connection on an unsolicited pong.",
        close_1006_on_wire = "close-1006-on-wire": "Answers a Close with code 1006.",
        never_closes = "never-closes": "Does not end TCP after the closing handshake.",
        outage_drops_sockets = "outage-drops-sockets": "Closes open sockets when a recheck gets no answer.",
    }
    /// Whom the auth service lets in.
    logins: LoginPolicy {
        dev_login_open = "dev-login-open" needs Production: "Serves the developer login in production.",
        e2e_any_key = "e2e-any-key": "Takes any key for the test login.",
        e2e_empty_key = "e2e-empty-key": "Takes an empty key for the test login.",
        disabled_logs_in = "disabled-logs-in": "Logs a disabled user in.",
        unverified_logs_in = "unverified-logs-in": "Logs a user in whose address is not verified.",
        user_enumeration = "user-enumeration": "Tells an unknown address from a wrong password.",
        validate_without_service_auth = "validate-without-service-auth": "Validates tokens for callers without credentials.",
        user_token_as_service = "user-token-as-service": "Takes a user's token for a service's.",
    }
    /// How the auth service keeps families.
    families: FamilyPolicy {
        revoked_called_invalid = "revoked-called-invalid": "Refuses a token of a revoked family as TOKEN_INVALID.",
        logout_kills_all = "logout-kills-all": "A logout ends every session of the user.",
        refresh_survives_logout = "refresh-survives-logout": "A logout leaves the refresh token in force.",
        older_token_survives_logout = "older-token-survives-logout": "A logout leaves older access tokens of the family in force.",
        second_logout_500 = "second-logout-500": "Answers a second logout with 500.",
        refresh_not_rotated = "refresh-not-rotated": "Answers a refresh with the refresh token that it was sent.",
        refresh_reuse_accepted = "refresh-reuse-accepted": "Accepts a refresh token any number of times.",
        replay_keeps_family = "replay-keeps-family": "Refuses a used refresh token and leaves its family alive.",
        replay_kills_siblings = "replay-kills-siblings": "Ends every session of the user when a used refresh token comes again.",
        two_lineages = "two-lineages": "Lets two of concurrent refreshes with one token win.",
        refresh_widens = "refresh-widens": "Gives a refreshed token the permissions that the request asks for.",
        session_lost_on_refresh = "session-lost-on-refresh": "Refreshes to a token of another, new user.",
        expires_in_lies = "expires-in-lies": "Tells an expires_in of a minute too much.",
        cacheable_token = "cacheable-token": "Answers logins and refreshes without Cache-Control.",
    }
    /// How the auth service lets OAuth flows go.
    oauth: OauthPolicy {
        no_pkce = "no-pkce": "Starts flows without a code challenge.",
        open_redirect = "open-redirect": "Takes any return_url.",
        state_constant = "state-constant": "Starts every flow of a provider with the same state.",
        state_ignored = "state-ignored": "Takes a callback with a missing or unknown state for the latest flow's.",
        state_reusable = "state-reusable": "Takes a state again that was used.",
        state_unbound = "state-unbound": "Does not compare the state's cookie.",
        oauth_token_unusable = "oauth-token-unusable": "Ends flows with the refresh token in the access token's place.",
        tokens_in_query = "tokens-in-query": "Redirects with the token set in the query.",
        provider_missing = "provider-missing": "Does not know its last provider.",
        no_oauth_event = "no-oauth-event": "Sends no oauth_completed.",
        oauth_event_broadcast = "oauth-event-broadcast": "Sends oauth_completed to every user.",
    }
    /// How backend and frontend follow the auth service.
    sync: SyncPolicy {
        backend_wrong_user = "backend-wrong-user": "Names another user in the profile.",
        backend_drops_permissions = "backend-drops-permissions": "Shows a profile without permissions.",
        backend_accepts_expired = "backend-accepts-expired": "REST accepts a token past its expiry.",
        ws_accepts_expired = "ws-accepts-expired": "The socket accepts a token past its expiry.",
        backend_foreign_aud = "backend-foreign-aud": "The backend accepts a token for another audience.",
        backend_ignores_revocation = "backend-ignores-revocation": "The backend accepts a token of a revoked family.",
        ws_survives_logout = "ws-survives-logout": "Leaves sockets open whose family was revoked.",
        revocation_one_replica = "revocation-one-replica": "Every second connection leads to a backend that hears of no logout.",
        readonly_can_write = "readonly-can-write": "REST does not look at the permission to write.",
        ws_skips_permissions = "ws-skips-permissions": "The socket does not look at the permission to write.",
        clock_skew = "clock-skew": "The backend's clock is five seconds ahead.",
        frontend_wrong_origin = "frontend-wrong-origin": "The frontend names another origin for the backend.",
    }
    /// How the backend takes lost sessions up again.
    restore: RestorePolicy {
        drop_while_away = "drop-while-away": "Keeps nothing for a session without a socket.",
        restore_ignored = "restore-ignored": "Answers session_restore with the new session.",
        restore_loses_run = "restore-loses-run": "Tells no run in session_restored.",
        restore_wrong_thread = "restore-wrong-thread": "Names another thread in session_restored.",
        lose_one_on_drop = "lose-one-on-drop": "Does not replay the first missed frame.",
        lose_tail = "lose-tail": "Does not replay the last three missed frames.",
        queue_too_small = "queue-too-small": "Keeps ten frames of a session.",
        replay_all = "replay-all": "Replays all that it has of a session.",
        replay_one_twice = "replay-one-twice": "Replays the first missed frame twice.",
        live_before_replay = "live-before-replay": "Sends a live frame before the missed ones.",
        replay_reversed = "replay-reversed": "Replays the newest frame first.",
        replay_renumbered = "replay-renumbered": "Numbers replayed frames from 1.",
        old_socket_lives = "old-socket-lives": "Leaves the old socket of a restored session open.",
        reconnect_with_expired = "reconnect-with-expired": "Lets a user with a session in with an expired token.",
        expired_called_retry_later = "expired-called-retry-later": "Refuses an expired token at the socket as AUTH_UNAVAILABLE.",
        restore_needs_old_token = "restore-needs-old-token": "Restores a session with the token that began it only.",
        restore_foreign_session = "restore-foreign-session": "Restores sessions of other users.",
        session_oracle = "session-oracle": "Says of a foreign session that it is another user's.",
        restore_after_logout = "restore-after-logout": "Restores sessions that were logged out.",
        restore_accepts_future = "restore-accepts-future": "Restores from a number that it never sent.",
        late_restore_accepted = "late-restore-accepted": "Restores a session by any message of a connection.",
        silent_gap = "silent-gap": "Resumes from the oldest frame it has when the point is older.",
        duplicate_processed = "duplicate-processed": "Takes a repeated message_id as a new request.",
        run_dies_with_socket = "run-dies-with-socket": "Stops the runs of a session that loses its socket.",
        slow_restore = "slow-restore": "Takes 5 s to restore a session.",
    }
    /// How the backend treats frames.
    frames: FramePolicy {
        accepts_binary = "accepts-binary": "Takes a binary message as text.",
        accepts_oversize = "accepts-oversize": "Takes messages over max_message_bytes.",
        refuses_at_limit = "refuses-at-limit": "Refuses a message of exactly max_message_bytes.",
        accepts_invalid_utf8 = "accepts-invalid-utf8": "Replaces invalid UTF-8 and goes on.",
        accepts_unmasked = "accepts-unmasked": "Takes frames without a mask.",
        accepts_reserved_opcode = "accepts-reserved-opcode": "Skips frames with reserved opcodes or bits.",
        accepts_long_control = "accepts-long-control": "Takes long and fragmented control frames.",
        breaks_on_fragments = "breaks-on-fragments": "Takes each fragment as a message.",
        masks_frames = "masks-frames": "Masks its own frames.",
        data_after_close = "data-after-close": "Sends a message after its Close.",
        long_close_reason = "long-close-reason": "Sends close reasons of over 123 octets.",
        close_without_code = "close-without-code": "Sends Close frames without a code.",
    }
    /// How the backend treats messages.
    messages: MessagePolicy {
        event_data_envelope = "event-data-envelope": "Sends `event` and `data` in place of `type` and `payload`.",
        flat_payload = "flat-payload": "Sends the fields at the top level.",
        extra_top_level = "extra-top-level": "Sends an undeclared member beside type and payload.",
        message_id_missing = "message-id-missing": "Leaves the message_id out of pong.",
        type_missing = "type-missing": "Leaves the type out of thread_created.",
        undeclared_type = "undeclared-type": "Sends a status_update after each agent_started.",
        undeclared_error_code = "undeclared-error-code": "Answers a missing thread with the code THREAD_GONE.",
        coroutine_in_payload = "coroutine-in-payload": "Puts the name of a coroutine object in a tool's or run's result.",
        promise_in_payload = "promise-in-payload": "Puts `[object Promise]` in the title of a thread created without one.",
        traceback_in_payload = "traceback-in-payload": "Puts a Python traceback in the message of an error.",
        content_renamed = "content-renamed": "Sends `text` in place of `content` in message_created.",
        content_mangled = "content-mangled": "Encodes characters outside Latin-1 twice.",
        content_truncated = "content-truncated": "Keeps 16 KiB of a message.",
        content_normalised = "content-normalised": "Composes combining characters (NFC).",
        html_escaped = "html-escaped": "Escapes HTML in what users write.",
        async_race = "async-race": "Handles each second pair of messages in the wrong order.",
        await_forgotten = "await-forgotten": "Never answers every fifth message.",
        answers_twice = "answers-twice": "Answers every request twice.",
        blocks_while_streaming = "blocks-while-streaming": "Answers nothing on a socket while one of its runs streams.",
        closes_on_bad_json = "closes-on-bad-json": "Closes the connection on what is no JSON.",
        bad_json_ignored = "bad-json-ignored": "Does not answer what is no JSON.",
        crash_on_deep_json = "crash-on-deep-json": "Drops the connection with 1011 on deeply nested JSON.",
        unknown_type_ignored = "unknown-type-ignored": "Does not answer an unknown type.",
        unknown_type_acked = "unknown-type-acked": "Answers an unknown type with pong.",
        coerces_silently = "coerces-silently": "Turns fields of a wrong type into strings.",
        null_closes = "null-closes": "Drops the connection on a null in a mandatory field.",
        details_omitted = "details-omitted": "Does not name the field that is wrong.",
        silently_accepts_text = "silently-accepts-text": "Takes `text` or `message` for `content`.",
    }
    /// How the backend keeps users, runs and sockets apart.
    isolation: IsolationPolicy {
        broadcast_event = "broadcast-event": "Sends final_report to every user.",
        leak_one_event = "leak-one-event": "Sends the second event of each third run to another user, too.",
        leak_under_load = "leak-under-load": "Sends partial_result to another user, too, while six runs are on their way.",
        leak_in_error_text = "leak-in-error-text": "Quotes the title of another user's thread in errors on the socket.",
        leak_in_rest_body = "leak-in-rest-body": "Shows the title of another user's thread over REST, in base64.",
        swap_run_ids = "swap-run-ids": "Sends partial_result under the run_id of another run of the user.",
        swap_threads = "swap-threads": "Sends partial_result under the thread_id of another run of the user.",
        serialised_runs = "serialised-runs": "Begins a run when the user's earlier ones have ended.",
        starvation = "starvation": "Answers nobody else while one user asks for much.",
        only_first_socket = "only-first-socket": "Sends events of runs to the first socket of a user only.",
        second_socket_other_ids = "second-socket-other-ids": "Gives events another message_id on a user's second socket.",
        foreign_thread_readable = "foreign-thread-readable": "Shows anybody's thread over REST to who knows its id.",
        foreign_thread_writable = "foreign-thread-writable": "Lets anybody rename a thread over REST.",
        foreign_run_stoppable = "foreign-run-stoppable": "Lets anybody stop a run.",
        thread_oracle = "thread-oracle": "Says of a foreign thread that it is another user's.",
        thread_timing_oracle = "thread-timing-oracle": "Takes 200 ms longer to refuse a foreign thread.",
        list_shows_foreign = "list-shows-foreign": "Lists a thread of another user behind one's own.",
        context_bleeds = "context-bleeds": "Thinks of what was said in another thread of the user.",
        stale_session_reused = "stale-session-reused": "Begins a session with the current thread of the one that ended last.",
    }
    /// How the backend keeps threads.
    threads: ThreadPolicy {
        created_only_requester = "created-only-requester": "Tells of a new thread on the asking socket only.",
        implicit_thread_silent = "implicit-thread-silent": "Does not tell of a thread that a message creates.",
        new_thread_each_message = "new-thread-each-message": "Creates a thread for each message that names none.",
        switch_wrong_history = "switch-wrong-history": "Loads the history of another thread on a switch.",
        history_truncated = "history-truncated": "Loads a thread without its oldest message.",
        history_unordered = "history-unordered": "Loads the history of a thread newest first.",
        context_lost_on_switch = "context-lost-on-switch": "Forgets what agents have said when their session switches the thread.",
        run_follows_switch = "run-follows-switch": "Tells of runs under the thread to which their session has switched.",
        pagination_skips = "pagination-skips": "Leaves a message out between two pages of a history.",
        pagination_repeats = "pagination-repeats": "Shows a message of one page of a history on the next one again.",
        limit_ignored = "limit-ignored": "Shows whole histories whatever limit says.",
        rename_not_announced = "rename-not-announced": "Tells of a new title on the asking socket only.",
        rename_not_stored = "rename-not-stored": "Tells of a new title and keeps the old one.",
        delete_not_announced = "delete-not-announced": "Tells of a deleted thread on the asking socket only.",
        deleted_still_listed = "deleted-still-listed": "Goes on listing deleted threads.",
        deleted_readable = "deleted-readable": "Goes on showing deleted threads to who knows their ids.",
        run_outlives_thread = "run-outlives-thread": "Leaves the runs of a deleted thread running.",
        list_unordered = "list-unordered": "Lists the newest thread last.",
        duplicate_thread_ids = "duplicate-thread-ids": "Gives each second thread the id of the one before.",
        concurrent_send_lost = "concurrent-send-lost": "Does not store a message while another one of its thread is being answered.",
        missing_thread_creates = "missing-thread-creates": "Creates a thread for a message to a missing one.",
        missing_thread_hangs = "missing-thread-hangs": "Answers nothing on the socket about a missing thread.",
        title_500 = "title-500": "Fails with a server error on a title with control characters.",
        rest_lags = "rest-lags": "REST does not know of a thread's last message for a second.",
    }
    /// How agents run.
    runs: RunPolicy {
        wrong_timestamp_form = "wrong-timestamp-form": "Tells the time of agent events in epoch milliseconds.",
        tool_left_open = "tool-left-open": "Does not tell the end of a run's last tool.",
        event_after_terminal = "event-after-terminal": "Sends a partial_result after final_report.",
        terminal_never = "terminal-never": "Never ends a run.",
        run_id_changes = "run-id-changes": "Sends partial_result under another run_id.",
        wrong_thread_id = "wrong-thread-id": "Sends agent_thinking under another thread_id.",
        agent_name_changes = "agent-name-changes": "Sends partial_result under another agent_name.",
        step_goes_back = "step-goes-back": "Counts step_number down.",
        step_above_total = "step-above-total": "Counts step_number beyond total_steps.",
        late_tool = "late-tool": "Announces a tool when it has been at work for 600 ms.",
        medium_stall = "medium-stall": "Says nothing for 5 s before the first partial_result.",
        run_too_long = "run-too-long": "Needs 12 s more for each run.",
        buffer_until_end = "buffer-until-end": "Sends all content at the end of the time that it takes.",
        lost_delta = "lost-delta": "Does not send a run's second partial_result.",
        duplicate_delta = "duplicate-delta": "Sends a run's second partial_result twice.",
        reordered_delta = "reordered-delta": "Sends a run's second partial_result after the third.",
        history_differs = "history-differs": "Stores a run's message without the space at its end.",
        skip_sequence = "skip-sequence": "Leaves a number of each session out.",
        repeat_sequence = "repeat-sequence": "Uses a number of each session twice.",
        content_after_stop = "content-after-stop": "Sends a partial_result after agent_stopped.",
        wrong_schema_on_one_prompt = "wrong-schema-on-one-prompt": "Tells total_steps 0 where four agents work.",
        drops_on_stall = "drops-on-stall": "Drops partial_result while a ping has not been answered for 50 ms.",
        never_degraded = "never-degraded": "Does not announce that it degrades.",
    }
    /// How agents fail, and what becomes of it.
    failures: FailurePolicy {
        refusal_poisons_thread = "refusal-poisons-thread": "Fails every request on a thread on which an unknown agent was asked for.",
        swallow_error = "swallow-error": "Ends a failed run without a word.",
        error_late = "error-late": "Tells a failure 3 s late.",
        error_wrong_run = "error-wrong-run": "Tells a failure under another run_id.",
        empty_error_message = "empty-error-message": "Tells a failure with an empty message.",
        no_retry_time = "no-retry-time": "Tells a recoverable failure without retry_after_ms.",
        leaks_stack_trace = "leaks-stack-trace": "Puts a stack trace in the message of agent_error.",
        leaks_secret = "leaks-secret": "Puts the model's API key in the message of agent_error.",
        error_then_completed = "error-then-completed": "Sends agent_completed after agent_error.",
        hang_after_error = "hang-after-error": "Leaves a failed run running.",
        poisoned_thread = "poisoned-thread": "Fails every request on a thread whose run has failed.",
        socket_dies_on_error = "socket-dies-on-error": "Closes the connection after agent_error.",
        partial_lost_on_failure = "partial-lost-on-failure": "Stores nothing of a failed run.",
        silent_timeout = "silent-timeout": "Says nothing more when the model does not answer in time.",
        failure_spreads = "failure-spreads": "Fails every other running run, too.",
        wrong_error_type = "wrong-error-type": "Tells every failure as internal.",
        no_degradation_event = "no-degradation-event": "Sends no graceful_degradation.",
        degradation_lies = "degradation-lies": "Names an agent as available that does not exist.",
    }
    /// How breakers open and close.
    breakers: BreakerPolicy {
        never_opens = "breaker-never-opens": "Admits runs however often they fail.",
        silent = "breaker-silent": "Sends no circuit_breaker_triggered.",
        status_lies = "breaker-status-lies": "Tells every breaker as closed.",
        stays_half_open = "breaker-never-closes": "Stays half open after the trial's success.",
        skips_half_open = "breaker-skips-half-open": "Closes when the time is over, without a trial.",
        admits_all = "breaker-admits-all": "Admits every run while it is half open.",
        global = "breaker-global": "Counts the failures of all users together.",
    }
    /// How streams end, and what ends them.
    streams: StreamPolicy {
        stream_stalls = "stream-stalls": "Says nothing more after a run's second partial_result.",
        last_delta_incomplete = "last-delta-incomplete": "Does not mark the last partial_result as the last.",
        stream_before_auth = "stream-before-auth": "Sends what runs on a thread to a peer that asks for it before it refuses it.",
        no_recheck = "no-recheck": "Does not ask again about the credentials of open sockets.",
        content_after_revoke = "content-after-revoke": "Sends a partial_result after stream_terminated.",
        expiry_ignored = "expiry-ignored": "Lets sockets and streams go on past their token's expiry.",
        expiry_abrupt = "expiry-abrupt": "Drops the connection at expiry without a word.",
        partial_lost_on_expiry = "partial-lost-on-expiry": "Stores nothing of a run that expiry ends.",
        refresh_ignored_by_stream = "refresh-ignored-by-stream": "Ends streams with the token that began them, whatever came since.",
        expiry_kills_all = "expiry-kills-all": "Ends the runs of all users when one token expires.",
        expiry_kills_siblings = "expiry-kills-siblings": "Ends the runs of all sessions of the user when one token expires.",
        slow_reader_blocks_all = "slow-reader-blocks-all": "Writes to one socket at a time, and waits for its peer however long it does not read.",
        slow_first_event = "slow-first-event": "Takes 5 s to the first partial_result.",
    }
    /// How much users may send.
    limits: LimitPolicy {
        limit_never_fires = "limit-never-fires": "Lets every message pass.",
        limit_too_early = "limit-too-early": "Refuses messages from half of the limit on.",
        throttle_closes = "throttle-closes": "Closes the connection on which the limit is passed.",
        throttle_kills_stream = "throttle-kills-stream": "Stops the user's runs when the limit is passed.",
        retry_after_lies = "retry-after-lies": "Tells a tenth of the time after which a message would pass.",
        never_recovers = "never-recovers": "Lets no message pass any more once the limit was passed.",
        limit_global = "limit-global": "Counts the messages of all users together.",
        limit_per_socket = "limit-per-socket": "Counts the messages of each socket by themselves.",
        no_retry_after = "429-without-retry-after": "Sends 429 without Retry-After.",
        no_socket_limit = "no-socket-limit": "Lets every socket of a user in.",
        slot_leaks = "slot-leaks": "Does not free the places of sockets that have ended.",
    }
    /// How the services answer HTTP.
    http: HttpPolicy {
        frontend_drops_event = "frontend-drops-event" needs Browser: "Its page receives tool_completed and does not show it.",
        frontend_keeps_old_token = "frontend-keeps-old-token" needs Browser: "Its page reconnects with the token that has expired.",
        frontend_ignores_event = "frontend-ignores-event": "The frontend's script does not handle service_recovered.",
        cors_mirrors_origin = "cors-mirrors-origin": "Sends back any Origin as allowed.",
        cors_star_with_credentials = "cors-star-with-credentials": "Allows every origin, with credentials.",
        plain_accepted = "plain-accepted" needs Tls: "Serves plaintext HTTP on the TLS port.",
        redirect_off_site = "redirect-off-site" needs Tls: "Redirects plaintext HTTP to a foreign host.",
        html_error_page = "html-error-page": "Answers errors with an HTML page.",
        bad_body_500 = "bad-body-500": "Answers a broken JSON body with 500.",
        config_value_missing = "config-value-missing": "Leaves auth_recheck_s out of /ws/config.",
        config_excuses_anything = "config-excuses-anything": "Tells a clock leeway of a year.",
        auth_serves_backend_routes = "auth-serves-backend-routes": "Serves the thread routes on the auth service, too.",
        backend_serves_auth_routes = "backend-serves-auth-routes": "Serves login and refresh on the backend, too.",
        jwks_leaks_private = "jwks-leaks-private" needs Rs256: "Publishes the private members of its key.",
    }
    /// How the services depend on each other.
    process: ProcessPolicy {
        auth_needs_backend = "auth-needs-backend": "The auth service fails logins while the backend is down.",
        auth_coupled_to_backend = "auth-coupled-to-backend": "The auth service waits for each request the backend is serving.",
        health_cascades = "health-cascades": "The auth service is unhealthy while the backend is down.",
        standalone_crashes = "standalone-crashes" needs SplitProcesses: "The auth service ends at start when it is alone.",
        standalone_slow = "standalone-slow" needs SplitProcesses: "The auth service needs a minute to start when it is alone.",
        standalone_ignores_sigterm = "standalone-ignores-sigterm" needs SplitProcesses: "The auth service does not end on SIGTERM.",
        backend_bypasses_auth_api = "backend-bypasses-auth-api": "The backend verifies tokens itself.",
        source_imports_main_app = "source-imports-main-app" needs Source: "The auth service's source imports the main application.",
        source_imports_dynamically = "source-imports-dynamically" needs Source: "The auth service's source imports the main application by name at run time.",
        source_requires_main_app = "source-requires-main-app" needs Source: "The auth service's requirements name the main application.",
        shared_database = "shared-database" needs PostgreSql: "Both services keep their tables in one schema.",
        shared_role = "shared-role" needs PostgreSql: "Both services use one database role.",
    }
    }
    filters {
        "drop-agent-started": "Never sends agent_started." => |policy| policy.filters.push(Filter::Drop(Kind::AgentStarted)),
        "drop-agent-thinking": "Never sends agent_thinking." => |policy| policy.filters.push(Filter::Drop(Kind::AgentThinking)),
        "drop-partial-result": "Never sends partial_result." => |policy| policy.filters.push(Filter::Drop(Kind::PartialResult)),
        "drop-agent-completed": "Never sends agent_completed." => |policy| policy.filters.push(Filter::Drop(Kind::AgentCompleted)),
        "drop-final-report": "Never sends final_report." => |policy| policy.filters.push(Filter::Drop(Kind::FinalReport)),
        "drop-tool-executing": "Never sends tool_executing." => |policy| policy.filters.push(Filter::Drop(Kind::ToolExecuting)),
        "drop-tool-completed": "Never sends tool_completed." => |policy| policy.filters.push(Filter::Drop(Kind::ToolCompleted)),
        "missing-field": "Leaves metrics out of agent_completed." => |policy| policy.filters.push(Filter::Omit(Kind::AgentCompleted, "metrics".into())),
        "number-as-string": "Writes duration_ms of agent_completed as a string." => |policy| policy.filters.push(Filter::Retype(Kind::AgentCompleted, "duration_ms".into())),
        "null-field": "Sends result of agent_completed as null." => |policy| policy.filters.push(Filter::Null(Kind::AgentCompleted, "result".into())),
        "no-thread-created": "Never sends thread_created." => |policy| policy.filters.push(Filter::Drop(Kind::ThreadCreated)),
        "completed-before-started": "Holds agent_started back until agent_completed." => |policy| policy.filters.push(Filter::Swap(Kind::AgentStarted, Kind::AgentCompleted)),
        "report-before-completed": "Holds agent_completed back until final_report." => |policy| policy.filters.push(Filter::Swap(Kind::AgentCompleted, Kind::FinalReport)),
        "swapped-events": "Holds agent_started back until agent_thinking." => |policy| policy.filters.push(Filter::Swap(Kind::AgentStarted, Kind::AgentThinking)),
        "tool-completed-first": "Holds tool_executing back until tool_completed." => |policy| policy.filters.push(Filter::Swap(Kind::ToolExecuting, Kind::ToolCompleted)),
        "double-terminal": "Sends agent_completed twice." => |policy| policy.filters.push(Filter::Repeat(Kind::AgentCompleted)),
        "late-started": "Sends agent_started, and all after it, 600 ms late." => |policy| policy.filters.push(Filter::Delay(Kind::AgentStarted, Duration::from_millis(600))),
        "stop-ignored": "Lets a run go on whatever stop_agent says." => |policy| policy.ignores = Some(Kind::StopAgent),
        "ignore-user-message": "Does not answer user_message." => |policy| policy.ignores = Some(Kind::UserMessage),
        "ignore-start-agent": "Does not answer start_agent." => |policy| policy.ignores = Some(Kind::StartAgent),
        "ignore-stop-agent": "Does not answer stop_agent." => |policy| policy.ignores = Some(Kind::StopAgent),
        "ignore-create-thread": "Does not answer create_thread." => |policy| policy.ignores = Some(Kind::CreateThread),
        "ignore-switch-thread": "Does not answer switch_thread." => |policy| policy.ignores = Some(Kind::SwitchThread),
        "ignore-rename-thread": "Does not answer rename_thread." => |policy| policy.ignores = Some(Kind::RenameThread),
        "ignore-delete-thread": "Does not answer delete_thread." => |policy| policy.ignores = Some(Kind::DeleteThread),
        "ignore-list-threads": "Does not answer list_threads." => |policy| policy.ignores = Some(Kind::ListThreads),
        "ignore-get-thread-history": "Does not answer get_thread_history." => |policy| policy.ignores = Some(Kind::GetThreadHistory),
        "ignore-token-refresh": "Does not answer token_refresh." => |policy| policy.ignores = Some(Kind::TokenRefresh),
        "ignore-session-restore": "Does not answer session_restore." => |policy| policy.ignores = Some(Kind::SessionRestore),
        "ignore-ping": "Does not answer ping." => |policy| policy.ignores = Some(Kind::Ping),
    }
    variations {
        refuse_after_upgrade = "refuse-after-upgrade": "Every refusal of a socket is 101, error, close 1008.",
        // The longest to prove goes first.
        slow_but_in_window = "slow-but-in-window": "The first events come at 60 % of their windows.",
        outage_after_upgrade = "outage-after-upgrade": "While auth is down: 101, error, close 1013.",
        detail_errors = "detail-errors": "HTTP errors are `{detail: {error_code, …}}`, bare strings where no token is refused.",
        epoch_timestamps = "epoch-timestamps": "Timestamps are epoch seconds.",
        offset_timestamps = "offset-timestamps": "Timestamps end in +00:00 and have microseconds.",
        rs256 = "rs256": "Tokens are signed RS256, with a JWKS.",
        es256 = "es256": "Tokens are signed ES256, with a JWKS.",
        leeway_two = "leeway-two": "The clock leeway is 2 s.",
        unknown_claims = "unknown-claims": "Tokens bear further claims and header members, reordered.",
        created_200 = "created-200": "Creating answers 200.",
        no_sequence = "no-sequence": "No frame is numbered.",
        extra_payload_field = "extra-payload-field": "Every payload and body has one more member.",
        unknown_event_in_between = "unknown-event-in-between": "x_notice messages come at any point after the first.",
        fragmented_frames = "fragmented-frames": "Messages come in several frames.",
        chatty_pings = "chatty-pings": "A protocol ping comes every 100 ms.",
        escaped_json = "escaped-json": "JSON is indented, escaped and in another order.",
        odd_ids = "odd-ids": "Ids are 200 characters with `:`, `~`, `%` and capitals.",
        lower_case_headers = "lower-case-headers": "Header names and `websocket` are in another case.",
        closing_http = "closing-http": "HTTP answers are chunked and close the connection.",
        close_without_frame = "close-without-frame-on-protocol-error": "After a protocol error TCP ends without a Close frame.",
        interleaved_segments = "interleaved-segments": "Sub-agents run at the same time.",
        silent_sub_agents = "silent-sub-agents": "Sub-agents have no partial_result.",
        token_bucket = "token-bucket": "The rate limit is a token bucket.",
        window_from_first = "window-from-first": "The rate limit's window starts with its first message.",
        generous_retry = "generous-retry": "Retry times are up to 1 s too long.",
        nul_refused = "nul-refused": "Content with NUL is refused whole.",
        deep_json_refused = "deep-json-refused": "Duplicate keys and depth over 100 are INVALID_JSON.",
        titles_refused = "titles-refused": "Empty and over-long titles are refused.",
        second_logout_200 = "second-logout-200": "A second logout is 200.",
        grace_on_refresh = "grace-on-refresh": "Of concurrent refreshes one wins and the family lives.",
        absent_test_logins = "absent-test-logins": "Closed test logins are 404.",
        back_pressure_only = "back-pressure-only": "A peer that does not read is back-pressured, not closed.",
        late_places = "late-places": "The place of a socket is free 900 ms after its end.",
        handshake_first = "handshake-first": "Sends handshake_response before the welcome, where the contract has one.",
        ties_in_any_order = "ties-in-any-order": "Threads of equal updated_at come in changing order.",
    }
}

impl Defect {
    /// Whether the reference, switched off, would have behaved otherwise somewhere in what was noted.
    pub fn was_consulted(&self, noted: &Noted) -> bool {
        let mut policy = Policy::default();
        (self.apply)(&mut policy);
        let was_sent = |filter: &Filter| match filter.subject() {
            Subject::Message(kind) => noted.sent.contains(&kind),
            Subject::Body(endpoint) => noted.answered.contains(&endpoint),
        };
        noted.switches.contains(self.id)
            || policy.ignores.is_some_and(|kind| noted.heard.contains(&kind))
            || policy.filters.iter().any(was_sent)
    }
}

impl Policy {
    /// Switches a defect or variation on; `false` when there is none of this name.
    pub fn switch_on(&mut self, id: &str) -> bool {
        let apply = DEFECTS
            .iter()
            .find(|defect| defect.id == id)
            .map(|defect| defect.apply)
            .or_else(|| VARIATIONS.iter().find(|variation| variation.id == id).map(|variation| variation.apply));
        apply.map(|apply| apply(self)).is_some()
    }
}
