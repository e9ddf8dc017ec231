//! Frames written by hand from the contract's text: the reader must understand them, and the
//! reference must send them. Neither is tested against the other, so that they cannot be wrong
//! together.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use netra_check::local::Local;
use netra_check::reference::{Conduct, Policy};
use netra_check::wire::{Carrier, Contract, Endpoint, Kind, Message};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Longest wait for a frame.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    /// What the reader must make of what a server sends.
    server: Vec<Read>,
    /// What a client's message must look like.
    client: Vec<Read>,
    /// A conversation with the reference, word for word.
    conversation: Vec<Turn>,
    /// Calls over HTTP and what the reference answers to them, one after the other.
    #[serde(default)]
    calls: Vec<Call>,
}

/// A text of the wire and what it says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    wire: Value,
    kind: String,
    payload: Map<String, Value>,
    message_id: Option<String>,
    sequence: Option<u64>,
}

impl Read {
    fn message(&self) -> Message {
        Message {
            kind: Kind::named(&self.kind).unwrap_or_else(|| Kind::Other(self.kind.clone())),
            payload: self.payload.clone(),
            message_id: self.message_id.clone(),
            sequence: self.sequence,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// Service, method and path, and perhaps whose credential goes with it: `auth POST /auth/logout user`.
    call: String,
    #[serde(default)]
    body: Value,
    status: u16,
    answer: Value,
}

/// What the client says, and everything that the reference sends until the next turn.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    say: Option<Value>,
    hear: Vec<Value>,
}

fn golden(name: &str) -> Golden {
    let text = fs::read_to_string(super::file(&format!("golden/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("golden/{name}.json: {error}"))
}

#[test]
fn the_reader_understands_what_was_written_by_hand() {
    for name in Contract::builtin_names().chain(["twisted"]) {
        let contract = super::contract(name);
        for golden in golden(name).server {
            let (text, message) = (golden.wire.to_string(), golden.message());
            assert_eq!(contract.read_server(&text).as_ref(), Ok(&message), "{name}: {text}");
            assert_eq!(contract.envelope_faults(&golden.wire), [], "{name}: {text}");
            assert_eq!(contract.payload_faults(&message.kind, &golden.wire), [], "{name}: {text}");
        }
    }
}

#[test]
fn the_writer_says_what_was_written_by_hand() {
    for name in Contract::builtin_names().chain(["twisted"]) {
        let contract = super::contract(name);
        for golden in golden(name).client {
            assert_eq!(contract.write(&golden.message(), None), golden.wire, "{name}");
            assert_eq!(contract.read_client(&golden.wire.to_string()), Ok(golden.message()), "{name}");
        }
    }
}

#[test]
fn the_reference_sends_what_was_written_by_hand() {
    for name in Contract::builtin_names().chain(["twisted"]) {
        let conduct = Conduct::new(1, super::contract(name), Policy::default());
        let local = Local::start(conduct, &[]).unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(converse(name, &local));
        local.stop();
    }
}

#[test]
fn the_reference_answers_calls_as_they_were_written_by_hand() {
    for name in Contract::builtin_names().filter(|name| *name != "netra-v1") {
        let local = Local::start(Conduct::new(1, super::contract(name), Policy::default()), &[]).unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(call(name, &local));
        local.stop();
    }
}

async fn call(name: &str, local: &Local) {
    let profile = local.profile().unwrap();
    let token = login(&profile, super::contract(name).endpoint(Endpoint::E2eLogin).is_some(), "access_token").await;
    let (user, service) = (&profile.credentials.users[0], profile.service.as_ref().unwrap());
    let known = [("$token", token.as_str()), ("$email", &user.email), ("$password", user.password.expose())];
    let mut names: BTreeMap<_, _> = known.map(|(name, text)| (name.to_owned(), Value::from(text))).into();
    let calls = golden(name).calls;
    assert!(!calls.is_empty(), "{name}");
    for Call { call, body, status, answer } in calls {
        let path =
            names.iter().fold(call.clone(), |call, (name, text)| call.replace(name, text.as_str().unwrap_or(name)));
        let words: Vec<&str> = path.split(' ').collect();
        let [origin, method, path, ref who @ ..] = *words.as_slice() else { panic!("{call}") };
        let headers = match who {
            [] => String::new(),
            ["user"] => format!("Authorization: Bearer {token}\r\n"),
            ["service"] => format!("X-Service-ID: {}\r\nX-Service-Secret: {}\r\n", service.id, service.secret.expose()),
            other => panic!("{other:?}"),
        };
        let url = if origin == "auth" { &profile.urls.auth } else { &profile.urls.backend };
        let (seen_status, seen) = ask(url, method, path, &headers, &filled(&body, &names)).await;
        assert_eq!(seen_status, status, "{name}, {call}: {seen}");
        if let Err(what) = fits(&answer, &seen, &mut names) {
            panic!("{name}, {call}: {what}\nexpected {answer}\nseen     {seen}");
        }
    }
}

async fn converse(name: &str, local: &Local) {
    let profile = local.profile().unwrap();
    let token_member = if name == "twisted" { "access" } else { "access_token" };
    let contract = super::contract(name);
    let token = login(&profile, contract.endpoint(Endpoint::E2eLogin).is_some(), token_member).await;
    let mut url = profile.urls.websocket.clone();
    let in_query = contract.carriers() == [Carrier::Query];
    if in_query {
        url.query_pairs_mut().append_pair("token", &token);
    }
    let mut upgrade = url.as_str().into_client_request().unwrap();
    if !in_query {
        upgrade.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
    }
    let (mut socket, _) = connect_async(upgrade).await.unwrap();

    let mut names = BTreeMap::new();
    for turn in golden(name).conversation {
        if let Some(say) = turn.say {
            socket.send(Frame::text(filled(&say, &names).to_string())).await.unwrap();
        }
        for pattern in turn.hear {
            let text = loop {
                match tokio::time::timeout(PATIENCE, socket.next()).await {
                    Ok(Some(Ok(Frame::Text(text)))) => break text,
                    Ok(Some(Ok(Frame::Ping(_) | Frame::Pong(_)))) => {}
                    other => panic!("{name}: {other:?} in place of {pattern}"),
                }
            };
            let seen: Value = serde_json::from_str(&text).unwrap();
            if let Err(what) = fits(&pattern, &seen, &mut names) {
                panic!("{name}: {what}\nexpected {pattern}\nseen     {seen}");
            }
        }
    }
    socket.close(None).await.unwrap();
}

/// An access token, asked for in plain HTTP.
async fn login(profile: &netra_check::profile::Profile, for_tests: bool, member: &str) -> String {
    let url = &profile.urls.auth;
    let (path, body) = if for_tests {
        ("/auth/e2e/test-auth", json!({"email": format!("golden@{}", profile.users.domain)}))
    } else {
        let user = &profile.credentials.users[0];
        let password = user.password.expose();
        ("/auth/login", json!({"email": user.email, "password": password, "provider": "local"}))
    };
    let key = profile.credentials.bypass_key.as_ref().unwrap().expose();
    let (_, body) = ask(url, "POST", path, &format!("X-E2E-Bypass-Key: {key}\r\n"), &body).await;
    body[member].as_str().unwrap_or_else(|| panic!("no `{member}`: {body}")).to_owned()
}

/// One call in plain HTTP; its status, and its body where it is JSON.
async fn ask(url: &url::Url, method: &str, path: &str, headers: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: golden\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let address = (url.host_str().unwrap(), url.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{answer}")), serde_json::from_str(body).unwrap_or_default())
}

/// `$name` stands for a string that is the same everywhere, `<…>` for any value of a form; all else
/// stands for itself, and nothing may be beside it.
fn fits(pattern: &Value, seen: &Value, names: &mut BTreeMap<String, Value>) -> Result<(), String> {
    let is = |fits: bool| if fits { Ok(()) } else { Err(format!("{seen} in place of {pattern}")) };
    match (pattern, seen) {
        (Value::String(name), _) if name.starts_with('$') => match names.get(name) {
            Some(known) => is(known == seen),
            None => {
                names.insert(name.clone(), seen.clone());
                is(seen.as_str().is_some_and(|text| !text.is_empty()))
            }
        },
        (Value::String(form), _) if form.starts_with('<') => is(match form.as_str() {
            "<text>" => seen.as_str().is_some_and(|text| !text.is_empty()),
            "<number>" => seen.is_number(),
            "<time>" => {
                seen.as_str().is_some_and(|text| text.len() == 24 && &text[10..11] == "T" && text.ends_with('Z'))
            }
            "<milliseconds>" => seen.as_u64().is_some_and(|time| time > 1_700_000_000_000),
            "<list>" => seen.is_array(),
            "<object>" => seen.is_object(),
            "<any>" => !seen.is_null(),
            _ => false,
        }),
        (Value::Object(members), Value::Object(others)) => {
            if let Some(name) = others.keys().find(|name| !members.contains_key(*name)) {
                return Err(format!("a member `{name}` too many"));
            }
            members.iter().try_for_each(|(name, member)| {
                let other = others.get(name).ok_or_else(|| format!("no member `{name}`"))?;
                fits(member, other, names).map_err(|what| format!("{name}: {what}"))
            })
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            items.iter().zip(others).try_for_each(|(item, other)| fits(item, other, names))
        }
        _ => is(pattern == seen),
    }
}

/// A text with the strings that `$name`s stand for.
fn filled(text: &Value, names: &BTreeMap<String, Value>) -> Value {
    match text {
        Value::String(name) => names.get(name).unwrap_or(text).clone(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), filled(member, names))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}
