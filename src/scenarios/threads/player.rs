//! Plays a script on both sides, against a model of what must be there then.

use std::collections::BTreeMap;

use serde_json::Value;

use super::allowance::Allowance;
use super::history::{Line, same};
use super::operations::{Act, Operation};
use super::owner::Way;
use crate::check::work::{about, entry, listed, messages, stop};
use crate::check::{Context, PLAIN_PROMPT, Rest, items, text};
use crate::model::{Evidence, Finding, Stop};
use crate::target::Socket;
use crate::wire::{Endpoint, Kind, Message};

/// A thread as the model has it.
struct Known {
    id: String,
    title: String,
    said: Vec<Line>,
    /// Messages of agents: one for each run that said something.
    answers: usize,
}

impl Known {
    fn messages(&self) -> u64 {
        (self.said.len() + self.answers) as u64
    }
}

/// Where a script stopped, and why.
pub(super) struct Stumble {
    /// The operation; as many as there are when it was the comparison at the end.
    pub(super) at: usize,
    pub(super) why: Stop,
}

/// Who plays.
pub(super) struct Player<'c> {
    cx: &'c Context,
    rest: Rest<'c>,
    socket: Socket,
    allowance: Allowance,
}

type World = BTreeMap<usize, Known>;

impl<'c> Player<'c> {
    pub(super) fn new(cx: &'c Context, rest: Rest<'c>, socket: Socket) -> Self {
        Self { cx, rest, socket, allowance: Allowance::of(cx) }
    }

    /// Plays operations on new threads; those that are not possible are left out.
    pub(super) async fn play(&mut self, script: &[Operation]) -> Result<(), Stumble> {
        let (mut world, mut gone) = (World::new(), Vec::new());
        for (at, operation) in script.iter().enumerate() {
            let is_there = world.contains_key(&operation.thread);
            if is_there == (operation.act == Act::Create) {
                continue;
            }
            self.cx.step(format!("{}. {operation}", at + 1));
            let done = self.perform(*operation, &mut world, &mut gone).await;
            done.map_err(|why| Stumble { at, why })?;
        }
        self.cx.step("both sides are compared");
        self.compare(&world, &gone).await.map_err(|why| Stumble { at: script.len(), why })
    }

    async fn perform(&mut self, operation: Operation, world: &mut World, gone: &mut Vec<String>) -> Result<(), Stop> {
        self.allowance.turn().await;
        let (thread, way) = (operation.thread, operation.way);
        match operation.act {
            Act::Create => {
                let known = self.create(way).await?;
                world.insert(thread, known);
            }
            Act::Write => {
                let Some(known) = world.get_mut(&thread) else { return Ok(()) };
                self.write(way, known).await?;
            }
            Act::Rename => {
                let Some(known) = world.get_mut(&thread) else { return Ok(()) };
                self.rename(way, known).await?;
            }
            Act::Delete => {
                let Some(known) = world.remove(&thread) else { return Ok(()) };
                self.delete(way, &known.id).await?;
                let answer = self.rest.call(Endpoint::GetThread, &known.id).send().await?;
                self.cx.status(&answer, &[404])?;
                gone.push(known.id);
            }
        }
        match world.get(&thread) {
            Some(known) => self.read(known).await,
            None => Ok(()),
        }
    }

    async fn create(&mut self, way: Way) -> Result<Known, Stop> {
        let cx = self.cx;
        let (id, title) = match way {
            Way::Rest => {
                let id = self.rest.create("agreed").await?;
                let created = self.told(Kind::ThreadCreated, "thread_id", &id).await?;
                (id, created.text("title").unwrap_or_default().to_owned())
            }
            Way::Socket => {
                let title = cx.target().title("agreed");
                let create = Message::new(Kind::CreateThread).with("title", title.as_str());
                let created = cx.ask(&mut self.socket, create).await?;
                (created.thread_id().unwrap_or_default().to_owned(), title)
            }
        };
        Ok(Known { id, title, said: Vec::new(), answers: 0 })
    }

    async fn write(&mut self, way: Way, known: &mut Known) -> Result<(), Stop> {
        let content = format!("{PLAIN_PROMPT} {}", self.cx.target().unique("agreed"));
        match way {
            Way::Rest => {
                let id = self.rest.post(&known.id, &content).await?;
                if self.cx.contract().declares_kind(&Kind::MessageCreated) {
                    self.told(Kind::MessageCreated, "id", &id).await?;
                }
                known.said.push(Line::of_user(id, content));
            }
            Way::Socket => {
                let message = about(Kind::UserMessage, &known.id).with("content", content.as_str());
                let created = self.cx.ask(&mut self.socket, message).await?;
                let run = created.run_id().unwrap_or_default();
                stop(self.cx, &mut self.socket, run).await?;
                known.said.push(Line::of_user(created.text("id").unwrap_or_default(), content));
                let is_content = |it: &Message| it.kind == Kind::PartialResult && it.run_id() == Some(run);
                known.answers += usize::from(messages(&self.socket).any(is_content));
            }
        }
        Ok(())
    }

