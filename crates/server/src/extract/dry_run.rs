//! Whether a request is to be checked only.

use http::HeaderMap;

use crate::error::ApiError;

/// Whether it is. Anything but `true` and `false` is refused: to do what somebody wanted checked is the worst guess.
pub(crate) fn is_dry_run(headers: &HeaderMap) -> Result<bool, ApiError> {
    let mut is_dry_run = false;
    for value in headers.get_all("x-dry-run") {
        if value.as_bytes().eq_ignore_ascii_case(b"true") {
            is_dry_run = true;
        } else if !value.as_bytes().eq_ignore_ascii_case(b"false") {
            let message = "X-Dry-Run must be true or false; nothing was done";
            return Err(ApiError::BadRequest(message.to_owned()));
        }
    }
    Ok(is_dry_run)
}
