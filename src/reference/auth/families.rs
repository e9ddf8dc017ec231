//! Families: a login and every token that descends from it (contract, section 2).

use std::collections::HashMap;

/// All families that were opened or revoked here.
#[derive(Debug, Default)]
pub(super) struct Families(HashMap<String, Family>);

#[derive(Debug, Default)]
struct Family {
    user: String,
    permissions: Vec<String>,
    revoked: bool,
    /// `jti` of each refresh token that may be used: one, unless misconduct lets more live.
    refresh_jtis: Vec<String>,
    /// `jti` of the refresh token whose successor is still on its way to the client.
    rotating: Option<String>,
    /// When set, the `jti` of the only access token that counts.
    only_access_jti: Option<String>,
    /// When set, the `jti` of the only access token that the revocation is about.
    only_revoked_jti: Option<String>,
}

/// How refresh tokens are rotated; the default is correct.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rotation {
    /// Of concurrent calls one wins and the family lives.
    pub(super) grace: bool,
    /// Of concurrent calls two win.
    pub(super) two_win: bool,
    /// A used token is as good as a new one.
    pub(super) reusable: bool,
    /// What a used token ends when it comes again.
    pub(super) replay_ends: Ends,
}

/// What is ended by a logout or a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ends {
    /// The family: every token that descends from its login.
    #[default]
    Family,
    /// All families of the user.
    User,
    /// Its access tokens.
    AccessTokens,
    /// The one access token that is shown, and the refresh token.
    ShownToken,
    /// Nothing.
    Nothing,
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
    /// A new family of a user with its first refresh token.
    pub(super) fn open(&mut self, sid: &str, user: &str, permissions: Vec<String>, refresh_jti: &str) {
        let (user, refresh_jtis) = (user.to_owned(), vec![refresh_jti.to_owned()]);
        self.0.insert(sid.to_owned(), Family { user, permissions, refresh_jtis, ..Family::default() });
    }

    /// Takes a refresh token out of service; until [`Self::rotated`] the rotation is open.
    pub(super) fn rotate(&mut self, sid: &str, jti: &str, how: Rotation) -> Result<Vec<String>, Reuse> {
        let family = self.0.get_mut(sid).filter(|family| !family.revoked).ok_or(Reuse::Dead)?;
        let is_rotating = family.rotating.as_deref() == Some(jti);
        if family.refresh_jtis.iter().any(|known| known == jti) {
            if is_rotating || !how.two_win {
                family.refresh_jtis.retain(|known| known != jti);
            }
            family.rotating = Some(jti.to_owned());
            return Ok(family.permissions.clone());
        }
        if how.reusable {
            return Ok(family.permissions.clone());
        }
        if is_rotating && (how.grace || how.two_win) {
            return Err(Reuse::Concurrent);
        }
        self.end(sid, None, how.replay_ends);
        Err(Reuse::Replayed)
    }

    /// Puts the successor into service; `false` when the family was revoked meanwhile.
    pub(super) fn succeed(&mut self, sid: &str, refresh_jti: &str, only_access_jti: Option<&str>) -> bool {
        let Some(family) = self.0.get_mut(sid).filter(|family| !family.revoked) else { return false };
        family.refresh_jtis.push(refresh_jti.to_owned());
        family.only_access_jti = only_access_jti.map(str::to_owned);
        true
    }

    /// Ends a rotation: its predecessor, sent again, is a replay from now on.
    pub(super) fn rotated(&mut self, sid: &str) {
        if let Some(family) = self.0.get_mut(sid)
            && let Some(jti) = family.rotating.take()
        {
            family.refresh_jtis.retain(|known| *known != jti);
        }
    }

    /// Revokes all tokens of a family, also of one that was not opened here.
    pub(super) fn revoke(&mut self, sid: &str) {
        self.0.entry(sid.to_owned()).or_default().revoked = true;
    }

    /// Ends a family, or what misconduct ends in its place; `jti` is that of the access token which is shown.
    pub(super) fn end(&mut self, sid: &str, jti: Option<&str>, what: Ends) {
        match what {
            Ends::Family => self.revoke(sid),
            Ends::User => {
                let user = self.0.get(sid).map(|family| family.user.clone());
                let own = self.0.values_mut().filter(|family| Some(&family.user) == user.as_ref());
                own.for_each(|family| family.revoked = true);
            }
            Ends::AccessTokens => {
                if let Some(family) = self.0.get_mut(sid) {
                    // The name of no token: none counts.
                    family.only_access_jti = Some(String::new());
                }
            }
            Ends::ShownToken => {
                if let Some(family) = self.0.get_mut(sid) {
                    family.revoked = true;
                    family.only_revoked_jti = jti.map(str::to_owned);
                }
            }
            Ends::Nothing => {}
        }
    }

    /// Whether a family, or of its access tokens the one called `access_jti`, was revoked.
    pub(super) fn has_revoked(&self, sid: &str, access_jti: Option<&str>) -> bool {
        self.0.get(sid).is_some_and(|family| {
            let differs =
                |only: &Option<String>| access_jti.is_some() && only.is_some() && only.as_deref() != access_jti;
            family.revoked && !differs(&family.only_revoked_jti) || differs(&family.only_access_jti)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Rotation = Rotation { grace: true, two_win: false, reusable: false, replay_ends: Ends::Family };

    fn opened() -> Families {
        let mut families = Families::default();
        families.open("s", "u", vec!["read".into()], "r1");
        families
    }

    #[test]
    fn a_rotated_token_sent_again_revokes_its_family_and_no_other() {
        let mut families = opened();
        families.open("sibling", "u", Vec::new(), "x1");
        assert!(families.rotate("s", "r1", Rotation::default()).is_ok() && families.succeed("s", "r2", None));
        families.rotated("s");
        assert_eq!(families.rotate("s", "r1", Rotation::default()), Err(Reuse::Replayed));
        assert_eq!(families.rotate("s", "r2", Rotation::default()), Err(Reuse::Dead));
        assert!(families.has_revoked("s", None) && !families.has_revoked("sibling", None));
    }

    #[test]
    fn grace_holds_while_the_rotation_is_open_only() {
        let mut families = opened();
        assert!(families.rotate("s", "r1", GRACE).is_ok());
        assert_eq!(families.rotate("s", "r1", GRACE), Err(Reuse::Concurrent));
        assert!(families.succeed("s", "r2", None));
        families.rotated("s");
        assert_eq!(families.rotate("s", "r1", GRACE), Err(Reuse::Replayed));
    }

    #[test]
    fn no_successor_enters_a_family_that_was_revoked_meanwhile() {
        let mut families = opened();
        assert!(families.rotate("s", "r1", Rotation::default()).is_ok());
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
