//! What may differ between a message that was sent and the one that is fetched.
//!
//! Final delivery writes in front, in this order and nothing else: one `Return-Path`, one
//! `Delivered-To`, one `Received` (RFC 5321 4.4). Below them an MX changes no octet, and submission
//! adds only those of `Message-ID`, `Date` and `From` that are missing.

/// Checks a message that came in by the MX port.
///
/// # Errors
///
/// With what differs, for people.
pub fn unchanged(sent: &[u8], fetched: &[u8]) -> Result<(), String> {
    let trace = fetched
        .strip_suffix(sent)
        .ok_or_else(|| difference(sent, below_trace(fetched)))?;
    only_trace(trace)
}

/// Checks a message that came in by submission.
///
/// # Errors
///
/// With what differs, for people.
pub fn submitted(sent: &[u8], fetched: &[u8]) -> Result<(), String> {
    let missing = missing_fields(sent);
    if missing.is_empty() {
        return unchanged(sent, fetched);
    }
    // The added fields stand in front of the header or at its end.
    [0, header_end(sent)]
        .into_iter()
        .find_map(|at| added_at(sent, fetched, at))
        .ok_or_else(|| difference(sent, below_trace(fetched)))
        .and_then(|added| only_fields(&added, &missing))
}

/// Says where two texts differ first, with some of what is there in each.
pub fn difference(wanted: &[u8], came: &[u8]) -> String {
    let at = wanted
        .iter()
        .zip(came)
        .take_while(|(one, other)| one == other)
        .count();
    let excerpt = |octets: &[u8]| {
        let start = at.saturating_sub(40).min(octets.len());
        let end = (at + 80).min(octets.len());
        octets[start..end].escape_ascii().to_string()
    };
    format!(
        "differs at octet {at} (wanted {}, came {}):\n  wanted {}\n  came   {}",
        wanted.len(),
        came.len(),
        excerpt(wanted),
        excerpt(came)
    )
}

/// What is below the trace fields.
pub fn below_trace(fetched: &[u8]) -> &[u8] {
    field_ends(fetched)
        .get(2)
        .map_or(fetched, |end| &fetched[*end..])
}

fn only_trace(trace: &[u8]) -> Result<(), String> {
    let names: Vec<String> = fields(trace).iter().map(|field| name(field)).collect();
    if names == ["return-path", "delivered-to", "received"] && trace.ends_with(b"\r\n") {
        return Ok(());
    }
    Err(format!("in front of the message: {}", trace.escape_ascii()))
}

/// The octets that stand in `fetched` at `at` of `sent`, if all the rest is as sent.
fn added_at(sent: &[u8], fetched: &[u8], at: usize) -> Option<Vec<u8>> {
    let (head, rest) = sent.split_at(at);
    let front = fetched.strip_suffix(rest)?;
    let trace_end = *field_ends(front).get(2)?;
    only_trace(&front[..trace_end]).ok()?;
    front[trace_end..].strip_prefix(head).map(<[u8]>::to_vec)
}

/// An empty line may close the added fields when what was sent has no header.
fn only_fields(added: &[u8], missing: &[String]) -> Result<(), String> {
    let added_fields = added
        .strip_suffix(b"\r\n\r\n")
        .map_or(added, |_| &added[..added.len() - 2]);
    let mut names: Vec<String> = fields(added_fields)
        .iter()
        .map(|field| name(field))
        .collect();
    names.sort();
    if names == missing && added_fields.ends_with(b"\r\n") {
        return Ok(());
    }
    Err(format!(
        "wanted {missing:?}, added {}",
        added.escape_ascii()
    ))
}

fn missing_fields(sent: &[u8]) -> Vec<String> {
    let there: Vec<String> = fields(&sent[..header_end(sent)])
        .iter()
        .map(|field| name(field))
        .collect();
    let wanted = ["date", "from", "message-id"].map(str::to_owned);
    wanted
        .into_iter()
        .filter(|field| !there.contains(field))
        .collect()
}

