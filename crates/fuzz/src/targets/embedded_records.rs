//! What the embedded store reads from disk: any octets decode or do not, and what decodes is
//! written and read again as the same.

use cassmail_store_embedded::forms::{Form, describe};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "embedded-records",
    about: "what the embedded store reads from its files and its index",
    run,
    seeds,
    words: &[
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x80\x80\x80\x01",
        b"\x00",
        b"\x0da@far.example",
        b"\x10bob@here.example",
        b"\x03old",
        b"\x00\x00\x00\x05hello",
        b"\x01\x00\x00\x00\x05",
        b"\x01\xff\xff\xff\xff",
    ],
};

/// For each form one that decodes, where one can be written down, and zeros.
fn seeds() -> Vec<Vec<u8>> {
    let id = [7_u8; 16];
    let row = [&[2, 5][..], &id, &[1, 64, 100, 1, 0x80, 1, 50]].concat();
    let maildrop = [&[100, 3][..], b"old", &[16], b"bob@here.example"].concat();
    let added = [&id[..], &[1], &id, &id, &[2], &id, &id].concat();
    let owner = [&id[..], &[16], b"bob@here.example", &[3], b"old"].concat();
    let head = [
        &[9, 9, 5, 0],
        &id[..],
        &[13],
        b"a@far.example",
        &[1],
        &owner,
    ]
    .concat();
    let length = u8::try_from(head.len()).unwrap_or_default();
    let head = [&[0, 0, 0, length][..], &head].concat();
    let mut seeds = Vec::new();
    for (form, _) in Form::ALL.iter().enumerate() {
        let form = u8::try_from(form).unwrap_or_default();
        let plain = b"\x00\x00\x00\x00\x05hello";
        for octets in [&row[..], &maildrop, &added, &head, plain, &[0; 64]] {
            seeds.push([&[form], octets].concat());
        }
    }
    seeds
}

/// The first octet chooses the form.
fn run(data: &[u8]) {
    let Some((&form, octets)) = data.split_first() else {
        return;
    };
    let form = Form::ALL[usize::from(form) % Form::ALL.len()];
    if let Some(described) = describe(form, octets) {
        let again = describe(form, &described.encoded);
        assert_eq!(again.as_ref(), Some(&described), "{form:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_a_seed_that_decodes() {
        for (number, &form) in Form::ALL.iter().enumerate() {
            let mut seeds = seeds().into_iter();
            let decodes = seeds
                .any(|seed| usize::from(seed[0]) == number && describe(form, &seed[1..]).is_some());
            assert!(decodes, "{form:?}");
        }
    }
}
