//! Where the environment is and how it is reached.

use std::collections::BTreeMap;
use std::net::IpAddr;

use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

use super::super::raw::{RawProxy, RawSecret, RawTls, RawUrls};
use super::super::resolved::{Proxy, Secret, Tls, Urls};
use super::super::tree::Path;
use super::Resolver;

/// Headers that the checker itself sets, or that HTTP owns.
const OWN_HEADERS: [&str; 8] =
    ["authorization", "connection", "content-length", "content-type", "host", "origin", "transfer-encoding", "upgrade"];

impl Resolver<'_> {
    pub(super) fn urls(&mut self, raw: &RawUrls) -> Option<Urls> {
        const WEB: [&str; 2] = ["https", "http"];
        let auth = self.url("urls.auth", raw.auth.as_deref(), WEB, true);
        let backend = self.url("urls.backend", raw.backend.as_deref(), WEB, true);
        let websocket = self.url("urls.websocket", raw.websocket.as_deref(), ["wss", "ws"], true);
        let frontend = self.url("urls.frontend", raw.frontend.as_deref(), WEB, false);
        Some(Urls { auth: auth?, backend: backend?, websocket: websocket?, frontend })
    }

    fn url(&mut self, key: &str, raw: Option<&str>, schemes: [&str; 2], required: bool) -> Option<Url> {
        let raw = if required { self.required(key, raw)? } else { raw? };
        let [secure, plain] = schemes;
        let path = Path::dotted(key);
        let mut url = match Url::parse(raw) {
            Ok(url) => url,
            Err(error) => {
                let help = format!("write it with its scheme: `{secure}://HOST`");
                self.wrong(&path, format!("`{key}` is no URL: {error}"), "no URL", help);
                return None;
            }
        };
        if !schemes.contains(&url.scheme()) {
            let twin = if matches!(url.scheme(), "https" | "wss") { secure } else { plain };
            let rest = raw.split_once(':').map_or("", |(_, rest)| rest);
            let help = if matches!(url.scheme(), "http" | "https" | "ws" | "wss") {
                format!("did you mean `{twin}:{rest}`?")
            } else {
                format!("write it as `{secure}://HOST`")
            };
            let message = format!("`{key}` must be a `{secure}` or `{plain}` URL, not `{}`", url.scheme());
            self.wrong(&path, message, "wrong scheme", help);
            return None;
        }
        if !url.username().is_empty() || url.password().is_some() {
            let help = "give it to `credentials` or `headers`; a URL stands in every report";
            self.wrong(&path, format!("`{key}` must not hold a user or a password"), "holds user information", help);
            return None;
        }
        if url.query().is_some() || url.fragment().is_some() {
            let message = format!("`{key}` must have no query and no fragment");
            self.wrong(&path, message, "has one", "a base URL ends with its path");
            return None;
        }
        if schemes.contains(&"https") {
            let base = url.path().trim_end_matches('/').to_owned();
            url.set_path(&base);
        }
        Some(url)
    }

    pub(super) fn headers(&mut self, raw: BTreeMap<String, RawSecret>) -> BTreeMap<String, Secret> {
        let mut headers = BTreeMap::new();
        for (name, value) in raw {
            let path = Path::dotted("headers").join(&name);
            let lower = name.to_ascii_lowercase();
            if HeaderName::from_bytes(name.as_bytes()).is_err() {
                self.wrong(&path, format!("`{name}` is no header name"), "its value", "letters, digits and `-`");
            } else if OWN_HEADERS.contains(&lower.as_str()) || lower.starts_with("sec-websocket") {
                let help = "an identity-aware proxy takes its credential in a header of its own";
                self.wrong(&path, format!("the header `{name}` is set by the checker itself"), "its value", help);
            } else if HeaderValue::from_str(&value.0).is_err() {
                let help = "a header is one line of visible characters";
                self.wrong(&path, format!("`{path}` cannot be a header's value"), "holds other characters", help);
            } else {
                headers.insert(name, Secret::new(value.0));
            }
        }
        headers
    }

    pub(super) fn tls(&mut self, raw: &RawTls) -> Tls {
        let mut file = |key: &str, name: &Option<String>| self.existing(&Path::dotted(key), name.as_deref(), false);
        let ca_file = file("tls.ca_file", &raw.ca_file);
        let certificate = file("tls.client_cert_file", &raw.client_cert_file);
        let key = file("tls.client_key_file", &raw.client_key_file);
        if raw.client_cert_file.is_some() != raw.client_key_file.is_some() {
            let (there, absent) = if raw.client_cert_file.is_some() {
                ("tls.client_cert_file", "tls.client_key_file")
            } else {
                ("tls.client_key_file", "tls.client_cert_file")
            };
            let help = "a client certificate and its key come together";
            self.missing(&Path::dotted(absent), format!("`{there}` needs `{absent}`"), help);
        }
        Tls { ca_file, client: certificate.zip(key), require_tls13: raw.require_tls13.unwrap_or(false) }
    }

    pub(super) fn proxy(&mut self, raw: RawProxy) -> Option<Proxy> {
        let path = Path::dotted("proxy.url");
        // `NO_PROXY` is one text: names, parted by commas or spaces.
        let names = raw.except.iter().flat_map(|item| item.split([',', ' ', '\t']));
        let except = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        // `"${HTTPS_PROXY:-}"` where there is none.
        let url = raw.url.filter(|url| !url.0.is_empty())?;
        match Url::parse(&url.0) {
            Ok(url) if url.scheme() == "http" && url.has_host() => return Some(Proxy { url, except }),
            _ => self.wrong(&path, "`proxy.url` is no HTTP proxy".into(), "this", "write `http://HOST:PORT`"),
        }
        None
    }

    pub(super) fn addresses(&mut self, raw: BTreeMap<String, String>) -> BTreeMap<String, IpAddr> {
        let mut addresses = BTreeMap::new();
        for (host, address) in raw {
            let path = Path::dotted("resolve").join(&host);
            if let Ok(address) = address.parse::<IpAddr>() {
                addresses.insert(host, address);
            } else {
                self.wrong(
                    &path,
                    format!("`{path}` is no IP address"),
                    "no address",
                    "for example `127.0.0.1` or `::1`",
                );
            }
        }
        addresses
    }
}
