use serde_json::{Value, json};

use super::details::names_field;
use crate::check;
use crate::check::{Check, Context, Session};
use crate::model::{Effect, Judgement, Stop};
use crate::target::Login;
use crate::wire::{ErrorCode, Kind, Message};

pub(super) static CHECK: Check = check!("format/wrong-field-types-answered", run).effects(&[Effect::Create]);

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let mut session = cx.session(&login.access).await?;
    cx.step("control: a thread, and a message whose fields fit");
    let thread = cx.thread(&mut session.socket, "wrong types").await?;
    let switch = Message::new(Kind::SwitchThread).with("thread_id", thread.as_str());
    cx.ask(&mut session.socket, switch).await?;

    session.socket.mark_broken();
    for kind in cx.contract().client_kinds() {
        for (what, field, message) in broken(cx, &kind, &thread) {
            cx.step(format!("{kind}: {field} {what}"));
            // Only the first message of a connection restores a session: one for each.
            let mut own = match kind {
                Kind::SessionRestore => Some(fresh(cx, &login).await?),
                _ => None,
            };
            let socket = &mut own.as_mut().unwrap_or(&mut session).socket;
            let answer = cx.ask_refused(socket, message, &[ErrorCode::InvalidMessage]).await?;
            names_field(cx, socket, &answer, &field)?;
            if let Some(session) = own {
                session.close().await;
            }
        }
    }
    cx.step("control: the connection lives");
    cx.ask(&mut session.socket, Message::new(Kind::DeleteThread).with("thread_id", thread)).await?;
    session.close().await;
    cx.conforms()
}

async fn fresh(cx: &Context, login: &Login) -> Result<Session, Stop> {
    let session = cx.session(&login.access).await?;
    session.socket.mark_broken();
    Ok(session)
}

/// Every way to break `kind` in one field, by the contract's schema of it: what was done, to which
/// field, and the message. All other fields fit.
fn broken(cx: &Context, kind: &Kind, thread: &str) -> Vec<(&'static str, String, Message)> {
    let schema = cx.contract().payload_schema(kind).cloned().unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let named: Vec<_> = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_mandatory = |field: &str| named.iter().any(|name| name == field);
    let fitting = |rule: &Value| match rule.get("type").and_then(Value::as_str) {
        Some("integer") => json!(1),
        Some("array") => json!([]),
        // The one object of which it is known that it exists.
        _ => json!(thread),
    };
    // One of two ways to say where a session broke off; the schema wants either.
    let position = cx.contract().wire_field(kind, "last_sequence");
    let whole = properties.iter().filter(|(field, _)| is_mandatory(field) || *field == position);
    let whole = whole.fold(Message::new(kind.clone()), |message, (field, rule)| message.with(field, fitting(rule)));
    let mut all = Vec::new();
    for (field, rule) in &properties {
        let other = if fitting(rule).is_string() { json!(17) } else { json!("seventeen") };
        all.push(("of a wrong type", field.clone(), whole.clone().with(field, other)));
        if is_mandatory(field) {
            let mut without = whole.clone();
            without.payload.shift_remove(field);
            all.push(("missing", field.clone(), without));
            all.push(("null", field.clone(), whole.clone().with(field, Value::Null)));
        }
    }
    all
}
