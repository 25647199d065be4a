//! Times: RFC 3339 for people, Unix seconds for the protocol.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Reads an RFC 3339 time that is not before 1970.
pub(crate) fn parse_time(text: &str) -> Result<u64, String> {
    let refused = || format!("\"{text}\" is not a time such as 2030-01-31T12:00:00Z (RFC 3339)");
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| refused())?;
    u64::try_from(time.unix_timestamp()).map_err(|_| refused())
}

/// Writes Unix seconds as RFC 3339; a time beyond the calendar as the number that it is.
pub(crate) fn show_time(unix_s: u64) -> String {
    i64::try_from(unix_s)
        .ok()
        .and_then(|unix_s| OffsetDateTime::from_unix_timestamp(unix_s).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| unix_s.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back() {
        assert_eq!(parse_time("2030-01-31T12:00:00Z"), Ok(1_896_091_200));
        assert_eq!(parse_time("2030-01-31T14:00:00+02:00"), Ok(1_896_091_200));
        assert_eq!(show_time(1_896_091_200), "2030-01-31T12:00:00Z");
        assert_eq!(show_time(u64::MAX), u64::MAX.to_string());
        for text in ["tomorrow", "2030-01-31", "1969-01-31T12:00:00Z", ""] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
