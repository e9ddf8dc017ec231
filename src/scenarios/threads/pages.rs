//! Histories read page by page.

use std::collections::BTreeSet;

use serde_json::Value;

use super::allowance::Allowance;
use crate::check::work::about;
use crate::check::{Context, Rest, items, text};
use crate::model::{Evidence, Finding, Stop};
use crate::target::{Response, Socket};
use crate::wire::{Endpoint, Kind};

/// One thread and who reads it.
pub(super) struct Pages<'c> {
    pub(super) cx: &'c Context,
    pub(super) rest: Rest<'c>,
    pub(super) allowance: Allowance,
    pub(super) thread: String,
}

/// One page: ids of its messages, and what shows them.
struct Page {
    ids: Vec<String>,
    /// `has_more` of the socket's answer.
    has_more: bool,
    evidence: Evidence,
}

fn ids(page: &Value) -> Vec<String> {
    items(page, "messages").iter().map(|message| text(message, "id")).collect()
}

impl<'c> Pages<'c> {
    pub(super) fn of(cx: &'c Context, rest: Rest<'c>, thread: String) -> Self {
        Self { cx, rest, allowance: Allowance::of(cx), thread }
    }

    /// What REST answers to a page of this size.
    pub(super) async fn ask_rest(&self, limit: usize, offset: usize) -> Result<Response, Stop> {
        self.allowance.turn().await;
        let call = self.rest.call(Endpoint::ListMessages, &self.thread).query("limit", limit).query("offset", offset);
        Ok(call.send().await?)
    }

    async fn over_rest(&self, limit: usize, offset: usize, total: usize) -> Result<Page, Stop> {
        let answer = self.ask_rest(limit, offset).await?;
        self.cx.success(Endpoint::ListMessages, &answer)?;
        let body = answer.logical_body(self.cx.contract(), Endpoint::ListMessages).unwrap_or_default();
        let told = body.get("total").and_then(Value::as_u64);
        self.cx.same("total", &Some(total as u64), &told, || answer.evidence())?;
        Ok(Page { ids: ids(&body), has_more: false, evidence: answer.evidence() })
    }

    /// All messages, over REST, once.
    pub(super) async fn all(&self, total: usize) -> Result<Vec<String>, Stop> {
        Ok(self.over_rest(100, 0, total).await?.ids)
    }

    async fn before(&self, socket: &mut Socket, limit: usize, before: Option<&str>) -> Result<Page, Stop> {
        self.allowance.turn().await;
        let ask = about(Kind::GetThreadHistory, &self.thread).with("limit", limit);
        let ask = before.into_iter().fold(ask, |ask, before| ask.with("before", before));
        let answer = self.cx.ask(socket, ask).await?;
        let has_more = answer.field("has_more") == Some(&Value::Bool(true));
        Ok(Page { ids: ids(&Value::Object(answer.payload)), has_more, evidence: socket.evidence() })
    }

    /// Pages of this size over REST, from the `offset`th message on, must together be `due`.
    pub(super) async fn rest_from(&self, limit: usize, offset: usize, due: &[String]) -> Result<(), Stop> {
        self.cx.step(format!("REST: pages of {limit} from message {offset} on"));
        let mut seen = Vec::new();
        let mut place = offset;
        loop {
            let page = self.over_rest(limit, place, due.len()).await?;
            self.fits(limit, &page)?;
            seen.extend(page.ids);
            place += limit;
            if place >= due.len() {
                return self.judge(&due[offset..], &seen, &page.evidence);
            }
        }
    }

    /// One page over REST must be this part of `due`.
    pub(super) async fn rest_at(&self, limit: usize, offset: usize, due: &[String]) -> Result<(), Stop> {
        self.cx.step(format!("REST: {limit} from message {offset} on"));
        let page = self.over_rest(limit, offset, due.len()).await?;
        self.fits(limit, &page)?;
        self.judge(&due[offset..due.len().min(offset + limit)], &page.ids, &page.evidence)
    }

    /// Pages of this size over the socket, from the newest back, must together be `due`.
    pub(super) async fn socket_back(&self, socket: &mut Socket, limit: usize, due: &[String]) -> Result<(), Stop> {
        self.cx.step(format!("socket: pages of {limit}, from the newest back"));
        let mut seen: Vec<String> = Vec::new();
        loop {
            let first = seen.first().cloned();
            let page = self.before(socket, limit, first.as_deref()).await?;
            self.fits(limit, &page)?;
            let is_last = !page.has_more || page.ids.is_empty() || seen.len() > due.len();
            seen.splice(..0, page.ids);
            if is_last {
                return self.judge(due, &seen, &page.evidence);
            }
        }
    }

    /// The newest messages, and those before them, one page each.
    pub(super) async fn socket_at(&self, socket: &mut Socket, limit: usize, due: &[String]) -> Result<(), Stop> {
        for end in [due.len(), due.len().saturating_sub(limit)] {
            self.cx.step(format!("socket: {limit} before message {end}"));
            let page = self.before(socket, limit, due.get(end).map(String::as_str)).await?;
            self.fits(limit, &page)?;
            self.judge(&due[end.saturating_sub(limit)..end], &page.ids, &page.evidence)?;
            let expected = end > limit;
            self.cx.same("has_more", &expected, &page.has_more, || page.evidence.clone())?;
        }
        Ok(())
    }

    fn fits(&self, limit: usize, page: &Page) -> Result<(), Stop> {
        let seen = || format!("{} messages", page.ids.len());
        let expected = format!("at most {limit} messages");
        self.cx.holds(page.ids.len() <= limit, Finding::WrongValue, expected, seen, || page.evidence.clone())
    }

    /// No repeat, no gap, in order.
    fn judge(&self, due: &[String], seen: &[String], evidence: &Evidence) -> Result<(), Stop> {
        let (known, came): (BTreeSet<_>, BTreeSet<_>) = (due.iter().collect(), seen.iter().collect());
        let twice = seen.len() - came.len();
        let lost = known.difference(&came).count();
        let expected = || format!("the {} messages, each once, in order", due.len());
        let holds =
            |fact, finding, seen: String| self.cx.holds(fact, finding, expected(), || seen, || evidence.clone());
        holds(twice == 0, Finding::Duplicated, format!("{twice} of them twice"))?;
        holds(lost == 0, Finding::Lost, format!("{lost} of them are missing"))?;
        holds(due.len() == seen.len(), Finding::WrongValue, format!("{} messages", seen.len()))?;
        holds(due == seen, Finding::WrongOrder, "the same messages in another order".into())
    }
}
