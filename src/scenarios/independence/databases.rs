//! Two services' databases, told apart by their server's own word.

use std::collections::BTreeSet;

use crate::check::Context;
use crate::model::{Evidence, Finding, Judgement, Need, NotVerified, Stop};
use crate::target::{Database, DatabaseFault, Meeting, Table};

/// Tables of each service on which a refusal is provoked.
const TRIED: usize = 5;

/// Judges whether each service's role is kept out of the other's tables.
pub(super) async fn separate(cx: &Context) -> Judgement {
    let settings = &cx.profile().independence;
    let (Some(auth), Some(backend)) = (&settings.auth_database, &settings.backend_database) else {
        return Err(NotVerified::Lacks(Need::Databases).into());
    };
    let within = cx.profile().limits.request;
    cx.step("connecting as each service");
    let auth = Database::connect("auth service", auth, within).await?;
    let backend = Database::connect("backend", backend, within).await?;

    let meeting = auth.meets(&backend).await?;
    cx.step(match meeting {
        Meeting::Apart => "the services use different servers",
        Meeting::OneServer => "the services use different databases of one server",
        Meeting::OneDatabase => "the services use one database",
    });
    let (auth_tables, backend_tables) = (tables(&auth, "auth service").await?, tables(&backend, "backend").await?);
    if meeting == Meeting::Apart {
        // Nothing of one server can be reached by a role of another.
        cx.holds(true, Finding::Shared, "databases of their own", String::new, Evidence::default)?;
        return cx.conforms();
    }
    let (auth_role, backend_role) = (auth.role().await?, backend.role().await?);
    cx.step("the roles");
    for (role, from, other) in [(&auth_role, &auth, &backend_role), (&backend_role, &backend, &auth_role)] {
        let is_other = from.may_become(other).await?;
        let seen =
            || if role == other { format!("both are `{role}`") } else { format!("`{role}` may become `{other}`") };
        cx.holds(!is_other, Finding::Shared, "a role for each service", seen, Evidence::default)?;
    }
    if meeting == Meeting::OneDatabase {
        cx.step("the schemas");
        let schemas = |tables: &BTreeSet<Table>| -> BTreeSet<_> { tables.iter().map(|it| it.schema.clone()).collect() };
        let shared: Vec<_> = schemas(&auth_tables).intersection(&schemas(&backend_tables)).cloned().collect();
        let seen = || format!("both use tables of `{}`", shared.join("`, `"));
        cx.holds(shared.is_empty(), Finding::Shared, "a schema for each service", seen, Evidence::default)?;
    }
    cx.step("the auth service at the backend's tables");
    kept_out(cx, &auth, &backend, &backend_tables).await?;
    cx.step("the backend at the auth service's tables");
    kept_out(cx, &backend, &auth, &auth_tables).await?;
    cx.conforms()
}

/// The tables of a service: what its own role can use. Without any there is nothing to be kept from.
async fn tables(own: &Database, who: &str) -> Result<BTreeSet<Table>, Stop> {
    let tables = own.usable().await?;
    if tables.is_empty() {
        return Err(NotVerified::NotProvoked(format!("the {who}'s role can use no table of its database")).into());
    }
    Ok(tables)
}

/// A visitor's role must be refused: at the door of the database, or by the catalogue and by statements.
async fn kept_out(cx: &Context, visitor: &Database, owner: &Database, tables: &BTreeSet<Table>) -> Result<(), Stop> {
    let visit = match visitor.visit(owner).await {
        Ok(visit) => visit,
        Err(DatabaseFault::Refused { .. }) => {
            return cx.holds(true, Finding::Shared, "a refused connection", String::new, Evidence::default);
        }
        Err(fault) => return Err(fault.into()),
    };
    let usable: Vec<_> = visit.usable().await?.intersection(tables).map(ToString::to_string).collect();
    let seen = || format!("privileges on {}", usable.join(", "));
    cx.holds(usable.is_empty(), Finding::Shared, "no privilege on the other's tables", seen, Evidence::default)?;
    for table in tables.iter().take(TRIED) {
        // The owner may; so a refusal concerns the visitor.
        if !owner.may_read(table).await? {
            continue;
        }
        let may = (visit.may_read(table).await?, visit.may_delete(table).await?);
        let seen = || format!("reading {table}: {}, deleting: {}", may.0, may.1);
        cx.holds(may == (false, false), Finding::Accepted, "both statements refused", seen, Evidence::default)?;
    }
    Ok(())
}
