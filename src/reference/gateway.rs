//! A gateway before the services, as identity-aware proxies stand there: who does not bring its header gets a page, and
//! no service hears of it.

use std::str::FromStr;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;

/// What the page says.
const PAGE: &str = "<!doctype html>\n<html><head><title>Access denied</title></head>\
    <body><h1>Access denied</h1><p>This gateway lets nobody in without its credential.</p></body></html>\n";

/// The header that a gateway demands.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

/// A header that is none.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no header: write `Name: value`")]
pub struct NoHeader(String);

impl FromStr for Gateway {
    type Err = NoHeader;

    fn from_str(text: &str) -> Result<Self, NoHeader> {
        let parse = || {
            let (name, value) = text.split_once(':')?;
            let (name, value) = (name.trim().parse().ok()?, HeaderValue::from_str(value.trim()).ok()?);
            (!value.is_empty()).then_some(Self { name, value })
        };
        parse().ok_or_else(|| NoHeader(text.to_owned()))
    }
}

impl Gateway {
    /// Name and value, as a profile writes them.
    pub fn pair(&self) -> (&str, &str) {
        (self.name.as_str(), self.value.to_str().unwrap_or_default())
    }

    /// Whether a request passes.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        headers.get(&self.name) == Some(&self.value)
    }

    /// What it says in the services' place.
    pub(super) fn page() -> Response {
        let mut page = Response::new(Body::from(PAGE));
        *page.status_mut() = StatusCode::FORBIDDEN;
        page.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let gateway: Gateway = "X-Gateway:  open-sesame ".parse().unwrap();
        assert_eq!(gateway.pair(), ("x-gateway", "open-sesame"));
        for text in ["X-Gateway", "X-Gateway:", "no name: x", ": x"] {
            assert!(text.parse::<Gateway>().is_err(), "{text}");
        }
    }
}
