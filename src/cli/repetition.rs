//! What a person must type to have the same again, beside profile and seed.

use std::path::Path;

use crate::model::{Origin, Repetition};
use crate::profile::{Loaded, Profile};

/// The variables by which curl takes a proxy that this tool does not look at.
const PROXY_VARIABLES: [&str; 6] = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// Of a run with this profile; `sets` of its assignments were the user's own.
pub(super) fn of(loaded: &Loaded, sets: usize) -> Repetition {
    let directory = std::env::current_dir().unwrap_or_default();
    let ambient_proxy = PROXY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some());
    Repetition {
        sets: loaded.sets().into_iter().take(sets).collect(),
        curl: curl(&loaded.profile, &directory, ambient_proxy),
    }
}

/// Options by which curl reaches the same services; secrets stand as placeholders.
fn curl(profile: &Profile, directory: &Path, ambient_proxy: bool) -> Vec<String> {
    let file = |path: &Path| path.strip_prefix(directory).unwrap_or(path).display().to_string();
    let mut options = Vec::new();
    let mut option = |name: &str, value: String| options.extend([name.to_owned(), value]);
    if let Some(authority) = &profile.tls.ca_file {
        option("--cacert", file(authority));
    }
    if let Some((certificate, key)) = &profile.tls.client {
        option("--cert", file(certificate));
        option("--key", file(key));
    }
    match &profile.proxy {
        Some(proxy) => {
            let url = &proxy.url;
            let password = url.password().map_or("", |_| ":«password»");
            let user = if url.username().is_empty() { String::new() } else { format!("{}{password}@", url.username()) };
            let port = url.port_or_known_default().unwrap_or(80);
            option("--proxy", format!("http://{user}{}:{port}", url.host_str().unwrap_or_default()));
            if !proxy.except.is_empty() {
                option("--noproxy", proxy.except.join(","));
            }
        }
        None if ambient_proxy => option("--noproxy", "*".into()),
        None => {}
    }
    let urls = Origin::ALL.into_iter().filter_map(|origin| profile.urls.of(origin));
    let mut places: Vec<(String, u16)> =
        urls.filter_map(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?))).collect();
    places.dedup();
    for (host, port) in places {
        let address = profile.resolve.get(&format!("{host}:{port}")).or_else(|| profile.resolve.get(&host));
        if let Some(address) = address {
            let address = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
            option("--resolve", format!("{host}:{port}:{address}"));
        }
    }
    if profile.tls.require_tls13 {
        options.push("--tlsv1.3".into());
    }
    options
}
