//! What is sent and received: shapes of their own, so that neither the API nor the domain binds the other.
//!
//! What is sent has `From` the domain's type; what is received says how it is read (`FromBody`, `FromQuery`) beside the
//! schema that documents it. Ids are JSON integers, money is `{amount,currency}` in minor units, times are RFC 3339 in
//! UTC with milliseconds.

pub(crate) mod auth;
pub(crate) mod faults;
pub(crate) mod history;
pub(crate) mod legacy;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod money;
pub(crate) mod new_order;
pub(crate) mod notifications;
pub(crate) mod orders;
pub(crate) mod products;
pub(crate) mod schema;
pub(crate) mod system;
pub(crate) mod time;

pub(crate) use list::List;
pub(crate) use money::Money;
pub(crate) use orders::Refusal;
pub(crate) use system::Readiness;
pub(crate) use time::Time;
