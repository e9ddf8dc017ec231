use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::json;

use crate::check;
use crate::check::work::{about, run_ends};
use crate::check::{Check, Context, PLAIN_PROMPT, Rest, RunWide, Session, Tally};
use crate::model::{CheckId, ConnectionId, Direction, Effect, Entry, Finding, Judgement, Need, Record, Stop};
use crate::target::{Canaries, Canary, Login};
use crate::wire::{Endpoint, ErrorCode, Kind};

pub(super) static CHECK: Check = check!("isolation/no-foreign-canary", oracle: Oracle::boxed, traffic: traffic)
    .smoke()
    .needs(&[Need::TwoUsers])
    .effects(&[Effect::Create]);

/// Fewer messages and answers than its own traffic brings.
const LEAST: usize = 20;
/// Marks whose sender is not known yet: few, since what we send is recorded as it is sent.
const UNCLAIMED: usize = 1_000;

/// A user, by id.
type User = Arc<str>;
type Place = (CheckId, ConnectionId);

/// Reads everything that every user receives.
struct Oracle {
    canaries: Arc<Canaries>,
    /// Whose each mark is: who sent it first.
    marks: HashMap<u32, User>,
    /// Marks that were received before anybody was seen to send them.
    unclaimed: HashMap<u32, (User, Entry)>,
    /// What is another user's and was sent on this connection: coming back it is no leak.
    said: BTreeSet<(Place, Canary)>,
    tally: Tally,
}

impl Oracle {
    fn boxed(canaries: Arc<Canaries>) -> Box<dyn RunWide> {
        Box::new(Self {
            canaries,
            marks: HashMap::new(),
            unclaimed: HashMap::new(),
            said: BTreeSet::new(),
            tally: Tally::new(LEAST, "messages and answers"),
        })
    }

    /// Whose a canary is, as far as it is known.
    fn owner(&self, canary: &Canary) -> Option<User> {
        match canary {
            Canary::Mark(number) => self.marks.get(number).cloned(),
            Canary::User(user) | Canary::Thread { owner: user, .. } => Some(Arc::clone(user)),
        }
    }

    fn sent(&mut self, place: Place, user: &User, canaries: BTreeSet<Canary>) {
        for canary in canaries {
            if let Canary::Mark(number) = canary {
                let owner = Arc::clone(self.marks.entry(number).or_insert_with(|| Arc::clone(user)));
                if let Some((reader, entry)) = self.unclaimed.remove(&number)
                    && reader != owner
                {
                    self.leak(&canary, &owner, &reader, &entry);
                }
            }
            if self.owner(&canary).is_some_and(|owner| owner != *user) {
                self.said.insert((place, canary));
            }
        }
    }

    fn received(&mut self, place: Place, user: &User, canaries: BTreeSet<Canary>, entry: &Entry) {
        for canary in canaries {
            match (self.owner(&canary), &canary) {
                (Some(owner), _) if owner != *user && !self.said.contains(&(place, canary.clone())) => {
                    return self.leak(&canary, &owner, user, entry);
                }
                (None, Canary::Mark(number)) if self.unclaimed.len() < UNCLAIMED => {
                    self.unclaimed.entry(*number).or_insert_with(|| (Arc::clone(user), entry.clone()));
                }
                _ => {}
            }
        }
        self.tally.right();
    }

    fn leak(&mut self, canary: &Canary, owner: &User, reader: &User, entry: &Entry) {
        let seen = format!("{canary}, of user {owner}, was received by user {reader}");
        self.tally.wrong(entry, Finding::ForeignData, "nothing of another user on any connection", &seen);
    }
}

impl RunWide for Oracle {
    fn see(&mut self, entry: &Entry) {
        let place = (entry.check, entry.connection);
        let Some(user) = self.canaries.owner(entry.check, entry.connection) else { return };
        let mut texts: Vec<&str> = Vec::new();
        match &entry.record {
            Record::Request { url, body, .. } => texts.extend([Some(url.as_str()), body.as_deref()].into_iter().flatten()),
            Record::Response { headers, body, .. } => {
                texts.extend(headers.iter().map(|(_, value)| value.as_str()));
                texts.extend(body.as_deref());
            }
            Record::Frame { payload, .. } => texts.push(payload),
            Record::Ended(_) | Record::Note(_) => return,
        }
        let canaries = texts.into_iter().flat_map(|text| self.canaries.all_in(text)).collect();
        match entry.direction {
            Direction::Sent => self.sent(place, &user, canaries),
            Direction::Received => self.received(place, &user, canaries, entry),
        }
    }

    fn decide(self: Box<Self>) -> Judgement {
        self.tally.decide()
    }
}

/// Two users with threads, runs, errors, restored sessions and REST, one beside the other.
async fn traffic(cx: &Context) -> Result<(), Stop> {
    let control = |stop| cx.control_failed("two users at work", stop);
    let logins = [cx.login().await?, cx.second_login().await?];
    let (one, other) = (written(cx, &logins[0]).await.map_err(control)?, written(cx, &logins[1]).await.map_err(control)?);
    let threads = [one.1.clone(), other.1.clone()];
    for ((session, own), (login, foreign)) in
        [one, other].into_iter().zip([(&logins[0], &threads[1]), (&logins[1], &threads[0])])
    {
        let session = errors(cx, session, foreign).await.map_err(control)?;
        let lost = session.leave().await;
        let (session, _) = cx.restored(cx.upgrade_with(&login.access), &lost).await.map_err(control)?;
        reads(cx, &cx.rest(login), &own, foreign).await.map_err(control)?;
        session.close().await;
    }
    Ok(())
}

/// A user's thread with a run.
async fn written(cx: &Context, login: &Login) -> Result<(Session, String), Stop> {
    cx.step("a thread and a run of each user");
    let mut session = cx.session(&login.access).await?;
    let thread = cx.thread(&mut session.socket, "private").await?;
    let content = format!("{PLAIN_PROMPT} {}", cx.target().unique("whispered"));
    let asked = cx.ask(&mut session.socket, about(Kind::UserMessage, &thread).with("content", content)).await?;
    run_ends(cx, &mut session.socket, asked.run_id().unwrap_or_default(), cx.profile().thresholds.run).await?;
    Ok((session, thread))
}

async fn errors(cx: &Context, mut session: Session, foreign: &str) -> Result<Session, Stop> {
    cx.step("errors about a thread of the other user");
    for kind in [Kind::SwitchThread, Kind::GetThreadHistory] {
        cx.ask_refused(&mut session.socket, about(kind, foreign), &[ErrorCode::ThreadNotFound]).await?;
    }
    Ok(session)
}

async fn reads(cx: &Context, rest: &Rest<'_>, own: &str, foreign: &str) -> Result<(), Stop> {
    cx.step("REST of each user");
    rest.thread(own).await?;
    rest.threads().await?;
    rest.messages(own, 100, 0).await?;
    rest.post(own, &cx.target().unique("noted")).await?;
    for endpoint in [Endpoint::GetThread, Endpoint::UpdateThread] {
        let call = rest.call(endpoint, foreign);
        let call = if endpoint == Endpoint::UpdateThread { call.json(&json!({"metadata": {}})) } else { call };
        cx.status(&call.send().await?, &[404])?;
    }
    Ok(())
}
