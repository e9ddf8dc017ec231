//! Families: a login and every token that descends from it (contract, section 2).

use std::collections::HashMap;

/// All families that were opened or revoked here.
#[derive(Debug, Default)]
pub(super) struct Families(HashMap<String, Family>);

#[derive(Debug, Default)]
struct Family {
    permissions: Vec<String>,
    revoked: bool,
    /// `jti` of the one refresh token that may be used.
    refresh_jti: Option<String>,
    /// `jti` of the refresh token whose successor is still on its way to the client.
    rotating: Option<String>,
    /// When set, the `jti` of the only access token that counts.
    only_access_jti: Option<String>,
}

/// Why a refresh token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// Another call with the same token is open, and won.
    Concurrent,
    /// It was used before; its family is revoked now.
    Replayed,
    /// Its family was revoked before, or never opened.
    Dead,
}

impl Families {
    /// A new family with its first refresh token.
    pub(super) fn open(&mut self, sid: &str, permissions: Vec<String>, refresh_jti: &str) {
        let refresh_jti = Some(refresh_jti.to_owned());
        self.0.insert(sid.to_owned(), Family { permissions, refresh_jti, ..Family::default() });
    }

    /// Takes a refresh token out of service; until [`Self::rotated`] the rotation is open.
    pub(super) fn rotate(&mut self, sid: &str, jti: &str, grace: bool) -> Result<Vec<String>, Reuse> {
        let family = self.0.get_mut(sid).filter(|family| !family.revoked).ok_or(Reuse::Dead)?;
        if family.refresh_jti.as_deref() == Some(jti) {
            family.rotating = family.refresh_jti.take();
            return Ok(family.permissions.clone());
        }
        if grace && family.rotating.as_deref() == Some(jti) {
            return Err(Reuse::Concurrent);
        }
        family.revoked = true;
        Err(Reuse::Replayed)
    }

    /// Puts the successor into service; `false` when the family was revoked meanwhile.
    pub(super) fn succeed(&mut self, sid: &str, refresh_jti: &str, only_access_jti: Option<&str>) -> bool {
        let Some(family) = self.0.get_mut(sid).filter(|family| !family.revoked) else { return false };
        family.refresh_jti = Some(refresh_jti.to_owned());
        family.only_access_jti = only_access_jti.map(str::to_owned);
        true
    }

    /// Ends a rotation: its predecessor, sent again, is a replay from now on.
    pub(super) fn rotated(&mut self, sid: &str) {
        if let Some(family) = self.0.get_mut(sid) {
            family.rotating = None;
        }
    }

    /// Revokes all tokens of a family, also of one that was not opened here.
    pub(super) fn revoke(&mut self, sid: &str) {
        self.0.entry(sid.to_owned()).or_default().revoked = true;
    }

    /// Whether a family, or of its access tokens the one called `access_jti`, was revoked.
    pub(super) fn has_revoked(&self, sid: &str, access_jti: Option<&str>) -> bool {
        self.0.get(sid).is_some_and(|family| {
            family.revoked
                || access_jti.is_some()
                    && family.only_access_jti.is_some()
                    && family.only_access_jti.as_deref() != access_jti
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Families {
        let mut families = Families::default();
        families.open("s", vec!["read".into()], "r1");
        families
    }

    #[test]
    fn a_rotated_token_sent_again_revokes_its_family_and_no_other() {
        let mut families = opened();
        families.open("sibling", Vec::new(), "x1");
        assert!(families.rotate("s", "r1", false).is_ok() && families.succeed("s", "r2", None));
        families.rotated("s");
        assert_eq!(families.rotate("s", "r1", false), Err(Reuse::Replayed));
        assert_eq!(families.rotate("s", "r2", false), Err(Reuse::Dead));
        assert!(families.has_revoked("s", None) && !families.has_revoked("sibling", None));
    }

    #[test]
    fn grace_holds_while_the_rotation_is_open_only() {
        let mut families = opened();
        assert!(families.rotate("s", "r1", true).is_ok());
        assert_eq!(families.rotate("s", "r1", true), Err(Reuse::Concurrent));
        assert!(families.succeed("s", "r2", None));
        families.rotated("s");
        assert_eq!(families.rotate("s", "r1", true), Err(Reuse::Replayed));
    }

    #[test]
    fn no_successor_enters_a_family_that_was_revoked_meanwhile() {
        let mut families = opened();
        assert!(families.rotate("s", "r1", false).is_ok());
        families.revoke("s");
        assert!(!families.succeed("s", "r2", None));
    }

    #[test]
    fn a_family_of_someone_elses_making_can_be_revoked() {
        let mut families = Families::default();
        assert!(!families.has_revoked("signed-elsewhere", None));
        families.revoke("signed-elsewhere");
        assert!(families.has_revoked("signed-elsewhere", Some("j")));
    }
}