/// Where the empty line starts, or the end.
fn header_end(message: &[u8]) -> usize {
    if message.starts_with(b"\r\n") {
        return 0;
    }
    let separator = message.windows(4).position(|window| window == b"\r\n\r\n");
    separator.map_or(message.len(), |at| at + 2)
}

fn fields(header: &[u8]) -> Vec<&[u8]> {
    let ends = field_ends(header);
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts
        .zip(&ends)
        .map(|(start, end)| &header[start..*end])
        .collect()
}

/// Where each field with its continuation lines ends.
fn field_ends(header: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut at = 0;
    for line in header.split_inclusive(|octet| *octet == b'\n') {
        if at > 0 && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            ends.push(at);
        }
        at += line.len();
        if line == b"\r\n" {
            return ends;
        }
    }
    ends.push(at);
    ends
}

fn name(field: &[u8]) -> String {
    let name = field
        .split(|octet| *octet == b':')
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(name.trim_ascii_end()).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str =
        "Return-Path: <a@b>\r\nDelivered-To: c@d\r\nReceived: from x\r\n\tby y; now\r\n";

    fn fetched(below: &str) -> Vec<u8> {
        format!("{TRACE}{below}").into_bytes()
    }

    #[test]
    fn a_message_below_trace_fields_is_unchanged() {
        for sent in [
            "Subject: x\r\n\r\nbody\r\n",
            "\r\n",
            "\r\nbody\r\n",
            " folded\r\n\r\n",
            "x\r\n",
        ] {
            assert_eq!(
                unchanged(sent.as_bytes(), &fetched(sent)),
                Ok(()),
                "{sent:?}"
            );
        }
    }

    #[test]
    fn an_octet_more_or_less_is_a_difference() {
        let sent = b"Subject: x\r\n\r\nbody\r\n";
        for below in [
            "Subject: x\r\n\r\nbody\r\n\r\n",
            "Subject: x\r\n\r\nbod\r\n",
            "X: y\r\nSubject: x\r\n\r\nbody\r\n",
        ] {
            assert!(unchanged(sent, &fetched(below)).is_err(), "{below:?}");
        }
    }

    #[test]
    fn trace_fields_must_be_there_once_and_in_order() {
        let sent = b"Subject: x\r\n\r\n";
        assert!(unchanged(sent, sent).is_err());
        let twice = [
            b"Return-Path: <>\r\n".as_slice(),
            &fetched("Subject: x\r\n\r\n"),
        ]
        .concat();
        assert!(unchanged(sent, &twice).is_err());
    }

    #[test]
    fn submission_may_add_what_is_missing_in_front_or_at_the_end_of_the_header() {
        let sent = b"Subject: x\r\nDate: y\r\n\r\nbody\r\n";
        let added = "Message-ID: <1@x>\r\nFrom: a@b\r\n";
        let front = format!("{added}Subject: x\r\nDate: y\r\n\r\nbody\r\n");
        let end = format!("Subject: x\r\nDate: y\r\n{added}\r\nbody\r\n");
        assert_eq!(submitted(sent, &fetched(&front)), Ok(()));
        assert_eq!(submitted(sent, &fetched(&end)), Ok(()));
    }

    #[test]
    fn submission_may_add_nothing_else() {
        let sent = b"Subject: x\r\nDate: y\r\n\r\nbody\r\n";
        for added in [
            "",
            "Message-ID: <1@x>\r\n",
            "Message-ID: a\r\nFrom: a\r\nDate: y\r\n",
        ] {
            let below = format!("{added}Subject: x\r\nDate: y\r\n\r\nbody\r\n");
            assert!(submitted(sent, &fetched(&below)).is_err(), "{added:?}");
        }
    }

    #[test]
    fn a_message_without_a_header_gets_one() {
        let added = "Date: y\r\nFrom: a@b\r\nMessage-ID: <1@x>\r\n";
        assert_eq!(
            submitted(b"\r\nbody\r\n", &fetched(&format!("{added}\r\nbody\r\n"))),
            Ok(())
        );
        assert_eq!(
            submitted(b"hello\r\n", &fetched(&format!("{added}\r\nhello\r\n"))),
            Ok(())
        );
    }
}
