//! New migrations make the crate build anew: `sqlx::migrate!` alone only notices changes of those it knows.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
