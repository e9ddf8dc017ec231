//! `netra-check serve`: the reference in the foreground.

use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::args::{ServeArgs, ServiceArg};
use super::{interrupt, usage};
use crate::local;
use crate::model::ExitCode;
use crate::profile::Environment;
use crate::reference::{Addresses, Conduct, Facts, Filter, Listeners, Peers, Policy, serve as serve_reference};
use crate::wire::Contract;

pub(super) fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let contract = match Contract::load(&args.contract) {
        Ok(contract) => Arc::new(contract),
        Err(error) => return usage(&error),
    };
    let mut policy = Policy::default();
    for id in args.defects.iter().chain(&args.variations) {
        if !policy.switch_on(id) {
            return usage(&format_args!("no defect or variation is called `{id}`: `netra-check prove` lists them"));
        }
    }
    for filter in &args.filters {
        match filter.parse::<Filter>() {
            Ok(filter) => policy.filters.push(filter),
            Err(error) => return usage(&error),
        }
    }
    let conduct = Conduct::new(args.seed, contract, policy);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(foreground(args, conduct))
}

async fn foreground(args: ServeArgs, conduct: Conduct) -> anyhow::Result<ExitCode> {
    let serves = |service| args.only.is_none_or(|only| only == service);
    let bind = async |wanted: bool, port: u16| -> anyhow::Result<Option<TcpListener>> {
        match wanted {
            true => Ok(Some(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?)),
            false => Ok(None),
        }
    };
    let listeners = Listeners {
        auth: bind(serves(ServiceArg::Auth), args.auth_port).await?,
        backend: bind(serves(ServiceArg::Backend), args.backend_port).await?,
        frontend: bind(serves(ServiceArg::Frontend), args.frontend_port).await?,
        provider: bind(serves(ServiceArg::Auth), 0).await?,
        control: bind(args.only.is_none(), 0).await?,
    };
    let peers = Peers { auth: args.auth_url.clone(), backend: args.backend_url.clone(), ..Peers::default() };
    let addresses = Addresses::of(&listeners, &peers, &conduct)?;
    let facts = Facts::new(&conduct, addresses);
    if let Some(path) = &args.profile_out {
        write_profile(path, &local::overrides(&facts, Environment::Test, &conduct_of(&args)))?;
    }
    tell(&facts, args.profile_out.as_deref())?;

    let shutdown = CancellationToken::new();
    let _guard = interrupt::cancel_on_signal(shutdown.clone())?;
    serve_reference(listeners, peers, conduct, shutdown).await?;
    Ok(ExitCode::Conforms)
}

/// The arguments that give a launched service the same conduct.
fn conduct_of(args: &ServeArgs) -> Vec<String> {
    let switches = [("--defect", &args.defects), ("--variation", &args.variations), ("--filter", &args.filters)];
    let switches = switches.into_iter().flat_map(|(flag, ids)| ids.iter().map(move |id| [flag.to_owned(), id.clone()]));
    [["--seed".to_owned(), args.seed.to_string()]].into_iter().chain(switches).flatten().collect()
}

/// Writes a profile that inherits `local` and points at what is served. It holds secrets.
fn write_profile(path: &Path, layer: &crate::profile::Overrides) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut aside = tempfile::NamedTempFile::new_in(directory)?;
    aside.write_all(layer.to_yaml("local").as_bytes())?;
    aside.persist(path)?;
    Ok(())
}

fn tell(facts: &Facts, profile: Option<&Path>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let urls = &facts.urls;
    let rows =
        [("auth", &urls.auth), ("backend", &urls.backend), ("frontend", &urls.frontend), ("control", &urls.control)];
    for (name, url) in rows {
        if let Some(url) = url {
            writeln!(out, "{name:9} {url}")?;
        }
    }
    if let Some(profile) = profile {
        writeln!(out, "profile   {}", profile.display())?;
    }
    writeln!(out, "serving until Ctrl-C")?;
    out.flush()
}
