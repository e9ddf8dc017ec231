//! How a token is written into a subprotocol (contract, section 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What stands for the token's base64url, without padding, in a template.
const ENCODED: &str = "{base64url}";
/// What stands for the token as it is: the characters of a JSON Web Token are those of a subprotocol (RFC 6455, 4.1).
const RAW: &str = "{raw}";

/// One way to write a token: what stands before it, and how it is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenForm {
    prefix: String,
    raw: bool,
}

impl TokenForm {
    /// A template like `jwt.{base64url}` or `jwt.staging.{raw}`.
    ///
    /// # Errors
    /// What a template looks like.
    pub(super) fn parse(template: &str) -> Result<Self, String> {
        let forms = [(ENCODED, false), (RAW, true)];
        let found = forms.into_iter().find_map(|(end, raw)| Some((template.strip_suffix(end)?, raw)));
        match found {
            Some((prefix, raw)) if !prefix.is_empty() && !prefix.contains(['{', '}', ',', ' ']) => {
                Ok(Self { prefix: prefix.to_owned(), raw })
            }
            _ => Err(format!("`{template}` must be a prefix and then `{ENCODED}` or `{RAW}`, as in `jwt.{ENCODED}`")),
        }
    }

    /// The subprotocol that carries `token`.
    pub(super) fn write(&self, token: &str) -> String {
        let token = if self.raw { token.to_owned() } else { URL_SAFE_NO_PAD.encode(token) };
        format!("{}{token}", self.prefix)
    }

    /// The token that a subprotocol carries in this form.
    pub(super) fn read(&self, offer: &str) -> Option<String> {
        let token = offer.strip_prefix(&self.prefix)?;
        if self.raw {
            // Base64 has no full stop: what has none is the other form's, or none.
            return token.contains('.').then(|| token.to_owned());
        }
        String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
    }

    /// What stands before the token.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the token stands there as it is.
    pub(super) const fn is_raw(&self) -> bool {
        self.raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.e30.c2ln";

    #[test]
    fn a_token_comes_back_from_each_form() {
        for template in ["jwt.{base64url}", "jwt.{raw}", "jwt.staging.{raw}", "bearer.{base64url}"] {
            let form = TokenForm::parse(template).unwrap();
            assert_eq!(form.read(&form.write(TOKEN)).as_deref(), Some(TOKEN), "{template}");
            assert_eq!(form.read("jwt-auth"), None);
        }
    }

    #[test]
    fn the_two_encodings_of_one_prefix_are_told_apart() {
        let forms = ["jwt.{base64url}", "jwt.{raw}"].map(|template| TokenForm::parse(template).unwrap());
        let [encoded, raw] = &forms;
        assert_eq!(encoded.read(&raw.write(TOKEN)), None);
        assert_eq!(raw.read(&encoded.write(TOKEN)), None);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for template in ["jwt.", "{raw}", "jwt.{hex}", "jwt.{raw}.x", "a {raw}", ""] {
            assert!(TokenForm::parse(template).unwrap_err().contains("as in `jwt.{base64url}`"), "{template}");
        }
    }
}
