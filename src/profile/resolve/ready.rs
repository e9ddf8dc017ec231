//! What must be true before the checks begin.

use reqwest::header::HeaderName;
use url::Url;

use super::super::raw::{RawReady, RawRevision};
use super::super::resolved::{Ready, Revision, RevisionPlace};
use super::super::tree::Path;
use super::Resolver;

impl Resolver<'_> {
    pub(super) fn ready(&mut self, raw: RawReady) -> Option<Ready> {
        let within = self.seconds("ready.within_s", raw.within_s);
        let samples = self.required("ready.samples", raw.samples);
        let revision = self.revision(raw.revision);
        Some(Ready { within: within?, samples: samples? as usize, revision: revision? })
    }

    fn revision(&mut self, raw: RawRevision) -> Option<Revision> {
        let at = Path::dotted("ready.revision");
        let url = raw.url.as_deref().map(|url| self.revision_url(&at.join("url"), url));
        let place = match (raw.pointer, raw.header) {
            (Some(_), Some(_)) => {
                let help = "the revision is told in one place: leave `pointer` or `header` out";
                let message = "`ready.revision` has both `pointer` and `header`".into();
                self.wrong(&at.join("header"), message, "one too many", help);
                None
            }
            (Some(pointer), None) if !pointer.is_empty() && !pointer.starts_with('/') => {
                let help = format!("it begins with a slash (RFC 6901): `/{}`", pointer.replace('.', "/"));
                let message = "`ready.revision.pointer` is no JSON pointer".into();
                self.wrong(&at.join("pointer"), message, "no pointer", help);
                None
            }
            (Some(pointer), None) => Some(RevisionPlace::Pointer(pointer)),
            (None, Some(header)) if HeaderName::from_bytes(header.as_bytes()).is_err() => {
                let message = format!("`{header}` is no header name");
                self.wrong(&at.join("header"), message, "no name", "letters, digits and `-`");
                None
            }
            (None, Some(header)) => Some(RevisionPlace::Header(header)),
            (None, None) => Some(RevisionPlace::Version),
        };
        if raw.expect.as_deref().is_some_and(|expect| expect.trim().is_empty()) {
            let help = "name a revision, or leave it out";
            self.wrong(&at.join("expect"), "`ready.revision.expect` is empty".into(), "empty", help);
        }
        let url = match url {
            Some(url) => Some(url?),
            None => None,
        };
        Some(Revision { url, place: place?, expect: raw.expect })
    }

    /// Unlike a base URL it may have a query.
    fn revision_url(&mut self, path: &Path, raw: &str) -> Option<Url> {
        let fault = match Url::parse(raw) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                format!("must be an `https` or `http` URL, not `{}`", url.scheme())
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "must not hold a user or a password".to_owned()
            }
            Ok(url) => return Some(url),
            Err(error) => format!("is no URL: {error}"),
        };
        let help = "for example `https://api.example.com/version`";
        self.wrong(path, format!("`{path}` {fault}"), "this", help);
        None
    }
}
