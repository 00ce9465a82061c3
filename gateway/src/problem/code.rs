//! The codes of problems and their HTTP statuses. Which has which is said where gRPC finds it too.

use actix_web::http::StatusCode;

pub(crate) use actors::edge::Code;

/// Codes as HTTP knows them.
pub(crate) trait HttpCode: Sized {
    /// The HTTP status that goes with it.
    fn status(self) -> StatusCode;

    /// The code for an error that the HTTP library made.
    fn of_status(status: StatusCode) -> Self;
}

impl HttpCode for Code {
    fn status(self) -> StatusCode {
        // Every number of the table is a status; a test looks at each.
        StatusCode::from_u16(self.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_status_of_the_table() {
        for code in Code::ALL {
            assert_eq!(code.status().as_u16(), code.http_status(), "{code:?}");
        }
    }

    #[test]
    fn what_the_http_library_refuses_stays_the_clients_fault() {
        assert_eq!(Code::of_status(StatusCode::BAD_REQUEST), Code::BadRequest);
        assert_eq!(Code::of_status(StatusCode::IM_A_TEAPOT), Code::BadRequest);
        assert_eq!(Code::of_status(StatusCode::BAD_GATEWAY), Code::Internal);
    }
}
