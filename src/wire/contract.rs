//! A contract file, loaded: the one place that knows how logical things stand on the wire.

use std::collections::BTreeMap;
use std::time::Duration;

use globset::GlobMatcher;
use jsonschema::Validator;
use serde_json::{Map, Value};

use super::contract_file::{Carrier, ContractFile, Envelope, MessageSpec, TokenRules};
use super::endpoint::EndpointSpec;
use super::schema::{self, SchemaFault};
use super::shape::Shape;
use super::token_form::TokenForm;
use super::{ConfigFault, Endpoint, EnvelopeFault, ErrorCode, Kind, Message, Service, TimestampForm, WsConfig};

/// Messages of a window that nobody sends.
const UNLIMITED: f64 = 1e6;

/// The reference's defect of a server that sends the token back.
const ECHO: &str = "echo-subprotocol-token";

/// A contract, ready to read and write messages.
pub struct Contract {
    pub(super) file: ContractFile,
    pub(super) client_names: BTreeMap<String, Kind>,
    pub(super) server_names: BTreeMap<String, Kind>,
    pub(super) payload_schemas: BTreeMap<Kind, Validator>,
    pub(super) shape_schemas: BTreeMap<String, Validator>,
    pub(super) token_forms: Vec<TokenForm>,
    /// Checks on what is not promised, and what that is.
    pub(super) unpromised: Vec<(GlobMatcher, String)>,
}

