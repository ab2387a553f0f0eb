//! The end of a certificate's validity, read out of its DER form (RFC 5280 4.1).
//!
//! Only that: whether a certificate may be believed is for those to judge who see it.

use super::der::{Element, SEQUENCE};

const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Seconds since 1970 at which the certificate ends to be valid; none when it cannot be read.
pub(super) fn not_after(certificate: &[u8]) -> Option<u64> {
    let (certificate, _) = Element::read(certificate)?;
    let (body, _) = Element::read(certificate.inside(SEQUENCE)?)?;
    let (first, mut rest) = Element::read(body.inside(SEQUENCE)?)?;
    if first.tag == VERSION {
        rest = Element::read(rest)?.1;
    }
    // Behind the serial number: the algorithm, the issuer, the validity.
    let (_, rest) = Element::read(rest)?;
    let (_, rest) = Element::read(rest)?;
    let (validity, _) = Element::read(rest)?;
    let (_, rest) = Element::read(validity.inside(SEQUENCE)?)?;
    let (end, _) = Element::read(rest)?;
    time(&end)
}

/// `YYMMDDHHMMSSZ` up to 2049 (RFC 5280 4.1.2.5.1), else `YYYYMMDDHHMMSSZ` (4.1.2.5.2).
fn time(element: &Element<'_>) -> Option<u64> {
    let text = std::str::from_utf8(element.content)
        .ok()?
        .strip_suffix('Z')?;
    let (year, rest) = match element.tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 } else { 1900 } + year, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let mut rest = rest;
    let mut next = || -> Option<u64> {
        let (number, behind) = rest.split_at_checked(2)?;
        rest = behind;
        number.parse().ok()
    };
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Counts in years that begin with March, so that a leap day is a year's last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    const MARCH_OF_YEAR_ZERO_TO_1970: u64 = 719_468;
    let year = if month < 3 { year - 1 } else { year };
    let month_since_march = (month + 9) % 12;
    let days_of_months = (153 * month_since_march + 2) / 5;
    let leap_days = year / 4 - year / 100 + year / 400;
    365 * year + leap_days + days_of_months + day - 1 - MARCH_OF_YEAR_ZERO_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tag: u8, text: &str) -> Option<u64> {
        time(&Element {
            tag,
            content: text.as_bytes(),
        })
    }

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(seconds(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(UTC_TIME, "000229120000Z"), Some(951_825_600));
        assert_eq!(seconds(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(
            seconds(GENERALIZED_TIME, "20500101000000Z"),
            Some(2_524_608_000)
        );
        assert_eq!(
            seconds(GENERALIZED_TIME, "20240301000000Z"),
            Some(1_709_251_200)
        );
        assert_eq!(seconds(UTC_TIME, "700001000000Z"), None);
        assert_eq!(seconds(UTC_TIME, "7001010000Z"), None);
        assert_eq!(seconds(GENERALIZED_TIME, "\u{e9}70101000000Z"), None);
    }

    #[test]
    fn a_real_certificate_tells_its_end() {
        let mut parameters = rcgen::CertificateParams::new(vec!["mx.example".into()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2031, 5, 6);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        assert_eq!(not_after(certificate.der()), Some(1_935_792_000));
    }

    #[test]
    fn a_certificate_cut_anywhere_is_not_read() {
        let key = rcgen::generate_simple_self_signed(vec!["mx.example".into()]).unwrap();
        let der = key.cert.der();
        assert!(not_after(der).is_some());
        for cut in 0..der.len() {
            assert_eq!(not_after(&der[..cut]), None);
        }
    }
}
