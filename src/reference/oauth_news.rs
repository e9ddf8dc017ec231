//! The backend's ear at the auth service: OAuth flows that were completed.

use std::sync::Arc;
use std::time::Duration;

use super::auth::{FEED_PATH, News, OauthCompletion};
use super::site::Site;

/// Longer than the auth service waits for news.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between questions while the auth service does not answer.
const PAUSE: Duration = Duration::from_millis(200);

/// Tells each OAuth flow that completes from now on, until shutdown. Those that complete while
/// the auth service cannot be reached are told when it can be again.
pub(super) async fn follow(site: Arc<Site>, mut tell: impl FnMut(OauthCompletion) + Send) {
    let mut after = None;
    loop {
        let answer = tokio::select! {
            answer = ask(&site, after) => answer,
            () = site.shutdown.cancelled() => return,
        };
        match answer {
            Ok(news) => {
                after = Some(news.next);
                news.completions.into_iter().for_each(&mut tell);
            }
            Err(_) => tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = site.shutdown.cancelled() => return,
            },
        }
    }
}

async fn ask(site: &Site, after: Option<usize>) -> Result<News, reqwest::Error> {
    let mut url = site.facts.urls.auth.clone().map_or_else(String::new, String::from);
    url.truncate(url.trim_end_matches('/').len());
    url.push_str(FEED_PATH);
    if let Some(after) = after {
        url.push_str(&format!("?after={after}"));
    }
    let request = site
        .client
        .get(url)
        .header("x-service-id", &site.facts.service_id)
        .header("x-service-secret", &site.facts.service_secret)
        .timeout(PATIENCE);
    request.send().await?.error_for_status()?.json().await
}
