//! Watching over a session: expiry, revocation, and its end when nobody comes back for it.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Backend;
use super::auth_client::{Denial, Identity};
use crate::reference::notes;
use crate::wire::ErrorCode;

/// How long an auth service that does not answer is believed to have nothing against a socket.
const TRUST: Duration = Duration::from_secs(60);

/// How a session stands.
struct Standing {
    credential: Identity,
    attached: bool,
    running: bool,
    lost_at: Option<Instant>,
    changed: Arc<Notify>,
}

/// Watches over a session in a task of its own, until the session is gone.
pub(super) fn watch(backend: &Arc<Backend>, user: String, session: String) {
    let of_watch = backend.clone();
    backend.site.spawn(notes::for_itself(async move { guard(&of_watch, &user, &session).await }));
}

async fn guard(backend: &Backend, user: &str, session: &str) {
    let conduct = &backend.site.conduct;
    let streams = conduct.policy.streams;
    let minds_expiry = !conduct.policy.session.idle_expiry_ignored.on() && !streams.expiry_ignored.on();
    let rechecks = !streams.no_recheck.on();
    let mut next_check = Instant::now() + jittered(conduct.settings.auth_recheck);
    let mut silent_since = None;
    while let Some(standing) = standing(backend, user, session) {
        let expiry = until(standing.credential.expires_at + conduct.clock_leeway());
        let expiry = (standing.attached && minds_expiry).then(|| Instant::now() + expiry);
        let end = standing.lost_at.filter(|_| !standing.running).map(|lost| lost + conduct.settings.replay_time);
        let check = Some(next_check).filter(|_| standing.attached || standing.running);
        let wake = [expiry, end, check].into_iter().flatten().min().unwrap_or(next_check);
        tokio::select! {
            () = tokio::time::sleep_until(wake) => {}
            () = standing.changed.notified() => continue,
        }
        let now = Instant::now();
        if end.is_some_and(|end| now >= end) {
            backend.hub().user(user).sessions.remove(session);
            return;
        }
        if expiry.is_some_and(|expiry| now >= expiry) {
            backend.hub().end_credential(user, session, &ErrorCode::TokenExpired);
            continue;
        }
        if now < next_check || standing.credential.token.is_empty() || !rechecks {
            next_check = next_check.max(now + jittered(conduct.settings.auth_recheck));
            continue;
        }
        let verdict = backend.auth.ask_again(&standing.credential.token).await;
        next_check = Instant::now() + jittered(conduct.settings.auth_recheck);
        let code = match verdict {
            Ok(_) => {
                silent_since = None;
                continue;
            }
            // Expiry has its own time here, and does not concern a session without a socket.
            Err(Denial::Refused(ErrorCode::TokenExpired)) => continue,
            Err(Denial::Refused(_)) if conduct.policy.sync.ws_survives_logout.on() => continue,
            Err(Denial::Refused(_)) => ErrorCode::TokenRevoked,
            Err(Denial::Unavailable) => {
                let since = *silent_since.get_or_insert(now);
                if now - since < TRUST && !conduct.policy.session.outage_drops_sockets.on() {
                    continue;
                }
                ErrorCode::AuthUnavailable
            }
        };
        // A newer token may have come while the old one was asked about.
        if let Some(current) = self::standing(backend, user, session)
            && current.credential.token == standing.credential.token
        {
            backend.hub().end_credential(user, session, &code);
        }
    }
}

fn standing(backend: &Backend, user: &str, session: &str) -> Option<Standing> {
    let mut hub = backend.hub();
    let running = hub.is_running(user, session);
    let session = hub.session_mut(user, session)?;
    Some(Standing {
        credential: session.credential.clone(),
        attached: session.socket.is_some(),
        running,
        lost_at: session.lost_at,
        changed: session.changed.clone(),
    })
}

/// Time from now on; none for what is past.
pub(super) fn until(time: OffsetDateTime) -> Duration {
    (time - OffsetDateTime::now_utc()).try_into().unwrap_or_default()
}

/// A little less each time, so that many sessions do not ask at once.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::random_range(0.8..=1.0))
}
