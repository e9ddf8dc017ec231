//! `netra-check serve`: the reference in the foreground.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::args::{ServeArgs, ServiceArg};
use super::{interrupt, usage};
use crate::local::{self, Issued, TlsFiles};
use crate::model::ExitCode;
use crate::profile::Environment;
use crate::reference::{Addresses, Conduct, Facts, Filter, Listeners, Peers, Policy, serve as serve_reference};
use crate::target::Link;
use crate::wire::Contract;

pub(super) fn serve(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let contract = match Contract::load(&args.contract) {
        Ok(contract) => contract,
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
    let mut conduct = Conduct::new(args.seed, contract, policy);
    conduct.production = args.production;
    conduct.gateway = match args.require_header.as_deref().map(str::parse).transpose() {
        Ok(gateway) => gateway,
        Err(error) => return usage(&error),
    };
    if !args.bind.is_loopback() {
        return usage(&format_args!(
            "{} is not on loopback: the keys of the reference are known to everyone, so it is served to this machine only",
            args.bind
        ));
    }
    let files = match (args.tls, authority_file(&args)) {
        (false, _) => None,
        (true, Some(path)) => {
            let issued = Issued::new(args.require_client_cert)?;
            let files = issued.write(&path).with_context(|| format!("cannot write beside {}", path.display()))?;
            conduct.tls = Some(Arc::new(issued.identity));
            Some(files)
        }
        (true, None) => {
            return usage(
                &"nobody could trust the authority of --tls: say where its certificate goes, with \
                --ca-out PATH or beside --profile-out PATH",
            );
        }
    };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(foreground(args, conduct, files))
}

/// Where the authority's certificate goes.
fn authority_file(args: &ServeArgs) -> Option<PathBuf> {
    let beside = args.profile_out.as_ref().map(|profile| profile.with_extension("ca.pem"));
    args.ca_out.clone().or(beside)
}

async fn foreground(args: ServeArgs, conduct: Conduct, files: Option<TlsFiles>) -> anyhow::Result<ExitCode> {
    let serves = |service| args.only.is_none_or(|only| only == service);
    let bind = async |wanted: bool, port: u16| -> anyhow::Result<Option<TcpListener>> {
        match wanted {
            true => {
                let place = (args.bind, port);
                let listener = TcpListener::bind(place).await;
                Ok(Some(listener.with_context(|| format!("cannot listen on {} port {port}", args.bind))?))
            }
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
    let mut peers = Peers { auth: args.auth_url.clone(), backend: args.backend_url.clone(), ..Peers::default() };
    let links = links(&args, &listeners, &mut peers).await?;
    let addresses = Addresses::of(&listeners, &peers, &conduct)?;
    let facts = Facts::new(&conduct, addresses);
    if let Some(path) = &args.profile_out {
        let environment = if args.production { Environment::Production } else { Environment::Test };
        let mut layer = local::overrides(&facts, environment, &conduct_of(&args));
        layer = match Path::new(&args.contract) {
            // The profile may be read elsewhere.
            path if path.exists() => layer.set("contract", path.canonicalize()?.to_string_lossy().into_owned()),
            _ => layer.set("contract", args.contract.clone()),
        };
        if let Some(files) = &files {
            layer = files.named_in(path)?.told(layer);
        }
        if let Some(gateway) = conduct.gateway.as_ref().filter(|_| args.profile_with_header) {
            let (name, value) = gateway.pair();
            layer = layer.set(&format!("headers.{name}"), value);
        }
        write_profile(path, &layer)?;
    }
    tell(&facts, files.as_ref(), args.profile_out.as_deref())?;

    let shutdown = CancellationToken::new();
    let _guard = interrupt::cancel_on_signal(shutdown.clone())?;
    serve_reference(listeners, peers, conduct, shutdown).await?;
    for link in links {
        link.close().await;
    }
    Ok(ExitCode::Conforms)
}

/// A long way to each service, where one is asked for: everybody asks at its beginning, the services each other, too.
async fn links(args: &ServeArgs, listeners: &Listeners, peers: &mut Peers) -> anyhow::Result<Vec<Link>> {
    let mut links = Vec::new();
    if args.delay == 0 && args.jitter == 0 {
        return Ok(links);
    }
    let scheme = if args.tls { "https" } else { "http" };
    let services = [
        (&listeners.auth, &mut peers.auth),
        (&listeners.backend, &mut peers.backend),
        (&listeners.frontend, &mut peers.frontend),
        (&listeners.provider, &mut peers.provider),
    ];
    for (listener, peer) in services {
        let Some(listener) = listener else { continue };
        let link = Link::to(listener.local_addr()?)
            .delay(Duration::from_millis(args.delay))
            .jitter(Duration::from_millis(args.jitter))
            .open();
        let link = link.await.map_err(|_| anyhow::anyhow!("no port is left for --delay"))?;
        *peer = Some(Url::parse(&format!("{scheme}://{}", link.address()))?);
        links.push(link);
    }
    Ok(links)
}

/// The arguments that give a launched service the same conduct.
fn conduct_of(args: &ServeArgs) -> Vec<String> {
    // Launched services stand beside each other on loopback: without TLS and gateway.
    let switches = [("--defect", &args.defects), ("--variation", &args.variations), ("--filter", &args.filters)];
    let switches = switches.into_iter().flat_map(|(flag, ids)| ids.iter().map(move |id| [flag.to_owned(), id.clone()]));
    let production = args.production.then(|| "--production".to_owned());
    let seed = [["--seed".to_owned(), args.seed.to_string()]];
    seed.into_iter().chain(switches).flatten().chain(production).collect()
}

/// Writes a profile that inherits `local` and points at what is served. It holds secrets.
fn write_profile(path: &Path, layer: &crate::profile::Overrides) -> anyhow::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut aside = tempfile::NamedTempFile::new_in(directory)?;
    aside.write_all(layer.to_yaml("local").as_bytes())?;
    aside.persist(path)?;
    Ok(())
}

fn tell(facts: &Facts, files: Option<&TlsFiles>, profile: Option<&Path>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let urls = &facts.urls;
    let rows =
        [("auth", &urls.auth), ("backend", &urls.backend), ("frontend", &urls.frontend), ("control", &urls.control)];
    for (name, url) in rows {
        if let Some(url) = url {
            writeln!(out, "{name:9} {url}")?;
        }
    }
    if let Some(files) = files {
        writeln!(out, "authority {}", files.authority.display())?;
        if let Some((certificate, key)) = &files.client {
            writeln!(out, "client    {} with {}", certificate.display(), key.display())?;
        }
    }
    if let Some(profile) = profile {
        writeln!(out, "profile   {}", profile.display())?;
    }
    writeln!(out, "serving until Ctrl-C")?;
    out.flush()
}
