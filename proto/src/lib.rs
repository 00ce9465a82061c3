//! What goes over the wire and into the journals: protobuf messages, gRPC services, and their way to the domain's
//! types and back.
//!
//! The messages are in [`v1`], generated from `proto/`. [`encode`] and [`decode`] turn a domain event into the bytes
//! that live for years and back; the other modules hold the conversions of each part of the domain. Nothing that is
//! read here is trusted: whatever comes out of [`decode`] or a `TryFrom` obeys the domain's rules, and no input panics.
//!
//! Deliberately absent: transport, shards, and which bytes go where.

mod common;
mod events;
pub mod internal;
mod notifications;
mod orders;
mod parking;
mod products;
#[cfg(test)]
mod test_support;
mod users;

pub use common::{InvalidField, PIECES_MAX, TOTAL_MAX};
pub use events::{DecodeError, EVENT_TYPES, decode, encode, event_type, types};

/// The messages, clients and servers of package `stampede.v1`. What they mean is said in the `.proto` files.
pub mod v1 {
    #![allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all)]
    tonic::include_proto!("stampede.v1");
}

/// The messages of package `stampede.archive.v1`: what the files of an archive are made of.
pub mod archive {
    #![allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all)]
    tonic::include_proto!("stampede.archive.v1");
}

/// The descriptors of all services and messages, which the reflection service answers from.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("stampede_descriptor");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptors_name_every_service() {
        for service in [
            v1::auth_service_server::SERVICE_NAME,
            v1::product_service_server::SERVICE_NAME,
            v1::order_service_server::SERVICE_NAME,
            v1::notification_service_server::SERVICE_NAME,
            v1::log_service_server::SERVICE_NAME,
        ] {
            let name = service.strip_prefix("stampede.v1.").unwrap_or(service);
            assert_ne!(name, service, "every service is in the package");
            let is_named = FILE_DESCRIPTOR_SET
                .windows(name.len())
                .any(|bytes| bytes == name.as_bytes());
            assert!(is_named, "{service}");
        }
    }
}
