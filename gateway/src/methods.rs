//! Which methods a path takes, as the OpenAPI document says, for answers 405 and to OPTIONS.

use utoipa::openapi::{OpenApi, PathItem};

/// The documented paths and their methods.
pub(crate) struct Methods(Vec<(Vec<Segment>, String)>);

enum Segment {
    Text(String),
    /// `{id}` and the like.
    Parameter,
}

impl Methods {
    /// Those of a document.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter();
        Self(
            paths
                .map(|(path, item)| (segments(path), allow(item)))
                .collect(),
        )
    }

    /// What `Allow` says about this path; `None` if there is no such path.
    pub(crate) fn at(&self, path: &str) -> Option<&str> {
        let (_, allow) = self
            .0
            .iter()
            .find(|(segments, _)| matches(segments, path))?;
        Some(allow)
    }
}

fn segments(path: &str) -> Vec<Segment> {
    path.split('/')
        .map(|segment| {
            if segment.starts_with('{') {
                Segment::Parameter
            } else {
                Segment::Text(segment.to_owned())
            }
        })
        .collect()
}

fn matches(segments: &[Segment], path: &str) -> bool {
    let mut parts = path.split('/');
    let all_match = segments
        .iter()
        .all(|segment| match (segment, parts.next()) {
            (Segment::Text(text), Some(part)) => text == part,
            (Segment::Parameter, Some(part)) => !part.is_empty(),
            (_, None) => false,
        });
    all_match && parts.next().is_none()
}

fn allow(item: &PathItem) -> String {
    let operations = [
        ("GET, HEAD", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    let mut methods: Vec<&str> = operations
        .into_iter()
        .filter(|(_, operation)| operation.is_some())
        .map(|(method, _)| method)
        .collect();
    methods.push("OPTIONS");
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_path_is_found_with_its_parameters() {
        let methods = Methods::of(&crate::openapi());
        assert_eq!(methods.at("/v1/orders"), Some("GET, HEAD, POST, OPTIONS"));
        assert_eq!(methods.at("/v1/orders/17"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(
            methods.at("/v1/products/x"),
            Some("GET, HEAD, PATCH, OPTIONS")
        );
        assert_eq!(methods.at("/v1/orders/17/cancel"), Some("POST, OPTIONS"));
        for path in [
            "/",
            "/v1",
            "/v1/orders/",
            "/v1/orders/17/",
            "/v1/orders/17/ship",
            "//v1/orders",
        ] {
            assert_eq!(methods.at(path), None, "{path}");
        }
    }
}
