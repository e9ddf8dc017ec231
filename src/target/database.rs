//! A service's PostgreSQL database, asked with the service's own credentials. Nothing is written:
//! the one transaction that is opened holds an advisory lock, and is rolled back.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use crate::model::{Blame, Inconclusive, Stop};
use crate::profile::Secret;

/// First key of the advisory lock by which two connections find out whether they meet.
const LOCK_CLASS: i32 = 0x6e65_7472;

/// Relations that the current role can read or change, those of the system and of extensions apart.
const USABLE: &str = "
    select n.nspname::text, c.relname::text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f')
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and not exists (select from pg_depend d
                      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
      and has_schema_privilege(n.oid, 'usage')
      and (has_any_column_privilege(c.oid, 'select, insert, update, references')
           or has_table_privilege(c.oid, 'delete, truncate, trigger'))";

/// A connection that does not come about, or breaks.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseFault {
    /// The server refuses the role: password, `pg_hba.conf` or the privilege to connect.
    #[error("the {who}'s database refuses: {why}")]
    Refused {
        /// Whose credentials.
        who: &'static str,
        /// The server's message.
        why: String,
    },
    /// Anything else.
    #[error("the {who}'s database: {why}")]
    Failed {
        /// Whose credentials.
        who: &'static str,
        /// What happened.
        why: String,
    },
}

impl From<DatabaseFault> for Stop {
    fn from(fault: DatabaseFault) -> Self {
        let blame = match fault {
            DatabaseFault::Refused { .. } => Blame::Credentials,
            DatabaseFault::Failed { .. } => Blame::Environment,
        };
        Inconclusive::new(blame, fault.to_string()).into()
    }
}

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

