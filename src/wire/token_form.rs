//! How a token is written into a subprotocol (contract, section 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What stands for the token's base64url, without padding, in a template.
const ENCODED: &str = "{base64url}";
/// What stands for the token as it is: the characters of a JSON Web Token are those of a subprotocol (RFC 6455, 4.1).
const RAW: &str = "{raw}";

/// What stands for the environment's tag in a prefix: any word when it is read, the environment's own when written.
const TAG: &str = "{env}";

/// One way to write a token: what stands before it, and how it is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenForm {
    /// Before the environment's tag; the whole prefix where there is none.
    head: String,
    /// Behind the tag.
    tail: Option<String>,
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
            Some((prefix, raw))
                if !prefix.is_empty() && !prefix.replacen(TAG, "", 1).contains(['{', '}', ',', ' ']) =>
            {
                let (head, tail) = prefix.split_once(TAG).map_or((prefix, None), |(head, tail)| (head, Some(tail)));
                if head.is_empty() || tail.is_some_and(|tail| !tail.starts_with('.')) {
                    return Err(format!("`{template}`: `{TAG}` stands between full stops, as in `jwt.{TAG}.{RAW}`"));
                }
                Ok(Self { head: head.to_owned(), tail: tail.map(str::to_owned), raw })
            }
            _ => Err(format!(
                "`{template}` must be a prefix (with `{TAG}` for the environment's tag) and then `{ENCODED}` or `{RAW}`, as in `jwt.{ENCODED}`"
            )),
        }
    }

    /// The subprotocol that carries `token` in the environment of this tag.
    pub(super) fn write(&self, token: &str, tag: &str) -> String {
        let token = if self.raw { token.to_owned() } else { URL_SAFE_NO_PAD.encode(token) };
        format!("{}{token}", self.prefix(tag))
    }

    /// The token that a subprotocol carries in this form.
    pub(super) fn read(&self, offer: &str) -> Option<String> {
        let mut token = offer.strip_prefix(&self.head)?;
        if let Some(tail) = &self.tail {
            let (tag, _) = token.split_once('.')?;
            token = token[tag.len()..].strip_prefix(tail.as_str())?;
        }
        if self.raw {
            // A JSON Web Token has three parts: what has not is another form's, or none.
            return (token.matches('.').count() == 2).then(|| token.to_owned());
        }
        String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
    }

    /// What stands before the token in the environment of this tag.
    pub(super) fn prefix(&self, tag: &str) -> String {
        match &self.tail {
            Some(tail) => format!("{}{tag}{tail}", self.head),
            None => self.head.clone(),
        }
    }

    /// What every subprotocol of this form begins with.
    pub(super) fn head(&self) -> &str {
        &self.head
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
        for template in ["jwt.{base64url}", "jwt.{raw}", "jwt.staging.{raw}", "jwt.{env}.{raw}", "bearer.{base64url}"] {
            let form = TokenForm::parse(template).unwrap();
            assert_eq!(form.read(&form.write(TOKEN, "test")).as_deref(), Some(TOKEN), "{template}");
            assert_eq!(form.read("jwt-auth"), None);
        }
    }

    #[test]
    fn the_two_encodings_of_one_prefix_are_told_apart() {
        let forms = ["jwt.{base64url}", "jwt.{raw}"].map(|template| TokenForm::parse(template).unwrap());
        let [encoded, raw] = &forms;
        assert_eq!(encoded.read(&raw.write(TOKEN, "")), None);
        assert_eq!(raw.read(&encoded.write(TOKEN, "")), None);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for template in ["jwt.", "{raw}", "{env}.{raw}", "jwt.{env}{raw}", "jwt.{hex}", "jwt.{raw}.x", "a {raw}", ""] {
            assert!(TokenForm::parse(template).unwrap_err().contains("as in `jwt."), "{template}");
        }
    }
}
