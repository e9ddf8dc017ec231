//! How many sockets one checker holds against one reference, and what each costs both: `cargo bench --bench sockets`,
//! with another number after `--`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use netra_check::model::CheckId;
use netra_check::profile::{LoadRequest, Profile, load};
use netra_check::target::{Recorder, Socket, Target, Upgraded};
use netra_check::wire::Contract;

/// Unless another number is asked for.
const SOCKETS: usize = 5_000;
/// Fewer than the reference permits.
const EACH_USER: usize = 8;
/// Users who enter at the same time.
const AT_ONCE: usize = 16;
/// For each wait.
const PATIENCE: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error>;

/// The reference in a process of its own, so that its memory is not ours.
struct Reference(Child);

impl Drop for Reference {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Reference {
    async fn start(profile: &Path) -> Result<Self, Failure> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netra-check"));
        command.args(["serve", "--profile-out"]).arg(profile).stdout(Stdio::null()).stderr(Stdio::null());
        let reference = Self(command.spawn()?);
        let began = Instant::now();
        // Written and renamed when it listens.
        while !profile.exists() {
            if began.elapsed() > PATIENCE {
                return Err("the reference did not start".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(reference)
    }
}

/// Resident memory of a process in KiB.
fn resident(process: &str) -> Result<u64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// A user's sockets, each welcomed.
async fn enter(target: &Target, recorder: &Recorder, user: usize, count: usize) -> Result<Vec<Socket>, Failure> {
    let login = target.login(recorder, user).await.map_err(|stop| format!("{stop:?}"))?;
    let mut sockets = Vec::new();
    for _ in 0..count {
        let upgrade = target.upgrade(recorder).token(&login.access).deadline(PATIENCE);
        match upgrade.open().await.map_err(|fault| fault.to_string())? {
            Upgraded::Switched(mut socket, _) => {
                socket.next(PATIENCE).await;
                sockets.push(socket);
            }
            Upgraded::Refused(answer) => return Err(format!("refused with HTTP {}", answer.status).into()),
        }
    }
    Ok(sockets)
}

async fn hold(profile: Profile, reference: &Reference, count: usize) -> Result<(), Failure> {
    let target = Target::new(Arc::new(profile), Contract::load("netra-v1")?, "1-bench", 1)?;
    let recorder = target.recorder(CheckId::new("bench/sockets"));
    let theirs = reference.0.id().to_string();
    // What the first socket brings with it is nobody's share.
    let first = enter(&target, &recorder, 0, 1).await?;
    let before = (resident("self")?, resident(&theirs)?);
    let began = Instant::now();
    let users = 1..=count.div_ceil(EACH_USER);
    let entering = users.map(|user| enter(&target, &recorder, user, EACH_USER.min(count)));
    let sockets: Vec<Vec<Socket>> = stream::iter(entering).buffer_unordered(AT_ONCE).try_collect().await?;
    let mut sockets: Vec<Socket> = sockets.into_iter().flatten().collect();
    let opened = began.elapsed();
    let after = (resident("self")?, resident(&theirs)?);

    let began = Instant::now();
    let mut dead = 0;
    for socket in &sockets {
        socket.ping(b"held").await;
    }
    for socket in &mut sockets {
        dead += usize::from(socket.pong(b"held", PATIENCE).await.is_none());
    }
    let held = sockets.len();
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / held as f64;
    println!(
        "{held} sockets in {:.1} s, all pinged in {:.1} s, {dead} without an answer",
        opened.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );
    println!("checker: {:.1} KiB a socket", each(before.0, after.0));
    println!("reference: {:.1} KiB a socket", each(before.1, after.1));
    drop(first);
    if dead > 0 { Err("a socket was not held".into()) } else { Ok(()) }
}

fn main() -> Result<(), Failure> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(SOCKETS);
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("profile.yaml");
    tokio::runtime::Runtime::new()?.block_on(async {
        let reference = Reference::start(&file).await?;
        let request = LoadRequest {
            name_or_path: &file.to_string_lossy(),
            sets: &[],
            overrides: None,
            env: &|_| None,
            directory: Path::new(""),
        };
        let profile = load(request).map_err(|problems| problems.render(false))?.profile;
        hold(profile, &reference, count).await
    })
}
