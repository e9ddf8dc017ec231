//! Whom a token names: what the auth service says, and where misconduct knows better.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::Response;

use super::Backend;
use super::auth_client::{Denial, Identity, claims_of};
use crate::reference::listen::Connection;
use crate::reference::site::Site;
use crate::wire::ErrorCode;

/// Marks requests that came to a replica which hears of no logout.
const DEAF: HeaderName = HeaderName::from_static("x-reference-deaf-replica");

impl Backend {
    /// Whom `token` names, shown in a request with these headers.
    ///
    /// # Errors
    /// [`Denial`] when it is refused, or nobody can tell.
    pub(super) async fn identify(&self, token: &str, headers: &HeaderMap) -> Result<Identity, Denial> {
        let policy = self.site.policy().sync;
        self.auth.ask(token).await.or_else(|denial| {
            let excused = match &denial {
                Denial::Refused(ErrorCode::TokenRevoked) => {
                    policy.backend_ignores_revocation.on() || headers.contains_key(DEAF)
                }
                Denial::Refused(ErrorCode::TokenInvalid) => {
                    policy.backend_foreign_aud.on() && is_for_others(&self.site, token)
                }
                _ => false,
            };
            if excused { Ok(Identity::claimed(&self.site, token)) } else { Err(denial) }
        })
    }
}

fn is_for_others(site: &Site, token: &str) -> bool {
    claims_of(token)["aud"].as_str().is_some_and(|audience| audience != site.contract().tokens().audience)
}

/// `router` as it stands behind a balancer: one replica, unless misconduct makes it two.
pub(super) fn replicas(router: Router, site: &Site) -> Router {
    match site.policy().sync.revocation_one_replica.on() {
        true => router.layer(middleware::from_fn(mark_deaf)),
        false => router,
    }
}

async fn mark_deaf(mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Connection>().is_some_and(|connection| connection.number() % 2 == 1) {
        request.headers_mut().insert(DEAF, HeaderValue::from_static("1"));
    }
    next.run(request).await
}