    async fn rename(&mut self, way: Way, known: &mut Known) -> Result<(), Stop> {
        let title = self.cx.target().title("agreed anew");
        match way {
            Way::Rest => {
                self.rest.rename(&known.id, &title).await?;
                self.told(Kind::ThreadRenamed, "title", &title).await?;
            }
            Way::Socket => {
                let rename = about(Kind::RenameThread, &known.id).with("title", title.as_str());
                self.cx.ask(&mut self.socket, rename).await?;
            }
        }
        known.title = title;
        Ok(())
    }

    async fn delete(&mut self, way: Way, thread: &str) -> Result<(), Stop> {
        match way {
            Way::Rest => {
                self.rest.delete(thread).await?;
                self.told(Kind::ThreadDeleted, "thread_id", thread).await?;
            }
            Way::Socket => drop(self.cx.ask(&mut self.socket, about(Kind::DeleteThread, thread)).await?),
        }
        Ok(())
    }

    async fn told(&mut self, kind: Kind, field: &str, value: &str) -> Result<Message, Stop> {
        let is_it = |it: &Message| it.kind == kind && it.text(field) == Some(value);
        self.cx.told(&mut self.socket, kind.slug(), is_it).await
    }

    /// A single read over REST, which no limit counts, shows the thread as the model has it.
    async fn read(&self, known: &Known) -> Result<(), Stop> {
        let read = || self.rest.thread(&known.id);
        let (shown, answer) = self.cx.settled(read, |(shown, _)| is_as(shown, known)).await?;
        self.agrees("REST", Some(&shown), known, &answer.evidence())
    }

    fn agrees(&self, side: &str, shown: Option<&Value>, known: &Known, evidence: &Evidence) -> Result<(), Stop> {
        let told = |title: &str, messages: u64| format!("{title:?} with {messages} messages");
        let expected = format!("{side}: {}", told(&known.title, known.messages()));
        let seen = || match shown {
            Some(shown) => told(&text(shown, "title"), count(shown)),
            None => "no such thread".into(),
        };
        let right = shown.is_some_and(|shown| is_as(shown, known));
        self.cx.holds(right, Finding::WrongValue, expected, seen, || evidence.clone())
    }

    /// Lists and histories of both sides are what the model has.
    async fn compare(&mut self, world: &World, gone: &[String]) -> Result<(), Stop> {
        let cx = self.cx;
        self.allowance.turn().await;
        let (rest, rest_answer) = self.rest.threads().await?;
        self.allowance.turn().await;
        let (socket, socket_evidence) = listed(cx, &mut self.socket).await?;
        for (side, list, evidence) in [("REST", rest, rest_answer.evidence()), ("socket", socket, socket_evidence)] {
            for known in world.values() {
                self.agrees(side, entry(&list, &known.id), known, &evidence)?;
            }
            let left = gone.iter().find(|id| entry(&list, id).is_some());
            let seen = || format!("{side} lists a thread that was deleted");
            cx.holds(left.is_none(), Finding::WrongValue, "no deleted thread in a list", seen, || evidence.clone())?;
        }
        for known in world.values() {
            self.allowance.turn().await;
            let (seen, answer) = self.rest.messages(&known.id, 100, 0).await?;
            same(cx, "the history over REST", &known.said, &of_users(seen), || answer.evidence())?;
            self.allowance.turn().await;
            let ask = about(Kind::GetThreadHistory, &known.id).with("limit", 100);
            let history = cx.ask(&mut self.socket, ask).await?;
            let seen = of_users(items(&Value::Object(history.payload), "messages"));
            same(cx, "the history over the socket", &known.said, &seen, || self.socket.evidence())?;
        }
        Ok(())
    }
}

fn count(thread: &Value) -> u64 {
    thread.get("message_count").and_then(Value::as_u64).unwrap_or_default()
}

fn is_as(shown: &Value, known: &Known) -> bool {
    text(shown, "title") == known.title && count(shown) == known.messages()
}

fn of_users(history: Vec<Value>) -> Vec<Value> {
    history.into_iter().filter(|message| text(message, "role") == "user").collect()
}
