use serde_json::{Map, Value};

use crate::check;
use crate::check::{Check, Context};
use crate::model::{Judgement, Stop};
use crate::target::Socket;
use crate::wire::{Contract, EnvelopeFault, ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("format/bad-json-answered", run).smoke();

const NO_JSON: &[ErrorCode] = &[ErrorCode::InvalidJson];
const NO_MESSAGE: &[ErrorCode] = &[ErrorCode::InvalidMessage];

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut neighbour = cx.session(&login.access).await?;
    let mut session = cx.session(&login.access).await?;
    let socket = &mut session.socket;
    cx.step("control: a whole message");
    cx.alive(socket).await?;

    socket.mark_broken();
    // The control's own text, broken in one way at a time.
    let text = cx.contract().write(&Message::new(Kind::Ping), None).to_string();
    let cut = text.trim_end_matches('}');
    let broken = [
        ("truncated", cut.to_owned(), NO_JSON),
        ("trailing comma", format!("{cut}{}", text[cut.len()..].replacen('}', ",}", 1)), NO_JSON),
        ("empty", String::new(), NO_JSON),
        ("a string", "\"ping\"".to_owned(), NO_MESSAGE),
        ("an array", format!("[{text}]"), NO_MESSAGE),
        ("null", "null".to_owned(), NO_MESSAGE),
        ("no type", without_type(cx.contract(), &text), NO_MESSAGE),
    ];
    for (what, text, codes) in broken {
        cx.step(what);
        let answer = answered(cx, socket, &text).await?;
        cx.is_error(socket, &answer, codes)?;
    }
    // Legal JSON that parsers stumble over: any answer will do, as long as there is one.
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    for (what, member) in [("duplicate keys", "\"x_twice\":1,\"x_twice\":2"), ("depth 1000", &format!("\"x_deep\":{deep}"))] {
        cx.step(what);
        answered(cx, socket, &with_member(&text, member)).await?;
    }
    cx.step("the neighbour lives");
    cx.alive(&mut neighbour.socket).await?;
    session.close().await;
    neighbour.close().await;
    cx.conforms()
}

/// Sends a text and takes what answers it; afterwards the connection must be alive. What could not
/// be read cannot be named in the answer: anything that only an answer can be counts.
async fn answered(cx: &Context, socket: &mut Socket, text: &str) -> Result<Message, Stop> {
    socket.send_text(text).await;
    let is_answer = |message: &Message| matches!(message.kind, Kind::Error | Kind::Pong);
    let answer = cx.message_where(socket, "an answer", is_answer).await?;
    cx.alive(socket).await?;
    Ok(answer)
}

/// A message's text without the member that holds its type.
fn without_type(contract: &Contract, text: &str) -> String {
    let whole: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let without = |name: &String| {
        let mut members = whole.clone();
        members.shift_remove(name);
        Value::Object(members).to_string()
    };
    let is_untyped = |text: &String| contract.read_client(text) == Err(EnvelopeFault::NoType);
    whole.keys().map(without).find(is_untyped).unwrap_or_else(|| "{}".to_owned())
}

/// An object's text with one more member at its beginning.
fn with_member(object: &str, member: &str) -> String {
    object.replacen('{', &format!("{{{member},"), 1)
}
