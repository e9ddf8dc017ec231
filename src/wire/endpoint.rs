//! Logical HTTP calls (contract, sections 2 to 4).

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Effect;

/// One of the three services of an environment, as the contract names them.
pub use crate::model::Origin as Service;

macro_rules! endpoints {
    ($($name:ident = $slug:literal @ $service:ident,)*) => {
        /// A logical HTTP call; the contract says its method and path.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "each name is the contract's word")]
        pub enum Endpoint { $($name,)* }

        impl Endpoint {
            /// All calls, in the contract's order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its key below `http` in a contract file.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// The service that answers it.
            pub const fn service(self) -> Service {
                match self { $(Self::$name => Service::$service,)* }
            }
        }
    };
}

endpoints! {
    AuthHealth = "auth_health" @ Auth,
    AuthReady = "auth_ready" @ Auth,
    AuthConfig = "auth_config" @ Auth,
    Login = "login" @ Auth,
    DevLogin = "dev_login" @ Auth,
    E2eLogin = "e2e_login" @ Auth,
    Refresh = "refresh" @ Auth,
    Logout = "logout" @ Auth,
    Validate = "validate" @ Auth,
    Verify = "verify" @ Auth,
    Me = "me" @ Auth,
    ServiceToken = "service_token" @ Auth,
    Jwks = "jwks" @ Auth,
    OauthProviders = "oauth_providers" @ Auth,
    OauthStart = "oauth_start" @ Auth,
    OauthCallback = "oauth_callback" @ Auth,
    BackendHealth = "backend_health" @ Backend,
    BackendReady = "backend_ready" @ Backend,
    UserProfile = "user_profile" @ Backend,
    ListThreads = "list_threads" @ Backend,
    CreateThread = "create_thread" @ Backend,
    GetThread = "get_thread" @ Backend,
    UpdateThread = "update_thread" @ Backend,
    DeleteThread = "delete_thread" @ Backend,
    ListMessages = "list_messages" @ Backend,
    PostMessage = "post_message" @ Backend,
    BreakerStatus = "breaker_status" @ Backend,
    WsConfig = "ws_config" @ Backend,
    WsTicket = "ws_ticket" @ Backend,
    FrontendPage = "frontend_page" @ Frontend,
    FrontendHealth = "frontend_health" @ Frontend,
    FrontendConfig = "frontend_config" @ Frontend,
    FrontendCallback = "frontend_callback" @ Frontend,
}

impl Endpoint {
    /// What the call does to the environment when it succeeds.
    pub const fn effect(self) -> Effect {
        match self {
            Self::CreateThread | Self::UpdateThread | Self::DeleteThread | Self::PostMessage => Effect::Create,
            Self::Logout => Effect::Revoke,
            _ => Effect::Read,
        }
    }

    /// Whether it counts against the user's rate limit (section 7.4): writes and lists, not single reads.
    pub const fn is_counted(self) -> bool {
        matches!(self.effect(), Effect::Create) || matches!(self, Self::ListThreads | Self::ListMessages)
    }
}

/// How a call stands on the wire.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointSpec {
    /// HTTP method.
    pub(super) method: String,
    /// Path with `{placeholders}`.
    pub(super) path: String,
    /// Status codes of success.
    pub(super) success: Vec<u16>,
    /// Shape of the request's body.
    #[serde(default)]
    pub(super) request: Option<String>,
    /// Shape of the body of success.
    #[serde(default)]
    pub(super) response: Option<String>,
    /// `validate`: the status that tells that a token is not valid, where no body of success tells it.
    #[serde(default)]
    pub(super) invalid_token: Option<u16>,
    /// `validate` and `logout`: the status to a caller whose credential is not good, where it is not 401.
    #[serde(default)]
    pub(super) unauthorized: Option<u16>,
}
