//! Outages on demand, for the triggers `auth_outage` and `backend_outage`.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;

use super::listen::Gate;

/// `POST /NAME/down` and `/NAME/up` for each service. The answer (204) comes when it is in force.
pub(super) fn router(services: impl IntoIterator<Item = (&'static str, Arc<Gate>)>) -> Router {
    services.into_iter().fold(Router::new(), |router, (name, gate)| {
        let down = {
            let gate = gate.clone();
            move || async move {
                gate.shut().await;
                StatusCode::NO_CONTENT
            }
        };
        let up = move || async move {
            gate.open();
            StatusCode::NO_CONTENT
        };
        router.route(&format!("/{name}/down"), post(down)).route(&format!("/{name}/up"), post(up))
    })
}
