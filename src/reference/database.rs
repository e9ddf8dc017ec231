//! Databases of both services on a PostgreSQL server that the caller names: the reference keeps its
//! data in memory, so they exist for `independence/no-shared-database` alone.

use std::collections::BTreeSet;
use std::future::Future;
#[cfg(feature = "database")]
use std::time::Duration;

use url::Url;

use super::Policy;

/// Tables of the auth service.
const AUTH_TABLES: &[&str] = &["users", "sessions"];
/// Tables of the backend.
const BACKEND_TABLES: &[&str] = &["threads", "messages"];

/// How long the server may take to accept a connection.
#[cfg(feature = "database")]
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there are no databases.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The DSN cannot be given other users and databases.
    #[error("the superuser's DSN must be `key=value …` or a URL with a host")]
    Dsn,
    /// This program was built without the feature `database`.
    #[error("this build has no PostgreSQL client (feature `database`)")]
    NoClient,
    /// No runtime or thread to work on.
    #[error("no thread to work on: {0}")]
    Thread(#[from] std::io::Error),
    /// The server refuses, or cannot be reached.
    #[error("PostgreSQL: {0}")]
    Server(String),
}

/// A database or schema and role of each service, by their unique names; dropped with it.
#[derive(Debug)]
pub struct Databases {
    superuser: String,
    auth: String,
    backend: String,
    databases: BTreeSet<String>,
    roles: BTreeSet<String>,
}

impl Databases {
    /// Sets the databases of this policy up on the server of `superuser`, a DSN. Blocks.
    ///
    /// # Errors
    /// [`DatabaseError`] when the server cannot be reached or refuses.
    pub fn set_up(superuser: &str, policy: &Policy) -> Result<Self, DatabaseError> {
        let one_role = policy.process.shared_role.on();
        let one_database = policy.process.shared_database.on();
        let unique = format!("netra_check_{:08x}", rand::random::<u32>());
        let (auth, backend) = (format!("{unique}_auth"), format!("{unique}_backend"));
        let role = if one_role { &auth } else { &backend };
        let database = if one_database { &auth } else { &backend };
        let password = format!("{:032x}", rand::random::<u128>());
        let distinct = |other: &String| BTreeSet::from([auth.clone(), other.clone()]);
        let databases = Self {
            superuser: superuser.to_owned(),
            auth: dsn(superuser, &auth, &password, &auth)?,
            backend: dsn(superuser, role, &password, database)?,
            databases: distinct(database),
            roles: distinct(role),
        };

        let roles = databases.roles.iter().map(|role| format!("create role {role} login password '{password}'"));
        let mut servers: Vec<_> = roles.chain([format!("create database {auth} owner {auth}")]).collect();
        let (mut auths, mut backends) = (create(AUTH_TABLES), create(BACKEND_TABLES));
        if one_database {
            auths.append(&mut backends);
            auths.push(format!("grant all on all tables in schema public to {role}"));
        } else {
            servers.push(format!("create database {database} owner {role}"));
            // The auth service's database keeps the server's default, so that both ways to refuse occur: at the
            // door of the one, at the tables of the other.
            servers.push(format!("revoke connect on database {database} from public"));
        }
        let work = [(superuser, servers), (databases.auth(), auths), (databases.backend(), backends)];
        let work = work.map(|(dsn, statements)| (dsn.to_owned(), statements));
        blocking(async {
            for (dsn, statements) in work {
                execute(&dsn, &statements).await?;
            }
            Ok(())
        })?;
        Ok(databases)
    }

    /// DSN of the auth service.
    pub fn auth(&self) -> &str {
        &self.auth
    }

    /// DSN of the backend.
    pub fn backend(&self) -> &str {
        &self.backend
    }
}

impl Drop for Databases {
    /// Blocks until they are gone.
    fn drop(&mut self) {
        let databases = self.databases.iter().map(|name| format!("drop database if exists {name} with (force)"));
        let roles = self.roles.iter().map(|name| format!("drop role if exists {name}"));
        let statements: Vec<_> = databases.chain(roles).collect();
        if let Err(error) = blocking(execute(&self.superuser, &statements)) {
            // Nobody else can be told that something is left on the server.
            let names: Vec<_> = self.databases.iter().map(String::as_str).collect();
            eprintln!("error: {} could not be removed: {error}", names.join(", "));
        }
    }
}

/// The DSN of another role and database on the server of `superuser`.
fn dsn(superuser: &str, role: &str, password: &str, database: &str) -> Result<String, DatabaseError> {
    if !superuser.contains("://") {
        // Of a key given twice the later one holds.
        return Ok(format!("{superuser} user={role} password={password} dbname={database}"));
    }
    let mut url = Url::parse(superuser).map_err(|_| DatabaseError::Dsn)?;
    url.set_username(role).and_then(|()| url.set_password(Some(password))).map_err(|()| DatabaseError::Dsn)?;
    url.set_path(database);
    Ok(url.into())
}

fn create(tables: &[&str]) -> Vec<String> {
    tables.iter().map(|table| format!("create table {table} (id text primary key, body text not null)")).collect()
}

/// Waits for `work` on a thread of its own, whatever the caller's runtime does.
fn blocking(work: impl Future<Output = Result<(), DatabaseError>> + Send) -> Result<(), DatabaseError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
        })?;
        thread.join().unwrap_or_else(|_| Err(DatabaseError::Server("the client panicked".into())))
    })
}

/// Each statement by itself: databases are not made in transactions.
#[cfg(feature = "database")]
async fn execute(dsn: &str, statements: &[String]) -> Result<(), DatabaseError> {
    let told = |error: tokio_postgres::Error| {
        let server = error.as_db_error().map(ToString::to_string);
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        DatabaseError::Server(server.or(cause).unwrap_or_else(|| error.to_string()))
    };
    let mut config: tokio_postgres::Config = dsn.parse().map_err(|_| DatabaseError::Dsn)?;
    config.connect_timeout(PATIENCE);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(told)?;
    let work = async {
        for statement in statements {
            client.batch_execute(statement).await.map_err(told)?;
        }
        Ok(())
    };
    tokio::select! {
        done = work => done,
        // An error of the connection comes back from the statement under way, too.
        ended = connection => ended.map_err(told),
    }
}

#[cfg(not(feature = "database"))]
async fn execute(_dsn: &str, _statements: &[String]) -> Result<(), DatabaseError> {
    Err(DatabaseError::NoClient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_keeps_its_server() {
        let keys = dsn("host=/run/pg user=postgres", "a", "p", "d").unwrap();
        assert_eq!(keys, "host=/run/pg user=postgres user=a password=p dbname=d");
        let url = dsn("postgresql://postgres:x@127.0.0.1:5433/postgres?sslmode=disable", "a", "p", "d").unwrap();
        assert_eq!(url, "postgresql://a:p@127.0.0.1:5433/d?sslmode=disable");
        assert!(matches!(dsn("postgresql:///postgres", "a", "p", "d"), Err(DatabaseError::Dsn)));
    }
}
