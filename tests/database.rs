//! Two services' databases on a real PostgreSQL server, which `NETRA_CHECK_POSTGRES` names.
#![cfg(feature = "database")]

use std::time::Duration;

use netra_check::profile::Secret;
use netra_check::prove::{Fate, Mutants, ProveOptions, prove};
use netra_check::reference::{Databases, Policy};
use netra_check::scenarios::registry;
use netra_check::target::{Database, DatabaseFault, Meeting};
use tokio_postgres::NoTls;

/// Databases of a correct reference, and a connection of each service.
struct Services {
    auth: Database,
    backend: Database,
    databases: Databases,
}

impl Services {
    async fn start() -> Self {
        let databases = Databases::set_up(&superuser(), &Policy::default()).unwrap();
        let connect = |who, dsn: &str| {
            let dsn = Secret::new(dsn);
            async move { Database::connect(who, &dsn, Duration::from_secs(10)).await.unwrap() }
        };
        let auth = connect("auth service", databases.auth()).await;
        let backend = connect("backend", databases.backend()).await;
        Self { auth, backend, databases }
    }

    /// Changes the auth service's database as its owner, or as the superuser.
    async fn change(&self, as_superuser: bool, statements: &str) {
        let mut config: tokio_postgres::Config = self.databases.auth().parse().unwrap();
        if as_superuser {
            let superuser: tokio_postgres::Config = superuser().parse().unwrap();
            config.user(superuser.get_user().unwrap()).password(superuser.get_password().unwrap_or_default());
        }
        let (client, connection) = config.connect(NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        client.batch_execute(statements).await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
    }

    /// What the backend's role can use in the auth service's database.
    async fn visible(&self) -> Vec<String> {
        let visit = self.backend.visit(&self.auth).await.unwrap();
        visit.usable().await.unwrap().iter().map(ToString::to_string).collect()
    }
}

fn superuser() -> String {
    std::env::var("NETRA_CHECK_POSTGRES").expect("NETRA_CHECK_POSTGRES names a PostgreSQL server")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL; .ci/run runs it"]
async fn services_of_their_own_keep_each_other_out() {
    let services = Services::start().await;
    assert_eq!(services.auth.meets(&services.backend).await.unwrap(), Meeting::OneServer);
    assert_eq!(services.auth.meets(&services.auth).await.unwrap(), Meeting::OneDatabase);
    let own: Vec<_> = services.auth.usable().await.unwrap().into_iter().collect();
    assert_eq!(own.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(), ["sessions", "users"]);
    assert!(services.auth.may_read(&own[0]).await.unwrap() && services.auth.may_delete(&own[0]).await.unwrap());

    let refused = services.auth.visit(&services.backend).await.err().unwrap();
    assert!(matches!(refused, DatabaseFault::Refused { .. }), "{refused}");
    let visit = services.backend.visit(&services.auth).await.unwrap();
    assert!(visit.usable().await.unwrap().is_empty());
    assert!(!visit.may_read(&own[0]).await.unwrap() && !visit.may_delete(&own[0]).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL; .ci/run runs it"]
async fn every_way_in_is_seen() {
    let services = Services::start().await;
    let role = services.backend.role().await.unwrap();
    assert!(services.visible().await.is_empty());
    services.change(false, &format!("grant select (id) on users to {role}")).await;
    assert_eq!(services.visible().await, ["public.users"]);
    services
        .change(false, &format!("revoke select (id) on users from {role}; grant truncate on sessions to public"))
        .await;
    assert_eq!(services.visible().await, ["public.sessions"]);

    let auth = services.auth.role().await.unwrap();
    assert!(!services.backend.may_become(&auth).await.unwrap());
    services.change(true, &format!("alter role {role} noinherit; grant {auth} to {role}")).await;
    assert!(services.backend.may_become(&auth).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL; .ci/run runs it"]
async fn schemas_of_one_database_are_apart() {
    let services = Services::start().await;
    let role = services.backend.role().await.unwrap();
    let own =
        format!("create schema backend authorization {role}; set role {role}; create table backend.threads (id text)");
    services.change(true, &own).await;
    assert_eq!(services.visible().await, ["backend.threads"]);
    let auths = services.auth.usable().await.unwrap();
    assert!(auths.iter().all(|table| table.schema == "public"), "{auths:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL; .ci/run runs it"]
async fn what_is_shared_is_caught_and_what_is_separate_conforms() {
    let checks: Vec<_> =
        registry().into_iter().filter(|check| check.id.as_str() == "independence/no-shared-database").collect();
    let only = ["shared-database", "shared-role"].map(str::to_owned).into();
    let options =
        ProveOptions { contract: "netra-v1".into(), checks, only, collateral: false, mutants: Mutants::None, jobs: 2 };
    let proof = prove(&options, &|_| {}).await;
    assert_eq!(proof.checks[0].verdict, "conforms", "{:?}", proof.checks[0].reason);
    let fates: Vec<_> = proof.defects.iter().map(|defect| (defect.id, defect.outcome)).collect();
    assert_eq!(fates, [("shared-database", Fate::Caught), ("shared-role", Fate::Caught)]);
}
