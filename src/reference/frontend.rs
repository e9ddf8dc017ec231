//! The frontend (contract, section 4): a small page that talks to the environment as the contract says.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::site::Site;
use crate::wire::{Carrier, Endpoint, Kind, Message};

const PAGE: &str = include_str!("frontend/index.html");
const SCRIPT: &str = include_str!("frontend/app.js");

/// In which layer of the page an agent's event is shown (contract, section 7.2); the others are in none.
const LAYERS: [(&str, &[Kind]); 3] = [
    ("fast", &[Kind::AgentStarted, Kind::ToolExecuting]),
    ("medium", &[Kind::AgentThinking, Kind::PartialResult]),
    ("slow", &[Kind::AgentCompleted, Kind::FinalReport]),
];

/// The frontend's routes.
pub(super) fn router(site: &Arc<Site>) -> Router {
    let mut router = Router::new().route("/app.js", get(script));
    router = site.route(router, Endpoint::FrontendPage, page);
    router = site.route(router, Endpoint::FrontendCallback, page);
    router = site.route(router, Endpoint::FrontendHealth, health);
    router = site.route(router, Endpoint::FrontendConfig, config);
    router.with_state(site.clone())
}

async fn page() -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response()
}

/// The script, after what it must know of the contract: paths, and one example of each message
/// that it has to handle, from which it reads how types are written.
async fn script(State(site): State<Arc<Site>>) -> Response {
    let contract = site.contract();
    let ignored = site.policy().http.frontend_ignores_event.on().then_some(Kind::ServiceRecovered);
    let kinds = contract.ui_kinds().filter(|kind| Some(kind) != ignored.as_ref());
    let handled: Vec<Value> = kinds.map(|kind| contract.write(&Message::new(kind), None)).collect();
    let layers: Value = LAYERS
        .iter()
        .map(|(layer, kinds)| ((*layer).to_owned(), kinds.iter().map(|kind| contract.wire_type(kind)).collect()))
        .collect::<serde_json::Map<String, Value>>()
        .into();
    let drops = site.policy().http.frontend_drops_event.on();
    let hidden = drops.then(|| contract.wire_type(&Kind::ToolCompleted));
    let path = |endpoint| contract.endpoint(endpoint).map(|(_, path)| path);
    let (token_prefix, token_raw) = contract.token_form("test");
    // A page cannot set the headers of its WebSockets.
    let carrier = contract.carriers().iter().find(|carrier| **carrier != Carrier::Header);
    let ticket = contract.write_body(Endpoint::WsTicket, &json!({"ticket": ""}));
    let known = json!({
        "handled": handled,
        "layers": layers,
        "carrier": carrier.map(|carrier| carrier.slug()),
        "ticket": ticket.as_object().and_then(|body| body.keys().next()),
        "subprotocol": contract.auth_subprotocol(),
        "token_prefix": token_prefix,
        "token_raw": token_raw,
        "hidden": hidden,
        "keeps_old_token": site.policy().http.frontend_keeps_old_token.on(),
        "ask": contract.write(&Message::new(Kind::UserMessage), None),
        "paths": {"config": path(Endpoint::FrontendConfig), "refresh": path(Endpoint::Refresh), "ticket": path(Endpoint::WsTicket)},
    });
    let script = format!("const CONTRACT = {known};\n{SCRIPT}");
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], script).into_response()
}

async fn health(State(site): State<Arc<Site>>) -> Response {
    let body = json!({"status": "healthy", "service": "frontend", "timestamp": site.clock.now()});
    site.answer(Endpoint::FrontendHealth, StatusCode::OK, &body)
}

async fn config(State(site): State<Arc<Site>>) -> Response {
    let urls = &site.facts.urls;
    let text = |url: Option<&url::Url>| url.map(|url| url.as_str().trim_end_matches('/').to_owned());
    let api = match site.policy().sync.frontend_wrong_origin.on() {
        true => Some("https://api.elsewhere.example".to_owned()),
        false => text(urls.backend.as_ref()),
    };
    let body = json!({
        "urls": {
            "auth": text(urls.auth.as_ref()),
            "api": api,
            "ws": text(urls.websocket().as_ref()),
        },
        "environment": if site.conduct.production { "production" } else { "test" },
    });
    site.answer(Endpoint::FrontendConfig, StatusCode::OK, &body)
}
