//! Names for what something is now (RFC 9110 8.8.3), and what callers know of it (13.1).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use cassmail_mail::hex;
use sha2::{Digest, Sha256};

use crate::problem::Problem;

/// What something is now, named by a digest of what is shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ETag(String);

impl ETag {
    pub(crate) fn of(shown: &[u8]) -> Self {
        let digest = Sha256::digest(shown);
        Self(format!("\"{}\"", hex(&digest[..16])))
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }

    /// Whether one of a list is this one; weak ones are compared weakly.
    fn is_among(&self, list: &str) -> bool {
        let mut tags = list.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.0)
    }
}

/// Whether the caller of a GET has this already.
pub(crate) fn is_known(headers: &HeaderMap, now: &ETag) -> bool {
    text(headers, &header::IF_NONE_MATCH).is_some_and(|list| now.is_among(&list))
}

/// Refuses a change of what is no longer what the caller thinks.
pub(crate) fn check(headers: &HeaderMap, now: Option<&ETag>) -> Result<(), Problem> {
    if let Some(expected) = text(headers, &header::IF_MATCH) {
        // Weak ones never match here (RFC 9110 13.1.1).
        let strong: Vec<_> = expected
            .split(',')
            .filter(|tag| !tag.trim().starts_with("W/"))
            .collect();
        if !now.is_some_and(|now| now.is_among(&strong.join(","))) {
            return Err(changed(
                "it is no longer what If-Match says; nothing was changed",
            ));
        }
    }
    if let Some(unexpected) = text(headers, &header::IF_NONE_MATCH)
        && now.is_some_and(|now| now.is_among(&unexpected))
    {
        return Err(changed(
            "it is there already, and If-None-Match does not want that",
        ));
    }
    Ok(())
}

fn changed(text: &str) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, text)
}

/// All fields of a name, as one list.
fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let mut fields = headers.get_all(name).iter().peekable();
    fields.peek()?;
    let texts: Vec<_> = fields.map(|field| field.to_str().unwrap_or("")).collect();
    Some(texts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn refused(name: header::HeaderName, value: &str, now: Option<&ETag>) -> bool {
        check(&headers(name, value), now).is_err()
    }

    #[test]
    fn a_change_of_something_else_is_refused() {
        let (one, other) = (ETag::of(b"one"), ETag::of(b"other"));
        let if_match = header::IF_MATCH;
        assert!(!refused(if_match.clone(), &one.0, Some(&one)));
        assert!(!refused(
            if_match.clone(),
            &format!("\"x\" , {}", one.0),
            Some(&one)
        ));
        assert!(!refused(if_match.clone(), "*", Some(&one)));
        assert!(refused(if_match.clone(), &one.0, Some(&other)));
        assert!(refused(
            if_match.clone(),
            &format!("W/{}", one.0),
            Some(&one)
        ));
        assert!(refused(if_match.clone(), &one.0, None));
        assert!(refused(if_match, "*", None));
        assert!(check(&HeaderMap::new(), None).is_ok());
    }

    #[test]
    fn what_must_not_be_there_is_refused_if_it_is() {
        let one = ETag::of(b"one");
        assert!(refused(header::IF_NONE_MATCH, "*", Some(&one)));
        assert!(!refused(header::IF_NONE_MATCH, "*", None));
        assert!(is_known(
            &headers(header::IF_NONE_MATCH, &format!("W/{}", one.0)),
            &one
        ));
        assert!(!is_known(&headers(header::IF_NONE_MATCH, "\"x\""), &one));
        assert!(!is_known(&HeaderMap::new(), &one));
    }
}
