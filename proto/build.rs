//! Generates the messages, clients and servers from `proto/`, without a protoc, and keeps the descriptor set that the
//! reflection service answers from.

use std::{env, error::Error, fs, path::Path};

use prost::Message;

/// How nodes reach each other: not for the reflection service.
const INTERNAL: &str = "proto/stampede/internal/v1/shard.proto";
/// Files of an archive: not for the reflection service either.
const ARCHIVE: &str = "proto/stampede/archive/v1/archive.proto";
const PACKAGE: &str = "proto/stampede/v1";
const FILES: [&str; 7] = [
    "auth.proto",
    "common.proto",
    "events.proto",
    "log.proto",
    "notification.proto",
    "order.proto",
    "product.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=build.rs");
    let public = FILES.map(|file| format!("{PACKAGE}/{file}"));
    let descriptors = protox::compile(&public, ["proto"])?;
    let out_dir = env::var("OUT_DIR")?;
    fs::write(
        Path::new(&out_dir).join("stampede_descriptor.bin"),
        descriptors.encode_to_vec(),
    )?;
    let mut files = public.to_vec();
    files.extend([INTERNAL.to_owned(), ARCHIVE.to_owned()]);
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .compile_fds(protox::compile(files, ["proto"])?)?;
    Ok(())
}
