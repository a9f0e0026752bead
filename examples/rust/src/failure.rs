use std::fmt;
use std::time::Duration;

use tonic::Status;
use tonic_types::{FieldViolation, StatusExt};

use crate::twinpost::{Delivered, ErrorReason, RecordError};

/// What twinpost tells of a call, or of one record, that did not succeed.
#[derive(Debug)]
pub struct Failure {
    /// The name of an ErrorReason, or of a gRPC code where the error is not the gateway's own.
    pub reason: String,
    pub message: String,
    pub retriable: bool,
    /// `no` (not in the log), `unknown` (it may be) or `partial` (some records are).
    pub delivered: String,
    pub retry_delay: Duration,
    pub violations: Vec<FieldViolation>,
}

impl Failure {
    /// What programs decide by.
    pub fn known(&self) -> String {
        let Self {
            reason,
            retriable,
            delivered,
            ..
        } = self;
        format!("{reason} (retriable: {retriable}, delivered: {delivered})")
    }
}

/// Reads the details of a gRPC error. An error without any comes from this client, or from something on the way to the
/// gateway, and says nothing of the records.
impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let mut failure = Self {
            reason: format!("{:?}", status.code()),
            message: status.message().to_owned(),
            retriable: false,
            delivered: "unknown".to_owned(),
            retry_delay: Duration::from_secs(1),
            violations: Vec::new(),
        };
        let details = status.get_error_details();
        if let Some(info) = details
            .error_info()
            .filter(|info| info.domain == "twinpost")
        {
            failure.reason.clone_from(&info.reason);
            failure.retriable = info
                .metadata
                .get("retriable")
                .is_some_and(|text| text == "true");
            if let Some(delivered) = info.metadata.get("delivered") {
                failure.delivered.clone_from(delivered);
            }
        }
        if let Some(bad_request) = details.bad_request() {
            failure.violations.clone_from(&bad_request.field_violations);
        }
        if let Some(delay) = details.retry_info().and_then(|info| info.retry_delay) {
            failure.retry_delay = delay;
        }
        failure
    }
}

/// Reads the error of one record in an answer that is otherwise OK.
impl From<&RecordError> for Failure {
    fn from(error: &RecordError) -> Self {
        let reason = ErrorReason::try_from(error.reason)
            .unwrap_or_default()
            .as_str_name();
        let delivered = Delivered::try_from(error.delivered)
            .unwrap_or_default()
            .as_str_name();
        Self {
            reason: reason.trim_start_matches("ERROR_REASON_").to_owned(),
            message: error.message.clone(),
            retriable: error.retriable,
            delivered: delivered.trim_start_matches("DELIVERED_").to_lowercase(),
            retry_delay: Duration::from_secs(1),
            violations: Vec::new(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.known(), self.message)
    }
}

impl std::error::Error for Failure {}
