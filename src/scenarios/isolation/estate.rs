//! What belongs to one user, and the search for it in what another one receives.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::check::Context;
use crate::model::{Direction, Evidence, Finding, Record, Stop};
use crate::target::{Canary, Login, Received, Socket};
use crate::wire::Message;

/// Ids that the target has given to a user, and canaries that we have.
#[derive(Clone, Debug, Default)]
pub(super) struct Estate {
    ids: BTreeSet<String>,
    canaries: BTreeSet<Canary>,
}

impl Estate {
    /// Of the user of `login`, before anything was done.
    pub(super) fn of(cx: &Context, login: &Login) -> Self {
        let mut estate = Self::default();
        estate.id(&login.user_id);
        estate.text(cx, &login.user_id);
        login.email.iter().for_each(|email| estate.text(cx, email));
        estate
    }

    /// Adds an id that the target has given.
    pub(super) fn id(&mut self, id: &str) {
        if !id.is_empty() {
            self.ids.insert(id.to_owned());
        }
    }

    /// Adds the canaries of a text of ours.
    pub(super) fn text(&mut self, cx: &Context, text: &str) {
        self.canaries.extend(cx.target().canaries().all_in(text));
    }

    /// Adds all ids that a message names.
    pub(super) fn named_in(&mut self, message: &Message) {
        each_id(&Value::Object(message.payload.clone()), &mut |id| self.id(id));
    }

    /// What of it stands in a text that somebody received.
    pub(super) fn found_in(&self, cx: &Context, text: &str) -> Option<String> {
        self.met_by(&Estate::named_by(cx, text))
    }

    /// The ids and canaries that stand in a text.
    fn named_by(cx: &Context, text: &str) -> Self {
        let mut named = Self { ids: BTreeSet::new(), canaries: cx.target().canaries().all_in(text) };
        each_id(&serde_json::from_str(text).unwrap_or_default(), &mut |id| named.id(id));
        named
    }

    /// What of it is among what was named.
    fn met_by(&self, named: &Self) -> Option<String> {
        let canary = named.canaries.intersection(&self.canaries).next().map(ToString::to_string);
        canary.or_else(|| named.ids.intersection(&self.ids).next().map(|id| format!("the id {id}")))
    }
}

/// Calls `with` for each member that holds an id: `id` itself, and what ends in `_id`.
fn each_id(value: &Value, with: &mut impl FnMut(&str)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| each_id(item, with)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    // A name that the client chose is no id of the target's.
                    Value::String(id) if name == "id" || name.ends_with("_id") && name != "message_id" => with(id),
                    other => each_id(other, with),
                }
            }
        }
        _ => {}
    }
}

/// Nothing that came on this socket may belong to one of `others`.
///
/// # Errors
/// Deviates with [`Finding::ForeignData`], showing the frame.
pub(super) fn nothing_foreign<'e>(
    cx: &Context,
    socket: &Socket,
    others: impl IntoIterator<Item = &'e Estate>,
) -> Result<(), Stop> {
    let others: Vec<_> = others.into_iter().collect();
    let find = |received: &Received| {
        let named = Estate::named_by(cx, &received.text);
        let found = others.iter().find_map(|other| other.met_by(&named))?;
        Some((received.text.clone(), found))
    };
    let found = socket.seen().iter().find_map(find);
    let seen = || found.as_ref().map_or_else(String::new, |(_, what)| format!("{what} on {:?}", socket.line()));
    let frame = || found.as_ref().map_or_else(Evidence::default, |(text, _)| frame(cx, socket, text));
    cx.holds(found.is_none(), Finding::ForeignData, "nothing of another user on the connection", seen, frame)
}

/// The frame that brought a text.
fn frame(cx: &Context, socket: &Socket, text: &str) -> Evidence {
    let (connection, text) = (socket.line().connection(), cx.target().redactor().redact(text));
    let mut entries = cx.recorder().history();
    entries.retain(|entry| {
        let brings = matches!(&entry.record, Record::Frame { payload, .. } if *payload == text);
        brings && entry.connection == connection && entry.direction == Direction::Received
    });
    Evidence { entries, facts: Vec::new() }
}
