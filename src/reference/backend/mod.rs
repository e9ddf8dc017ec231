//! The backend: REST and WebSocket.

use std::sync::Arc;

use axum::Router;

use super::ServeError;
use super::site::Site;

/// The backend's routes; what it runs beside them is on `site.tasks` until `site.shutdown`.
///
/// # Errors
/// [`ServeError::NoAuthService`] when it has nobody to ask.
pub(super) fn router(site: &Arc<Site>) -> Result<Router, ServeError> {
    site.facts.urls.auth.as_ref().ok_or(ServeError::NoAuthService)?;
    Ok(Router::new())
}
