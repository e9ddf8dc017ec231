//! News for the backend: OAuth flows that were completed.
//!
//! The backend asks and the auth service answers when there is news, so that the auth service
//! needs to know nothing of the backend.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Auth;
use crate::reference::http_error::HttpError;

/// Where the backend asks. Between the services, so no contract names it.
pub(in crate::reference) const PATH: &str = "/internal/oauth-completions";
/// How long a question waits for news.
const WAIT: Duration = Duration::from_secs(20);

/// An OAuth flow that was completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::reference) struct OauthCompletion {
    /// With which provider.
    pub(in crate::reference) provider: String,
    /// Whose flow it was.
    pub(in crate::reference) user_id: String,
    /// Address of that user.
    pub(in crate::reference) email: String,
}

/// All completions since the service began, in order.
#[derive(Debug)]
pub(super) struct Feed {
    news: Mutex<Vec<OauthCompletion>>,
    count: watch::Sender<usize>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { news: Mutex::default(), count: watch::Sender::new(0) }
    }
}

impl Feed {
    /// Tells a completion to whoever asks.
    pub(super) fn tell(&self, completion: OauthCompletion) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        news.push(completion);
        self.count.send_replace(news.len());
    }

    /// The completions after the first `after`; without it none, and where they end.
    fn since(&self, after: Option<usize>) -> News {
        let news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let completions = after.and_then(|after| news.get(after..)).unwrap_or_default().to_vec();
        News { completions, next: news.len() }
    }
}

/// What the backend has heard already.
#[derive(Debug, Deserialize)]
pub(super) struct Heard {
    after: Option<usize>,
}

/// What is new, and how to ask on.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::reference) struct News {
    /// Completions, the oldest first.
    pub(in crate::reference) completions: Vec<OauthCompletion>,
    /// `after` of the next question.
    pub(in crate::reference) next: usize,
}

/// GET [`PATH`]: the completions after the first `after`, as soon as there are any. Without
/// `after`: none, and from where on to ask.
pub(super) async fn read(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    Query(heard): Query<Heard>,
) -> Result<Json<News>, HttpError> {
    auth.admit_service(&headers)?;
    if let Some(after) = heard.after {
        // No news in time is an answer, too; and so is a service that began anew since `after`.
        let _ = tokio::time::timeout(WAIT, auth.feed.count.subscribe().wait_for(|count| *count != after)).await;
    }
    Ok(Json(auth.feed.since(heard.after)))
}