impl Table {
    /// As SQL writes it, quoted.
    fn quoted(&self) -> String {
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// Whether two connections end in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// On different servers.
    Apart,
    /// In different databases of one server.
    OneServer,
    /// In one database.
    OneDatabase,
}

/// A connection with a service's credentials.
pub struct Database {
    who: &'static str,
    config: Config,
    client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Database {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Database {
    /// Connects as the DSN of `who` says; each connection attempt and statement has this deadline.
    ///
    /// # Errors
    /// [`DatabaseFault`] when there is no connection.
    pub async fn connect(who: &'static str, dsn: &Secret, within: Duration) -> Result<Self, DatabaseFault> {
        // The parser's message may quote the DSN.
        let unreadable = |_| DatabaseFault::Failed { who, why: "its DSN cannot be read".into() };
        let mut config: Config = dsn.expose().parse().map_err(unreadable)?;
        let limits = format!("-c statement_timeout={} -c default_transaction_read_only=on", within.as_millis());
        let options = config.get_options().map_or_else(|| limits.clone(), |own| format!("{own} {limits}"));
        config.connect_timeout(within).application_name("netra-check").options(options);
        Self::open(who, config).await
    }

    /// The same credentials in the database of `other`.
    ///
    /// # Errors
    /// [`DatabaseFault::Refused`] when the role may not enter it.
    pub async fn visit(&self, other: &Self) -> Result<Self, DatabaseFault> {
        let mut config = self.config.clone();
        config.dbname(other.name().await?);
        Self::open(self.who, config).await
    }

    async fn open(who: &'static str, config: Config) -> Result<Self, DatabaseFault> {
        let within = config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(10));
        let connecting = tokio::time::timeout(within, config.connect(NoTls));
        let slow = |_| DatabaseFault::Failed { who, why: format!("no connection within {} s", within.as_secs_f64()) };
        let (client, connection) = connecting.await.map_err(slow)?.map_err(|error| fault(who, &error))?;
        // Its errors come back from the statements.
        let driver = tokio::spawn(async { drop(connection.await) });
        Ok(Self { who, config, client, driver })
    }

    /// Name of the role that the server took us for.
    ///
    /// # Errors
    /// [`DatabaseFault`] when the connection breaks.
    pub async fn role(&self) -> Result<String, DatabaseFault> {
        self.text("select current_user::text").await
    }

    /// Name of the database.
    ///
    /// # Errors
    /// [`DatabaseFault`] when the connection breaks.
    pub async fn name(&self) -> Result<String, DatabaseFault> {
        self.text("select current_database()::text").await
    }

    async fn text(&self, query: &str) -> Result<String, DatabaseFault> {
        let row = self.client.query_one(query, &[]).await.map_err(|error| fault(self.who, &error))?;
        Ok(row.get(0))
    }

    /// Where this connection and another end: found out by a lock that one holds and the other looks
    /// for, so that names, addresses and proxies do not matter.
    ///
    /// # Errors
    /// [`DatabaseFault`] when a connection breaks.
    pub async fn meets(&self, other: &Self) -> Result<Meeting, DatabaseFault> {
        let key: i32 = rand::random::<i32>() & i32::MAX;
        let ours = |error| fault(self.who, &error);
        self.client.batch_execute("begin").await.map_err(ours)?;
        let held = self.client.query_one("select pg_advisory_xact_lock($1, $2)", &[&LOCK_CLASS, &key]).await;
        held.map_err(|error| fault(self.who, &error))?;
        let seen = "
            select database = (select oid from pg_database where datname = current_database())
            from pg_locks
            where locktype = 'advisory' and classid::int8 = $1::int4 and objid::int8 = $2::int4 and objsubid = 2";
        let seen = other.client.query_opt(seen, &[&LOCK_CLASS, &key]).await;
        self.client.batch_execute("rollback").await.map_err(|error| fault(self.who, &error))?;
        Ok(match seen.map_err(|error| fault(other.who, &error))? {
            None => Meeting::Apart,
            Some(row) if row.get(0) => Meeting::OneDatabase,
            Some(_) => Meeting::OneServer,
        })
    }

    /// The tables and views that this role can read or change here.
    ///
    /// # Errors
    /// [`DatabaseFault`] when the connection breaks.
    pub async fn usable(&self) -> Result<BTreeSet<Table>, DatabaseFault> {
        let rows = self.client.query(USABLE, &[]).await.map_err(|error| fault(self.who, &error))?;
        Ok(rows.iter().map(|row| Table { schema: row.get(0), name: row.get(1) }).collect())
    }

    /// Whether this role may act as `role`, where there is such a role.
    ///
    /// # Errors
    /// [`DatabaseFault`] when the connection breaks.
    pub async fn may_become(&self, role: &str) -> Result<bool, DatabaseFault> {
        let query = "select coalesce(bool_or(pg_has_role(oid, 'member')), false) from pg_roles where rolname = $1";
        let row = self.client.query_one(query, &[&role]).await.map_err(|error| fault(self.who, &error))?;
        Ok(row.get(0))
    }

    /// Reads no row of `table`: whether the server lets this role.
    ///
    /// # Errors
    /// [`DatabaseFault`] when the server fails for another reason than privileges.
    pub async fn may_read(&self, table: &Table) -> Result<bool, DatabaseFault> {
        self.may(&format!("select from {} limit 0", table.quoted())).await
    }

    /// Has a deletion planned, and not carried out: whether the server would let this role.
    ///
    /// # Errors
    /// [`DatabaseFault`] when the server fails for another reason than privileges.
    pub async fn may_delete(&self, table: &Table) -> Result<bool, DatabaseFault> {
        self.may(&format!("explain delete from {} where false", table.quoted())).await
    }

    async fn may(&self, statement: &str) -> Result<bool, DatabaseFault> {
        match self.client.batch_execute(statement).await {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(false),
            Err(error) => Err(fault(self.who, &error)),
        }
    }
}

fn fault(who: &'static str, error: &tokio_postgres::Error) -> DatabaseFault {
    let why = error.as_db_error().map_or_else(|| root_cause(error), |server| server.message().to_owned());
    let refusals =
        [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
    match error.code() {
        Some(code) if refusals.contains(code) => DatabaseFault::Refused { who, why },
        _ => DatabaseFault::Failed { who, why },
    }
}

fn root_cause(error: &tokio_postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
