//! What stands in a contract file, as it is written there.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;

use super::TimestampForm;
use super::endpoint::EndpointSpec;
use super::places::Places;
use super::shape::{Shape, Shapes};
use super::ws_config::ConfigValues;

/// A way in which a socket's token travels (contract, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// `Authorization: Bearer <jwt>`.
    Header,
    /// `Sec-WebSocket-Protocol: jwt-auth, jwt.<base64url of the jwt>`.
    Subprotocol,
    /// `?token=<jwt>`, which RFC 9700 (section 4.3.2) and `handshake/query-token-refused` forbid: what is deployed is
    /// checked all the same.
    Query,
    /// `?ticket=<ticket>`, which the call `ws_ticket` gives for the token: short-lived, and for one socket.
    Ticket,
}

impl Carrier {
    /// Its word in steps and reports.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Subprotocol => "subprotocol",
            Self::Query => "query",
            Self::Ticket => "ticket",
        }
    }
}

/// What tokens must say (contract, section 2).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRules {
    /// `iss`.
    pub issuer: String,
    /// `aud` of access and refresh tokens.
    pub audience: String,
    /// `aud` of service tokens.
    pub service_audience: String,
    /// Claims that hold what a token is for, all of them the same.
    #[serde(default = "type_claims")]
    pub type_claims: Vec<String>,
    /// Most leeway past `exp`, seconds.
    pub max_leeway_s: f64,
    /// Claims of netra-v1 that tokens do not bear: of `aud`, `jti`, `sid`.
    #[serde(default)]
    pub absent: BTreeSet<String>,
}

fn type_claims() -> Vec<String> {
    vec!["token_type".into()]
}

/// How the subprotocol carrier is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Subprotocol {
    /// Offered beside the token, and selected by the server.
    pub(super) select: String,
    /// Templates of the one that carries the token, see [`super::token_form`]; the first one is written.
    pub(super) token: Places,
}

/// Where the parts of a message are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    /// Where the type stands.
    pub(super) r#type: Places,
    /// Where the payload stands; the empty pointer: its fields stand at the top level.
    pub(super) payload: Places,
    /// Where both are written, if not at the first places.
    #[serde(default)]
    #[schemars(with = "Written")]
    pub(super) written: Option<Written>,
    /// Logical `message_id`, `sequence`, `timestamp` → top-level member.
    pub(super) members: BTreeMap<String, String>,
}

/// How one message is written where it stands elsewhere than the envelope's first places.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// Pointer to the type.
    pub(super) r#type: String,
    /// Pointer to the payload; empty: its fields stand at the top level.
    pub(super) payload: String,
    /// Further members of the top level.
    #[serde(default)]
    pub(super) beside: serde_json::Map<String, serde_json::Value>,
}

/// What follows the welcome before a client may speak.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandshakeRules {
    /// How long a client waits after the last message of the handshake, milliseconds.
    pub(super) settle_ms: u64,
}

/// One message type.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageSpec {
    /// Its names on the wire, where they differ from the logical one; the first one is written.
    #[serde(default)]
    #[schemars(with = "Places")]
    pub(super) name: Option<Places>,
    /// Client: the kind of its direct answer.
    #[serde(default)]
    pub(super) answer: Option<String>,
    /// Server: the application must handle it.
    #[serde(default)]
    pub(super) ui: bool,
    /// Where it stands when it is written, if not as the envelope says.
    #[serde(default)]
    #[schemars(with = "Written")]
    pub(super) written: Option<Written>,
    /// The payload.
    #[serde(default)]
    pub(super) payload: Shape,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Messages {
    pub(super) client: BTreeMap<String, MessageSpec>,
    pub(super) server: BTreeMap<String, MessageSpec>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Extension {
    pub(super) types: String,
    pub(super) codes: String,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ContractFile {
    pub(super) contract: String,
    pub(super) envelope: Envelope,
    pub(super) timestamps: Vec<TimestampForm>,
    pub(super) tokens: TokenRules,
    pub(super) carriers: Vec<Carrier>,
    pub(super) subprotocol: Subprotocol,
    pub(super) close_codes: BTreeSet<u16>,
    pub(super) ws_config: ConfigValues,
    pub(super) error_codes: ErrorCodes,
    pub(super) extension: Extension,
    pub(super) http_errors: Vec<String>,
    pub(super) http: BTreeMap<String, EndpointSpec>,
    pub(super) messages: Messages,
    #[serde(default)]
    pub(super) shapes: Shapes,
    /// What stands between the welcome and a client's first message.
    #[serde(default)]
    #[schemars(with = "HandshakeRules")]
    pub(super) handshake: Option<HandshakeRules>,
    /// Checks (globs) on what this contract does not promise, and what that is.
    #[serde(default)]
    pub(super) unpromised: BTreeMap<String, String>,
    /// Time windows of a profile that stand in place of its defaults, seconds.
    #[serde(default)]
    pub(super) thresholds: BTreeMap<String, f64>,
    /// Refused sockets are closed without a word: neither an `error` frame nor a code tells why.
    #[serde(default)]
    pub(super) silent_refusals: bool,
    /// The HTTP status of a request without a credential, where it is not 401.
    #[serde(default)]
    pub(super) missing_credential: Option<u16>,
    /// Permitted variations that environments of this contract show.
    #[serde(default)]
    pub(super) variations: Vec<String>,
    /// What environments of this contract are known to do wrong: the reference's defect, and what it is.
    #[serde(default)]
    pub(super) gaps: BTreeMap<String, String>,
}

/// The closed lists of error codes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorCodes {
    /// In `error` frames, and over HTTP.
    pub(super) any: BTreeSet<String>,
    /// In `agent_error`.
    pub(super) agent: BTreeSet<String>,
    /// Over HTTP only.
    pub(super) http: BTreeSet<String>,
    /// A code of this contract, and the codes of netra-v1 that it stands for.
    #[serde(default)]
    pub(super) means: BTreeMap<String, Vec<String>>,
}
