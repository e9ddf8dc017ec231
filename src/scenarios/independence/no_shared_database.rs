#[cfg(feature = "database")]
use super::databases::separate;
use crate::check;
use crate::check::Check;
use crate::model::Need;
#[cfg(not(feature = "database"))]
use crate::{
    check::Context,
    model::{Judgement, NotVerified},
};

pub(super) static CHECK: Check = check!("independence/no-shared-database", separate).needs(&[Need::Databases]);

#[cfg(not(feature = "database"))]
async fn separate(_: &Context) -> Judgement {
    Err(NotVerified::NotProvoked("this build has no PostgreSQL client (feature `database`)".into()).into())
}
