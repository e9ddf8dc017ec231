use futures_util::future::try_join_all;

use super::surfaces::{self, Surface, Told, Verdict};
use crate::check;
use crate::check::{Check, Context};
use crate::model::{Blame, Finding, Inconclusive, Judgement, Need, NotVerified, Stop};
use crate::target::{Forged, Login, Token};

pub(super) static CHECK: Check = check!("auth-sync/refusals-agree", run);

/// Fewer bad tokens than this compare nothing.
const LEAST: usize = 3;
/// Of forgeries that differ in the secret or spelling only, so many are shown.
const ALIKE: usize = 2;

/// What each surface says of one token, all asked at once.
struct Row {
    token: String,
    told: Vec<Told>,
}

async fn run(cx: &Context) -> Judgement {
    let login = cx.login().await?;
    let tokens = bad_tokens(cx, &login).await?;
    if tokens.len() < LEAST {
        let what = format!("the profile can make {} bad tokens, {LEAST} are needed to compare", tokens.len());
        return Err(NotVerified::NotProvoked(what).into());
    }
    let surfaces = Surface::all(cx);
    control(cx, &surfaces, &login.access).await?;
    let mut rows = Vec::new();
    for Forged { step, token } in tokens {
        cx.step(&step);
        rows.push(row(cx, &surfaces, step, &token).await?);
    }
    control(cx, &surfaces, &login.access).await?;
    table(&surfaces, &rows).into_iter().for_each(|line| cx.figure(line));
    for row in &rows {
        cx.step(&row.token);
        agrees(cx, &surfaces, row)?;
    }
    cx.conforms()
}

/// Every kind of bad token that scenario 1 knows and this profile can make.
async fn bad_tokens(cx: &Context, login: &Login) -> Result<Vec<Forged>, Stop> {
    let (good, workshop) = (&login.access, cx.workshop());
    let mut tokens = workshop.tampered(good, good);
    tokens.extend(workshop.unsigned(good).into_iter().take(ALIKE));
    tokens.extend(workshop.foreign_key(good).into_iter().take(ALIKE));
    let mut add = |step: &str, token: Token| tokens.push(Forged { step: step.into(), token });
    if let Some(refresh) = &login.refresh {
        add("the refresh token", refresh.clone());
    }
    if cx.has(Need::Sign) {
        let now = cx.target().clock(cx.recorder()).await?;
        add("expired", workshop.expired(good, now, cx.config().clock_leeway_s)?.1);
        add("unknown crit", workshop.unknown_crit(good)?.1);
        tokens.extend(workshop.wrong_claims(good, now)?);
    }
    Ok(tokens)
}

async fn row(cx: &Context, surfaces: &[Surface], token: String, shown: &Token) -> Result<Row, Stop> {
    let told = try_join_all(surfaces.iter().map(|surface| surfaces::show(cx, *surface, shown, false))).await?;
    Ok(Row { token, told })
}

/// The good token is accepted on each surface: what is refused there is the token.
async fn control(cx: &Context, surfaces: &[Surface], good: &Token) -> Result<(), Stop> {
    cx.step("control: the good token");
    let row = row(cx, surfaces, String::new(), good).await?;
    match surfaces.iter().zip(row.told).find(|(_, told)| told.verdict != Verdict::Accepted) {
        None => Ok(()),
        Some((surface, told)) => {
            let what = format!("control failed: `{surface}` says {} to a good token", told.verdict);
            Err(Inconclusive::new(Blame::Target, what).with(told.evidence).into())
        }
    }
}

/// One line a token, one column a surface.
fn table(surfaces: &[Surface], rows: &[Row]) -> Vec<String> {
    let first = rows.iter().map(|row| row.token.chars().count()).max().unwrap_or_default();
    let line = |token: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<_> = cells.map(|cell| format!("{cell:<14}")).collect();
        format!("{token:<first$}  {}", cells.join("  ")).trim_end().to_owned()
    };
    let head = line("", &mut surfaces.iter().map(ToString::to_string));
    let body = rows.iter().map(|row| line(&row.token, &mut row.told.iter().map(|told| told.verdict.to_string())));
    [head].into_iter().chain(body).collect()
}

fn agrees(cx: &Context, surfaces: &[Surface], row: &Row) -> Result<(), Stop> {
    let refused = |told: &Told| matches!(told.verdict, Verdict::Refused(_) | Verdict::Untold(_));
    let told = || surfaces.iter().zip(&row.told);
    // The auth service's word comes first: the others have it from there.
    let due = row.told.iter().find_map(|told| match &told.verdict {
        Verdict::Refused(code) => Some(code),
        _ => None,
    });
    let differs = |told: &Told| due.is_some_and(|due| !told.verdict.refuses_with(due));
    let odd = told().find(|(_, told)| !refused(told)).or_else(|| told().find(|(_, told)| differs(told)));
    let evidence = || odd.map(|(_, told)| told.evidence.clone()).unwrap_or_default();
    let finding = odd.map_or(Finding::WrongCode, |(_, told)| told.verdict.finding());
    let expected = match due {
        Some(code) => format!("{code} on every surface"),
        None => "refused on every surface".into(),
    };
    let seen = || odd.map_or_else(String::new, |(surface, told)| format!("{} at `{surface}`", told.verdict));
    cx.holds(odd.is_none(), finding, expected, seen, evidence)
}