impl Contract {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.file.contract
    }

    /// Ways in which a socket's token may travel.
    pub fn carriers(&self) -> &[Carrier] {
        &self.file.carriers
    }

    /// The way in which a token travels where nothing asks for another one.
    pub fn first_carrier(&self) -> Carrier {
        // A contract has at least one: its loading refuses another.
        self.file.carriers.first().copied().unwrap_or(Carrier::Header)
    }

    /// What tokens must say.
    pub const fn tokens(&self) -> &TokenRules {
        &self.file.tokens
    }

    /// Forms of timestamps that are permitted.
    pub fn timestamp_forms(&self) -> &[TimestampForm] {
        &self.file.timestamps
    }

    /// The subprotocol that is selected when a token travels in one.
    pub fn auth_subprotocol(&self) -> &str {
        &self.file.subprotocol.select
    }

    /// The subprotocol that carries `token`, in the first form of the contract; `environment` is the tag of a form
    /// that bears one.
    pub fn token_subprotocol(&self, token: &str, environment: &str) -> String {
        self.token_forms.first().map(|form| form.write(token, environment)).unwrap_or_default()
    }

    /// The same in the other forms that the contract permits, each with what stands before the token.
    pub fn other_token_subprotocols<'a>(
        &'a self,
        token: &'a str,
        environment: &'a str,
    ) -> impl Iterator<Item = (String, String)> + 'a {
        self.token_forms.iter().skip(1).map(|form| (form.prefix(environment), form.write(token, environment)))
    }

    /// What stands before the token in the first form, and whether the token stands there as it is.
    pub fn token_form(&self, environment: &str) -> (String, bool) {
        self.token_forms.first().map_or((String::new(), false), |form| (form.prefix(environment), form.is_raw()))
    }

    /// The token that a subprotocol carries in one of the contract's forms, if it carries one.
    pub fn token_of_subprotocol(&self, subprotocol: &str) -> Option<String> {
        // The longest prefix first: `jwt.staging.` begins as `jwt.` does.
        let mut forms: Vec<_> = self.token_forms.iter().collect();
        forms.sort_by_key(|form| std::cmp::Reverse((form.prefix("").len(), form.head().len())));
        forms.into_iter().find_map(|form| form.read(subprotocol))
    }

    /// Whether a subprotocol begins as one that carries a token, readable or not.
    pub fn is_token_subprotocol(&self, subprotocol: &str) -> bool {
        self.token_forms.iter().any(|form| subprotocol.starts_with(form.head()))
    }

    /// JSON pointers at which a message may tell its type, in the order in which they are tried.
    pub fn type_places(&self) -> impl Iterator<Item = &str> {
        self.file.envelope.r#type.all().iter().map(String::as_str)
    }

    /// Whether a welcome is the first frame of a socket that was let in.
    pub fn has_welcome(&self) -> bool {
        self.declares_kind(&Kind::ConnectionEstablished)
    }

    /// Where the welcome is followed by a handshake: how long a client waits after it before its first message.
    pub fn handshake_settle(&self) -> Option<Duration> {
        self.file.handshake.map(|rules| Duration::from_millis(rules.settle_ms))
    }

    /// Whether answers name the message that they answer.
    pub fn answers_bear_ids(&self) -> bool {
        self.file.envelope.members.contains_key("message_id")
    }

    /// What the check of this id is about and this contract does not promise.
    pub fn unpromised(&self, check: &str) -> Option<&str> {
        self.unpromised.iter().find(|(checks, _)| checks.is_match(check)).map(|(_, what)| what.as_str())
    }

    /// A call of the backend that needs a token and changes nothing.
    pub fn authenticated_call(&self) -> Endpoint {
        let there = |endpoint: &Endpoint| self.endpoint(*endpoint).is_some();
        [Endpoint::UserProfile, Endpoint::ListThreads].into_iter().find(there).unwrap_or(Endpoint::UserProfile)
    }

    /// Whether messages over a limit are refused: a contract whose limit nobody can reach promises none.
    pub fn limits_messages(&self) -> bool {
        let messages = self.file.ws_config.get("rate_limit.messages");
        messages.is_none_or(|rule| rule.default < UNLIMITED)
    }

    /// What shows that a run goes on: its content, or in contracts without deltas its thoughts.
    pub fn progress(&self) -> Kind {
        if self.declares_kind(&Kind::PartialResult) { Kind::PartialResult } else { Kind::AgentThinking }
    }

    /// Whether the end of a run is the end of its agents, too, which have no end of their own.
    pub fn run_ends_its_agents(&self) -> bool {
        !self.declares_kind(&Kind::AgentCompleted)
    }

    /// Checks (globs) on what this contract does not promise.
    pub fn unpromised_checks(&self) -> impl Iterator<Item = &str> {
        self.file.unpromised.keys().map(String::as_str)
    }

    /// What environments of this contract are known to do wrong: a defect of the reference, and what it is.
    pub fn gaps(&self) -> impl Iterator<Item = (&str, &str)> {
        self.file.gaps.iter().map(|(defect, what)| (defect.as_str(), what.as_str()))
    }

    /// Permitted variations that environments of this contract show.
    pub fn variations(&self) -> impl Iterator<Item = &str> {
        self.file.variations.iter().map(String::as_str)
    }

    /// Time windows that stand in place of a profile's defaults: the key below `thresholds`, and seconds.
    pub fn thresholds(&self) -> impl Iterator<Item = (&str, f64)> {
        self.file.thresholds.iter().map(|(name, seconds)| (name.as_str(), *seconds))
    }

    /// Whether a refused socket is told why.
    pub const fn tells_refusals(&self) -> bool {
        !self.file.silent_refusals
    }

    /// The HTTP status of a request without a credential.
    pub fn missing_credential(&self) -> u16 {
        self.file.missing_credential.unwrap_or(401)
    }

    /// The status with which `/auth/validate` tells that a token is not valid; `None` where a body of success tells it.
    pub fn invalid_token(&self) -> Option<u16> {
        self.file.http.get(Endpoint::Validate.slug())?.invalid_token
    }

    /// The status of a call to a caller whose credential is not good.
    pub fn unauthorized(&self, endpoint: Endpoint) -> u16 {
        self.file.http.get(endpoint.slug()).and_then(|spec| spec.unauthorized).unwrap_or(401)
    }

    /// A value of `/ws/config` that the contract has from its own text alone.
    pub fn untold(&self, value: &str) -> Option<f64> {
        self.file.ws_config.get(value).filter(|rule| rule.untold).map(|rule| rule.default)
    }

    /// Whether `seen` is one of `codes`, or a code of this contract that may stand for one of them.
    pub fn code_fits(&self, seen: &ErrorCode, codes: &[ErrorCode]) -> bool {
        let meant = self.file.error_codes.means.get(seen.as_str()).into_iter().flatten();
        codes.contains(seen) || meant.into_iter().any(|code| codes.contains(&ErrorCode::from(code.as_str())))
    }

    /// Whether a code stands for several causes.
    pub fn is_vague(&self, code: &ErrorCode) -> bool {
        self.file.error_codes.means.get(code.as_str()).is_some_and(|means| means.len() > 1)
    }

    /// Whether environments of this contract are known to select the subprotocol that carries the token, in place of
    /// [`Self::auth_subprotocol`].
    pub fn is_known_to_echo(&self) -> bool {
        self.file.gaps.contains_key(ECHO)
    }

    /// Whether a server may send this close code.
    pub fn allows_close_code(&self, code: u16) -> bool {
        self.file.close_codes.contains(&code)
    }

    /// Whether `code` may stand in a message of `kind`.
    pub fn declares_code(&self, kind: &Kind, code: &ErrorCode) -> bool {
        let codes = &self.file.error_codes;
        let code = ErrorCode::from(self.wire_code(code.as_str()));
        code.as_str().starts_with(&self.file.extension.codes)
            || match kind {
                Kind::AgentError => codes.agent.contains(code.as_str()),
                _ => codes.any.contains(code.as_str()),
            }
    }

    /// Whether `code` may stand in an HTTP error.
    pub fn declares_http_code(&self, code: &ErrorCode) -> bool {
        let codes = &self.file.error_codes;
        code.as_str().starts_with(&self.file.extension.codes)
            || codes.any.contains(code.as_str())
            || codes.http.contains(code.as_str())
    }

    /// Whether the contract has a message of this kind, of whichever side.
    pub fn has_message(&self, kind: &Kind) -> bool {
        self.spec(kind).is_some()
    }

    /// Whether a server may send this kind: named, or an extension (which is not judged).
    pub fn declares_kind(&self, kind: &Kind) -> bool {
        match kind {
            Kind::Other(name) => self.is_extension(name),
            named => self.file.messages.server.contains_key(named.slug()),
        }
    }

    /// Whether a type on the wire is an extension.
    pub fn is_extension(&self, name: &str) -> bool {
        name.starts_with(&self.file.extension.types)
    }

    /// The kind of the direct answer to a client message.
    pub fn answer_to(&self, kind: &Kind) -> Option<Kind> {
        Kind::named(self.file.messages.client.get(kind.slug())?.answer.as_deref()?)
    }

    /// Server messages that the application must handle.
    pub fn ui_kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.file.messages.server.iter().filter(|(_, spec)| spec.ui).filter_map(|(slug, _)| Kind::named(slug))
    }

    /// All client messages.
    pub fn client_kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.file.messages.client.keys().filter_map(|slug| Kind::named(slug))
    }

    /// All server messages.
    pub fn server_kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.file.messages.server.keys().filter_map(|slug| Kind::named(slug))
    }

    /// The schema of a message's payload, as the contract file states it.
    pub fn payload_schema(&self, kind: &Kind) -> Option<&Value> {
        self.spec(kind)?.payload.schema.as_ref()
    }

    /// The schema of a shape, as the contract file states it.
    pub fn shape_schema(&self, name: &str) -> Option<&Value> {
        self.file.shapes.0.get(name)?.schema.as_ref()
    }

    /// The schema of a call's body of success, as the contract file states it.
    pub fn response_schema(&self, endpoint: Endpoint) -> Option<&Value> {
        self.body_shape(endpoint, |spec| spec.response.as_deref())?.schema.as_ref()
    }

    /// The values of `/ws/config` by dotted path.
    pub fn config_values(&self) -> impl Iterator<Item = &str> {
        self.file.ws_config.keys().map(String::as_str)
    }

    /// The calls that the contract has.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> + '_ {
        Endpoint::ALL.iter().copied().filter(|endpoint| self.endpoint(*endpoint).is_some())
    }

    /// A call's method and path with its `{placeholders}`; `None` where the contract has no such call.
    pub fn endpoint(&self, endpoint: Endpoint) -> Option<(&str, &str)> {
        self.file.http.get(endpoint.slug()).map(|spec| (spec.method.as_str(), spec.path.as_str()))
    }

    /// The call that `method` and `path` (below the service's base) make, if it is one of the contract's.
    pub fn endpoint_at(&self, service: Service, method: &str, path: &str) -> Option<Endpoint> {
        let fits = |template: &str| {
            let (template, path) = (template.trim_matches('/').split('/'), path.trim_matches('/').split('/'));
            template.clone().count() == path.clone().count()
                && template.zip(path).all(|(due, seen)| due.starts_with('{') || due == seen)
        };
        let calls = Endpoint::ALL.iter().copied().filter(|endpoint| endpoint.service() == service);
        calls
            .into_iter()
            .find(|endpoint| self.endpoint(*endpoint).is_some_and(|(due, template)| due == method && fits(template)))
    }

    /// Status codes of a call's success.
    pub fn success(&self, endpoint: Endpoint) -> &[u16] {
        self.file.http.get(endpoint.slug()).map_or(&[], |spec| &spec.success)
    }

    /// A body of success in logical terms.
    pub fn read_body(&self, endpoint: Endpoint, body: &Value) -> Value {
        self.body_shape(endpoint, |spec| spec.response.as_deref())
            .map_or_else(|| body.clone(), |shape| self.file.shapes.to_logical(shape, body))
    }

    /// A logical request body as it stands on the wire.
    pub fn write_request(&self, endpoint: Endpoint, body: &Value) -> Value {
        self.body_shape(endpoint, |spec| spec.request.as_deref())
            .map_or_else(|| body.clone(), |shape| self.file.shapes.to_wire(shape, body))
    }

    /// The reference's side of [`Self::read_body`].
    pub fn write_body(&self, endpoint: Endpoint, body: &Value) -> Value {
        self.body_shape(endpoint, |spec| spec.response.as_deref())
            .map_or_else(|| body.clone(), |shape| self.file.shapes.to_wire(shape, body))
    }

    /// The reference's side of [`Self::write_request`].
    pub fn read_request(&self, endpoint: Endpoint, body: &Value) -> Value {
        self.body_shape(endpoint, |spec| spec.request.as_deref())
            .map_or_else(|| body.clone(), |shape| self.file.shapes.to_logical(shape, body))
    }

    /// Where a body of success (as it stood on the wire) does not fit its schema.
    pub fn body_faults(&self, endpoint: Endpoint, body: &Value) -> Vec<SchemaFault> {
        self.file
            .http
            .get(endpoint.slug())
            .and_then(|spec| self.shape_schemas.get(spec.response.as_deref()?))
            .map_or_else(Vec::new, |validator| schema::faults(validator, body))
    }

    /// The error code of an HTTP error body.
    pub fn http_error_code(&self, body: &Value) -> Option<ErrorCode> {
        let code = self.file.http_errors.iter().find_map(|pointer| body.pointer(pointer)?.as_str())?;
        Some(ErrorCode::from(code))
    }

    /// The reference's side of it: an error body in the contract's form.
    pub fn write_http_error(&self, body: &Value) -> Value {
        match self.file.shapes.0.get("http_error") {
            Some(shape) => self.file.shapes.to_wire(shape, body),
            None => body.clone(),
        }
    }

    /// Where an HTTP error body does not fit the contract's form of errors.
    pub fn http_error_faults(&self, body: &Value) -> Vec<SchemaFault> {
        self.shape_schemas.get("http_error").map_or_else(Vec::new, |validator| schema::faults(validator, body))
    }

    /// How a field of a message's payload is called on the wire.
    pub fn wire_field<'a>(&'a self, kind: &Kind, field: &'a str) -> &'a str {
        let names = self.spec(kind).and_then(|spec| spec.payload.fields.get(field)?.first());
        names.map_or(field, String::as_str)
    }

    /// `/ws/config`, each value within its bounds, and every value that was not.
    pub fn ws_config(&self, body: &Value) -> (WsConfig, Vec<ConfigFault>) {
        WsConfig::read(&self.read_body(Endpoint::WsConfig, body), &self.file.ws_config)
    }

    /// Reads a text that the server sent.
    ///
    /// # Errors
    /// [`EnvelopeFault`] when it is no message at all; see [`Self::envelope_faults`] for the rest.
    pub fn read_server(&self, text: &str) -> Result<Message, EnvelopeFault> {
        self.read(text, &self.server_names, &self.file.messages.server)
    }

    /// Reads a text that a client sent.
    ///
    /// # Errors
    /// [`EnvelopeFault`] when it is no message at all.
    pub fn read_client(&self, text: &str) -> Result<Message, EnvelopeFault> {
        self.read(text, &self.client_names, &self.file.messages.client)
    }

    fn read(
        &self,
        text: &str,
        names: &BTreeMap<String, Kind>,
        specs: &BTreeMap<String, MessageSpec>,
    ) -> Result<Message, EnvelopeFault> {
        let value: Value = serde_json::from_str(text).map_err(|error| EnvelopeFault::NotJson(error.to_string()))?;
        let object = value.as_object().ok_or(EnvelopeFault::NotAnObject)?;
        let envelope = &self.file.envelope;
        let name = type_of(envelope, &value).filter(|name| !name.is_null()).ok_or(EnvelopeFault::NoType)?;
        let name = name.as_str().ok_or(EnvelopeFault::TypeNotAString)?;
        let kind = names.get(name).cloned().unwrap_or_else(|| Kind::Other(name.to_owned()));
        let payload = self.wire_payload(&value, object).ok_or(EnvelopeFault::NoPayload)?;
        let payload = match specs.get(kind.slug()) {
            Some(spec) => self.file.shapes.to_logical(&spec.payload, &payload),
            None => payload,
        };
        let payload = self.known_code(payload);
        let member = |logical: &str| envelope.members.get(logical).and_then(|name| object.get(name));
        Ok(Message {
            kind,
            payload: match payload {
                Value::Object(payload) => payload,
                _ => return Err(EnvelopeFault::NoPayload),
            },
            message_id: member("message_id").and_then(Value::as_str).map(str::to_owned),
            sequence: member("sequence").and_then(Value::as_u64),
        })
    }

    /// Faults of the envelope of a server's message that leave it readable.
    pub fn envelope_faults(&self, value: &Value) -> Vec<EnvelopeFault> {
        let Some(object) = value.as_object() else { return vec![EnvelopeFault::NotAnObject] };
        let envelope = &self.file.envelope;
        let mut faults = Vec::new();
        match type_of(envelope, value) {
            None => faults.push(EnvelopeFault::NoType),
            Some(Value::String(_)) => {}
            Some(_) => faults.push(EnvelopeFault::TypeNotAString),
        }
        if self.wire_payload(value, object).is_none() {
            faults.push(EnvelopeFault::NoPayload);
        }
        let is_extension = type_of(envelope, value).and_then(Value::as_str).is_some_and(|name| self.is_extension(name));
        if let Some(name) = envelope.members.get("message_id").filter(|name| !object.contains_key(*name))
            && !is_extension
        {
            faults.push(EnvelopeFault::Missing(name.clone()));
        }
        let is_flat = envelope.payload.all().iter().any(String::is_empty);
        for (name, member) in object {
            let logical = envelope.members.iter().find(|(_, wire)| *wire == name).map(|(logical, _)| logical.as_str());
            let is_part = envelope.r#type.members().chain(envelope.payload.members()).any(|part| part == name);
            match logical {
                Some("message_id") if !member.is_string() => faults.push(EnvelopeFault::WrongType(name.clone())),
                Some("sequence") if !member.is_u64() => faults.push(EnvelopeFault::WrongType(name.clone())),
                Some(_) => {}
                None if is_part || is_flat => {}
                None => faults.push(EnvelopeFault::Undeclared(name.clone())),
            }
        }
        faults
    }

    /// The member that names a message, where messages have names.
    pub fn message_id_member(&self) -> Option<&str> {
        self.file.envelope.members.get("message_id").map(String::as_str)
    }

    /// The message id of a text that may be no message otherwise.
    pub fn message_id<'v>(&self, value: &'v Value) -> Option<&'v str> {
        value.get(self.file.envelope.members.get("message_id")?)?.as_str()
    }

    /// Where the payload of a server's text does not fit the schema of its kind.
    pub fn payload_faults(&self, kind: &Kind, value: &Value) -> Vec<SchemaFault> {
        let Some(object) = value.as_object() else { return Vec::new() };
        match (self.payload_schemas.get(kind), self.wire_payload(value, object)) {
            (Some(validator), Some(payload)) => schema::faults(validator, &payload),
            _ => Vec::new(),
        }
    }

    /// Writes a message as the text of the wire, `timestamp` beside it where one is given.
    pub fn write(&self, message: &Message, timestamp: Option<Value>) -> Value {
        let spec = self.spec(&message.kind);
        let name = self.wire_type(&message.kind);
        let mut payload = message.payload.clone();
        if !self.answers_bear_ids() {
            payload.shift_remove("in_reply_to");
        }
        if let Some(Value::String(code)) = payload.get_mut("error_code") {
            *code = self.wire_code(code).to_owned();
        }
        let payload = Value::Object(payload);
        let payload = match spec {
            Some(spec) => self.file.shapes.to_wire(&spec.payload, &payload),
            None => payload,
        };
        let envelope = &self.file.envelope;
        let written = spec.and_then(|spec| spec.written.as_ref()).or(envelope.written.as_ref());
        let mut text = Value::Object(written.map_or_else(Map::new, |written| written.beside.clone()));
        put(&mut text, written.map_or(envelope.r#type.first(), |written| &written.r#type), Value::from(name));
        let place = written.map_or(envelope.payload.first(), |written| &written.payload);
        if place.is_empty() {
            if let (Value::Object(text), Value::Object(payload)) = (&mut text, payload) {
                text.extend(payload);
            }
        } else {
            put(&mut text, place, payload);
        }
        let members = [
            ("message_id", message.message_id.clone().map(Value::from)),
            ("sequence", message.sequence.map(Value::from)),
            ("timestamp", timestamp),
        ];
        for (logical, value) in members {
            if let (Some(name), Some(value)) = (envelope.members.get(logical), value) {
                put(&mut text, &format!("/{name}"), value);
            }
        }
        text
    }

    /// The code of this contract that stands for a code of netra-v1; the code itself where none does.
    fn wire_code<'c>(&'c self, code: &'c str) -> &'c str {
        let codes = &self.file.error_codes;
        if codes.any.contains(code) || codes.agent.contains(code) {
            return code;
        }
        let mut means = codes.means.iter();
        means.find(|(_, meant)| meant.iter().any(|meant| meant == code)).map_or(code, |(name, _)| name.as_str())
    }

    /// A payload in which a code of this contract that stands for one code only is that code.
    fn known_code(&self, mut payload: Value) -> Value {
        if let Some(Value::String(code)) = payload.get_mut("error_code")
            && let Some([meant]) = self.file.error_codes.means.get(code).map(Vec::as_slice)
        {
            meant.clone_into(code);
        }
        payload
    }

    /// What messages of this kind are called on the wire.
    pub fn wire_type<'a>(&'a self, kind: &'a Kind) -> &'a str {
        self.spec(kind).and_then(|spec| Some(spec.name.as_ref()?.first())).unwrap_or_else(|| kind.slug())
    }

    fn spec(&self, kind: &Kind) -> Option<&MessageSpec> {
        let messages = &self.file.messages;
        messages.server.get(kind.slug()).or_else(|| messages.client.get(kind.slug()))
    }

    fn body_shape(&self, endpoint: Endpoint, which: impl Fn(&EndpointSpec) -> Option<&str>) -> Option<&Shape> {
        self.file.shapes.0.get(which(self.file.http.get(endpoint.slug())?)?)
    }

    /// The first of the contract's places at which a payload stands.
    fn wire_payload(&self, value: &Value, object: &Map<String, Value>) -> Option<Value> {
        let envelope = &self.file.envelope;
        envelope.payload.all().iter().find_map(|place| {
            if !place.is_empty() {
                return value.pointer(place).filter(|payload| payload.is_object()).cloned();
            }
            let is_part = |name: &str| {
                envelope.r#type.members().any(|member| member == name)
                    || envelope.members.values().any(|member| member == name)
            };
            let mut payload = object.clone();
            payload.retain(|name, _| !is_part(name));
            Some(Value::Object(payload))
        })
    }
}

/// What stands at the first of the type's places that is there.
fn type_of<'v>(envelope: &Envelope, value: &'v Value) -> Option<&'v Value> {
    envelope.r#type.all().iter().find_map(|place| value.pointer(place))
}

/// Puts `value` at a JSON pointer below `root`, making objects on the way.
fn put(root: &mut Value, pointer: &str, value: Value) {
    let mut place = root;
    for part in pointer.trim_start_matches('/').split('/') {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(members) = place else { return };
        place = members.entry(part.to_owned()).or_insert(Value::Null);
    }
    *place = value;
}
