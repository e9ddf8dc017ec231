//! Users as the auth service knows them.

use std::collections::HashMap;

use crate::reference::{Facts, PasswordUser, UserState};

/// A user.
#[derive(Clone, Debug)]
pub(super) struct User {
    /// `sub` of its tokens.
    pub(super) id: String,
    /// Its address.
    pub(super) email: String,
    /// What it may do, unless a login asks for less.
    pub(super) permissions: Vec<String>,
    /// What opens a password login; none for users of OAuth, e2e and dev logins.
    pub(super) password: Option<String>,
    /// Its state, if it was seeded.
    pub(super) state: Option<UserState>,
}

impl User {
    /// Someone whom misconduct lets in unknown.
    pub(super) fn stranger(id: &str, email: Option<&str>) -> Self {
        let id = if id.is_empty() { "unknown" } else { id };
        let email = email.unwrap_or("unknown@netra.example");
        Self { id: id.to_owned(), email: email.to_owned(), permissions: permissions(None), password: None, state: None }
    }

    /// Whether it may have a session at all.
    pub(super) fn may_enter(&self) -> bool {
        !matches!(self.state, Some(UserState::Disabled | UserState::Unverified))
    }

    fn seeded(user: &PasswordUser) -> Self {
        let password = (user.state != UserState::OauthOnly).then(|| user.password.clone());
        Self {
            id: user.id.clone(),
            email: user.email.clone(),
            permissions: permissions(Some(user.state)),
            password,
            state: Some(user.state),
        }
    }
}

fn permissions(state: Option<UserState>) -> Vec<String> {
    let permissions: &[&str] = match state {
        Some(UserState::ReadOnly) => &["read"],
        Some(UserState::Admin) => &["read", "write", "admin"],
        _ => &["read", "write"],
    };
    permissions.iter().map(|&permission| permission.to_owned()).collect()
}

/// All users that have been seen.
#[derive(Debug)]
pub(super) struct Users {
    by_id: HashMap<String, User>,
    id_by_email: HashMap<String, String>,
}

impl Users {
    /// The seeded ones.
    pub(super) fn seeded(facts: &Facts) -> Self {
        let mut users = Self { by_id: HashMap::new(), id_by_email: HashMap::new() };
        for user in &facts.users {
            users.add(User::seeded(user));
        }
        users
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&User> {
        self.by_id.get(id)
    }

    pub(super) fn by_email(&self, email: &str) -> Option<&User> {
        self.by_id.get(self.id_by_email.get(email)?)
    }

    /// The user of this address, made when it is new.
    pub(super) fn of_email(&mut self, email: &str, new_id: impl FnOnce() -> String) -> User {
        if let Some(user) = self.by_email(email) {
            return user.clone();
        }
        let user =
            User { id: new_id(), email: email.to_owned(), permissions: permissions(None), password: None, state: None };
        self.add(user.clone());
        user
    }

    fn add(&mut self, user: User) {
        self.id_by_email.insert(user.email.clone(), user.id.clone());
        self.by_id.insert(user.id.clone(), user);
    }
}
