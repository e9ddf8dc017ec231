//! What an environment holds.

use std::collections::BTreeSet;
use std::sync::Arc;

use netra_check::model::CheckId;
use netra_check::profile::{Method, Profile};
use netra_check::target::{Login, Target};
use netra_check::wire::{Contract, Endpoint};

/// Every thread of every user that can log in, with its messages counted.
pub(crate) async fn threads(profile: &Profile) -> BTreeSet<String> {
    let contract = Contract::load(&profile.contract).unwrap();
    let target = Target::new(Arc::new(profile.clone()), contract, "1-look", 1).unwrap();
    let recorder = target.recorder(CheckId::new("run/look"));
    let mut logins = Vec::new();
    for user in profile.users.states.values() {
        logins.extend(target.login_as(&recorder, user).await.ok());
    }
    if profile.credentials.method == Method::E2eBypass {
        for user in 0..profile.users.count {
            logins.push(target.login(&recorder, user).await.unwrap());
        }
    }
    let (mut threads, mut looked) = (BTreeSet::new(), 0);
    for Login { access, email, .. } in &logins {
        let call = target.http(&recorder).call(Endpoint::ListThreads).bearer(access).query("limit", 100);
        let answer = call.send().await.unwrap();
        if !answer.succeeded(target.contract(), Endpoint::ListThreads) {
            // A user whose session has ended.
            continue;
        }
        looked += 1;
        for thread in answer.json.unwrap().as_array().unwrap() {
            threads.insert(format!("{email:?} {} {} {}", thread["id"], thread["title"], thread["message_count"]));
        }
    }
    assert!(looked >= 2 && !threads.is_empty(), "{looked} users, {threads:?}");
    threads
}
