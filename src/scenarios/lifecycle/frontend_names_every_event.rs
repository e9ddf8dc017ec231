use std::collections::BTreeSet;

use regex::Regex;
use url::Url;

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Blame, Finding, Inconclusive, Judgement, Need, NotVerified, Origin, Stop};
use crate::wire::{Endpoint, Kind};

/// All scripts of a page together are at most so large.
const MOST_OCTETS: usize = 20 << 20;

pub(super) static CHECK: Check =
    check!("lifecycle/frontend-names-every-event", run).should().needs(&[Need::Frontend]);

async fn run(cx: &Context) -> Judgement {
    let Some(base) = cx.profile().urls.of(Origin::Frontend).cloned() else {
        return Err(NotVerified::Lacks(Need::Frontend).into());
    };
    cx.step("the page");
    let page = cx.call(Endpoint::FrontendPage).send().await?;
    cx.status(&page, cx.contract().success(Endpoint::FrontendPage))?;
    let scripts = Scripts::of(cx, &base, &page.text).await?;

    cx.step("the types that the page's scripts name");
    let kinds: Vec<_> = cx.contract().ui_kinds().collect();
    let missing: Vec<_> = kinds.iter().filter(|kind| !scripts.name(cx.contract().wire_type(kind))).map(Kind::to_string).collect();
    if !missing.is_empty()
        && let Some(failed) = &scripts.failed
    {
        let what = format!("a part of the page could not be loaded ({failed}), and {} are not in the rest", missing.join(", "));
        return Err(Inconclusive::new(Blame::Target, what).with(cx.evidence()).into());
    }
    let seen = || format!("{} in none of {} scripts", missing.join(", "), scripts.urls.len());
    let expected = format!("the name of each of the {} types that a user sees", kinds.len());
    cx.holds(missing.is_empty(), Finding::MissingEvent, expected, seen, || cx.evidence())?;
    cx.conforms()
}

/// The scripts that a page loads, and what they import.
struct Scripts {
    urls: BTreeSet<Url>,
    text: String,
    failed: Option<String>,
}

impl Scripts {
    async fn of(cx: &Context, page: &Url, html: &str) -> Result<Self, Stop> {
        // Reads what a browser would load; what is in a comment besides does no harm, since a name that
        // stands in no script is missing all the same.
        let source = Regex::new(r#"(?is)<(?:script|link)\b[^>]*?\b(?:src|href)\s*=\s*["']?([^"'\s>]+\.m?js[^"'\s>]*)"#);
        let import = Regex::new(r#"(?:\bfrom|\bimport)\s*\(?\s*["'`]([^"'`]+)["'`]"#);
        let (Ok(source), Ok(import)) = (source, import) else {
            return Err(Inconclusive::new(Blame::Harness, "the patterns of scripts do not compile").into());
        };
        let mut scripts = Self { urls: BTreeSet::new(), text: html.to_owned(), failed: None };
        let found = |base: &Url, pattern: &Regex, text: &str| -> Vec<Url> {
            let urls = pattern.captures_iter(text).filter_map(|found| base.join(found.get(1)?.as_str()).ok());
            urls.filter(|url| url.origin() == page.origin()).collect()
        };
        let mut waiting = found(page, &source, html);
        waiting.extend(found(page, &import, html));
        while let Some(url) = waiting.pop() {
            if !scripts.urls.insert(url.clone()) {
                continue;
            }
            cx.step(format!("the script {}", url.path()));
            let path = url.path().to_owned() + &url.query().map_or_else(String::new, |query| format!("?{query}"));
            let answer = cx.request(Origin::Frontend, "GET", &path).send().await?;
            if answer.status != 200 {
                scripts.failed = Some(format!("{} answered {}", url.path(), answer.status));
                continue;
            }
            if scripts.text.len() + answer.text.len() > MOST_OCTETS {
                let what = format!("the page's scripts are over {} MB", MOST_OCTETS >> 20);
                return Err(NotVerified::NotProvoked(what).into());
            }
            waiting.extend(found(&url, &import, &answer.text));
            scripts.text.push_str(&answer.text);
        }
        Ok(scripts)
    }

    /// Whether a name stands in them, as a whole word.
    fn name(&self, name: &str) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.text.match_indices(name).any(|(at, _)| {
            let (before, after) = (self.text[..at].chars().next_back(), self.text[at + name.len()..].chars().next());
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
    }
}
