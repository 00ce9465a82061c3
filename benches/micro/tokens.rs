//! Who presents a token.

use std::hint::black_box;

use actors::auth::{ACCESS_TOKEN_LIFETIME, Audience, TokenIssuer, new_signing_key};
use criterion::{BatchSize, Criterion};
use domain::{
    UserId,
    users::{Role, User},
};

use crate::sample::NOW;

/// A signature that is checked, and one that was checked before.
pub(crate) fn measure(criterion: &mut Criterion) {
    let pem = new_signing_key().unwrap();
    let issuer = TokenIssuer::new(&pem).unwrap();
    let user = User {
        id: UserId::new(7).unwrap(),
        username: "load-0123abcd-7".parse().unwrap(),
        email: None,
        role: Role::Customer,
        sessions: Vec::new(),
        created_at: NOW,
        updated_at: NOW,
    };
    let issue = |issuer: &TokenIssuer| {
        issuer
            .issue(&user, Audience::Api, NOW, ACCESS_TOKEN_LIFETIME)
            .unwrap()
    };
    let token = issue(&issuer);
    let mut group = criterion.benchmark_group("token");
    group.bench_function("issue", |bencher| bencher.iter(|| issue(&issuer)));
    group.bench_function("verify, remembered", |bencher| {
        bencher.iter(|| issuer.verify(black_box(&token), Audience::Api, NOW));
    });
    group.bench_function("verify, not remembered", |bencher| {
        bencher.iter_batched(
            // One that has seen no token yet.
            || TokenIssuer::new(&pem).unwrap(),
            |issuer| {
                issuer
                    .verify(black_box(&token), Audience::Api, NOW)
                    .unwrap();
                issuer
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}
