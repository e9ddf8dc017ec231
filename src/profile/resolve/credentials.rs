//! Credentials: each method with what it needs.

use super::super::diagnostic::Problem;
use super::super::raw::{RawCredentials, RawLogin, RawMethod, RawSecret, RawService, RawSigningKey, RawTokens};
use super::super::resolved::{Credentials, Environment, Method, PasswordUser, Secret, Service, SigningKey, TokenPair};
use super::super::tree::Path;
use super::Resolver;
use crate::model::did_you_mean;

impl Resolver<'_> {
    pub(super) fn credentials(&mut self, raw: RawCredentials, environment: Option<Environment>) -> Option<Credentials> {
        let at = Path::dotted("credentials");
        let method = raw.method.map(method);
        if let Some(method) = method {
            self.check_method(method, &raw, environment);
        } else {
            let help = "one of e2e-bypass, password, dev-login, signing-key, tokens";
            self.missing(&at.join("method"), "`credentials.method` is missing".into(), help);
        }
        let signing_key = self.signing_key(raw.signing_key);
        let users_at = at.join("users");
        let logins = raw.users.into_iter().enumerate();
        let users: Vec<_> =
            logins.filter_map(|(index, login)| self.login(&users_at.join(&index.to_string()), login)).collect();
        let tokens_at = at.join("tokens");
        let pairs = raw.tokens.into_iter().enumerate();
        let tokens = pairs.filter_map(|(index, pair)| self.tokens(&tokens_at.join(&index.to_string()), pair)).collect();
        let short_login = if raw.short_login.email.is_some() || raw.short_login.password.is_some() {
            self.login(&at.join("short_login"), raw.short_login)
        } else {
            None
        };
        if let Some(address) = &raw.wrong_password_user {
            let path = at.join("wrong_password_user");
            self.check_address(&path, address);
            if users.iter().chain(&short_login).any(|user: &PasswordUser| user.email.eq_ignore_ascii_case(address)) {
                let help = "name an account that nothing else needs: it may be locked";
                let message = format!("`{path}` logs in elsewhere in this profile");
                self.wrong(&path, message, "not to be sacrificed", help);
            }
        }
        Some(Credentials {
            method: method?,
            bypass_key: raw.bypass_key.map(secret),
            signing_key,
            users,
            wrong_password_user: raw.wrong_password_user,
            tokens,
            short_login,
        })
    }

    /// Whether `method` has what it needs, and is open in this environment.
    fn check_method(&mut self, method: Method, raw: &RawCredentials, environment: Option<Environment>) {
        let method_at = Path::dotted("credentials.method");
        let slug = method.slug();
        if environment == Some(Environment::Production) && matches!(method, Method::E2eBypass | Method::DevLogin) {
            let problem = Problem::new(format!("`{slug}` is closed in production (contract, section 2)"))
                .help("use `password`, `tokens` or `signing-key`");
            let place = self.span(&method_at).zip(self.span(&Path::dotted("environment")));
            // Whoever spoke last is asked to think again.
            self.problems.push(match place {
                Some((method, environment))
                    if self.layers.height(environment.layer) > self.layers.height(method.layer) =>
                {
                    problem.at(environment, "production").because(method, format!("`{slug}` is inherited from here"))
                }
                Some((method, environment)) => problem.at(method, "closed").because(environment, "production"),
                None => problem,
            });
        }
        let (key, absent, example) = match method {
            Method::E2eBypass => ("bypass_key", raw.bypass_key.is_none(), "bypass_key: ${MY_BYPASS_KEY}"),
            Method::Password => ("users", raw.users.is_empty(), "users: [{email: …, password: \"${MY_PASSWORD}\"}]"),
            Method::SigningKey if raw.signing_key.key.is_some() => (
                "signing_key.subjects",
                raw.signing_key.subjects.is_empty(),
                "signing_key: {subjects: [{sub: …, email: …}]}",
            ),
            Method::SigningKey => ("signing_key.key", true, "signing_key: {key: \"${MY_SIGNING_KEY}\"}"),
            Method::Tokens => ("tokens", raw.tokens.is_empty(), "tokens: [{access: \"${MY_ACCESS_TOKEN}\"}]"),
            Method::DevLogin => return,
        };
        if absent {
            let path = Path::dotted(&format!("credentials.{key}"));
            let message = format!("`credentials.method` is `{slug}`, but `{path}` is missing");
            self.missing(&path, message, format!("write `{example}` below `credentials`"));
        }
    }

    fn signing_key(&mut self, raw: RawSigningKey) -> Option<SigningKey> {
        let at = Path::dotted("credentials.signing_key");
        let algorithm_at = at.join("algorithm");
        let key = raw.key?;
        let algorithm = self.required("credentials.signing_key.algorithm", raw.algorithm)?;
        match algorithm.as_str() {
            "HS256" | "RS256" | "ES256" => {}
            other => {
                let help = did_you_mean(other, ["HS256", "RS256", "ES256"]).map_or_else(
                    || "known values: HS256, RS256, ES256".to_owned(),
                    |suggestion| format!("did you mean `{suggestion}`?"),
                );
                self.wrong(&algorithm_at, format!("`{other}` is no signing algorithm"), "unknown", help);
            }
        }
        let mut subjects = Vec::new();
        for (index, subject) in raw.subjects.into_iter().enumerate() {
            let path = at.join("subjects").join(&index.to_string());
            match (subject.sub, subject.email) {
                (Some(sub), Some(email)) => {
                    self.check_address(&path.join("email"), &email);
                    subjects.push((sub, email));
                }
                (sub, _) => self.incomplete(&path, if sub.is_some() { "email" } else { "sub" }),
            }
        }
        Some(SigningKey { algorithm, key: secret(key), kid: raw.kid, subjects })
    }

    /// A login; both halves or a problem.
    pub(super) fn login(&mut self, path: &Path, raw: RawLogin) -> Option<PasswordUser> {
        if let Some(email) = &raw.email {
            self.check_address(&path.join("email"), email);
        }
        match (raw.email, raw.password) {
            (Some(email), Some(password)) => Some(PasswordUser { email, password: secret(password) }),
            (email, _) => {
                self.incomplete(path, if email.is_some() { "password" } else { "email" });
                None
            }
        }
    }

    fn tokens(&mut self, path: &Path, raw: RawTokens) -> Option<TokenPair> {
        let Some(access) = raw.access else {
            self.incomplete(path, "access");
            return None;
        };
        Some(TokenPair { access: secret(access), refresh: raw.refresh.map(secret) })
    }

    pub(super) fn service(&mut self, raw: RawService) -> Option<Service> {
        match (raw.id, raw.secret) {
            (Some(id), Some(key)) => return Some(Service { id, secret: secret(key) }),
            (None, None) => {}
            (id, _) => self.incomplete(&Path::dotted("service"), if id.is_some() { "secret" } else { "id" }),
        }
        None
    }

    /// Adds that the mapping at `path` lacks `key`, and points at the mapping.
    pub(super) fn incomplete(&mut self, path: &Path, key: &str) {
        let wanting = path.join(key);
        let said = self.unusable.iter().any(|unusable| unusable.starts_with(&wanting) || wanting.starts_with(unusable));
        if !said {
            self.wrong(path, format!("`{wanting}` is missing"), "incomplete", format!("add `{key}`"));
        }
    }

    pub(super) fn check_address(&mut self, path: &Path, address: &str) {
        let parts = address.split_once('@');
        if parts.is_none_or(|(name, domain)| name.is_empty() || domain.is_empty() || domain.contains('@')) {
            self.wrong(path, format!("`{path}` is no e-mail address"), "no address", "for example `name@example.com`");
        }
    }
}

fn secret(raw: RawSecret) -> Secret {
    Secret::new(raw.0)
}

const fn method(raw: RawMethod) -> Method {
    match raw {
        RawMethod::E2eBypass => Method::E2eBypass,
        RawMethod::Password => Method::Password,
        RawMethod::DevLogin => Method::DevLogin,
        RawMethod::SigningKey => Method::SigningKey,
        RawMethod::Tokens => Method::Tokens,
    }
}
