//! Schemas that are written by hand.

use utoipa::openapi::{Object, ObjectBuilder, schema::Type};

/// A text that is one of these.
pub(crate) fn one_of(description: &str, names: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(names))
        .build()
}
