//! What stands in a contract file, as it is written there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::TimestampForm;
use super::endpoint::EndpointSpec;
use super::places::Places;
use super::shape::{Shape, Shapes};
use super::ws_config::ConfigValues;

/// A way in which a socket's token travels (contract, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// `Authorization: Bearer <jwt>`.
    Header,
    /// `Sec-WebSocket-Protocol: jwt-auth, jwt.<base64url of the jwt>`.
    Subprotocol,
    /// `?token=<jwt>`, which RFC 9700 (section 4.3.2) and `handshake/query-token-refused` forbid: what is deployed is
    /// checked all the same.
    Query,
}

impl Carrier {
    /// Its word in steps and reports.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Subprotocol => "subprotocol",
            Self::Query => "query",
        }
    }
}

/// What tokens must say (contract, section 2).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRules {
    /// `iss`.
    pub issuer: String,
    /// `aud` of access and refresh tokens.
    pub audience: String,
    /// `aud` of service tokens.
    pub service_audience: String,
    /// Most leeway past `exp`, seconds.
    pub max_leeway_s: f64,
}

/// How the subprotocol carrier is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subprotocol {
    /// Offered beside the token, and selected by the server.
    pub(super) select: String,
    /// Templates of the one that carries the token, see [`super::token_form`]; the first one is written.
    pub(super) token: Places,
}

/// Where the parts of a message are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    /// Where the type stands.
    pub(super) r#type: Places,
    /// Where the payload stands; the empty pointer: its fields stand at the top level.
    pub(super) payload: Places,
    /// Logical `message_id`, `sequence`, `timestamp` → top-level member.
    pub(super) members: BTreeMap<String, String>,
}

/// One message type.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageSpec {
    /// Its names on the wire, where they differ from the logical one; the first one is written.
    #[serde(default)]
    pub(super) name: Option<Places>,
    /// Client: the kind of its direct answer.
    #[serde(default)]
    pub(super) answer: Option<String>,
    /// Server: the application must handle it.
    #[serde(default)]
    pub(super) ui: bool,
    /// The payload.
    #[serde(default)]
    pub(super) payload: Shape,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Messages {
    pub(super) client: BTreeMap<String, MessageSpec>,
    pub(super) server: BTreeMap<String, MessageSpec>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extension {
    pub(super) types: String,
    pub(super) codes: String,
}

#[derive(Clone, Debug, Deserialize)]
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
}

/// The closed lists of error codes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorCodes {
    /// In `error` frames, and over HTTP.
    pub(super) any: BTreeSet<String>,
    /// In `agent_error`.
    pub(super) agent: BTreeSet<String>,
    /// Over HTTP only.
    pub(super) http: BTreeSet<String>,
}
