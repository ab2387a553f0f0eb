//! What replies say to people: one table per language.
//!
//! Programs read the status, the response code and the numbers; these texts are for whoever looks
//! over their shoulder. LANG (RFC 6856 3) chooses the table. Before it is said all is English: that
//! is the i-default of RFC 2277 4.5.

use std::borrow::Cow;

use crate::command::Misuse;
use crate::maildrop::Totals;
use crate::options::TlsOffer;

pub(crate) mod english;
mod german;

/// A text of a reply, in no language yet. Each table has all of them, or does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Ready,
    Misuse(Misuse),
    TooManyMisuses,
    NotHttp,
    CapabilitiesFollow,
    Goodbye,
    SendPass,
    TlsNeeded(TlsOffer),
    BeginTls,
    TlsAbsent,
    TlsActive,
    TlsBehindUtf8,
    Utf8Enabled,
    LanguagesFollow,
    LanguageChosen,
    UnknownLanguage,
    MechanismsFollow,
    UnknownMechanism,
    ExchangeCancelled,
    MaildropHas(Totals),
    LoginFailed,
    LoginTooSoon,
    TooManyLogins,
    TooManySessions,
    TryLater,
    InUse,
    Listing(Totals),
    UniqueIdsFollow,
    Octets(u64),
    TopFollows,
    MessageMarked(usize),
    NoSuchMessage,
    MarkedAlready,
    RemovedElsewhere,
    Damaged,
    Removed(usize),
    NotRemoved,
}

/// A language that replies can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// `en`
    #[default]
    English,
    /// `de`
    German,
}

impl Language {
    /// All of them, in the order of the listing.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its tag (RFC 5646).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// What it calls itself.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// The language of a tag, in any case.
    pub fn from_tag(tag: &str) -> Option<Self> {
        let is_it = |language: &Self| language.tag().eq_ignore_ascii_case(tag);
        Self::ALL.into_iter().find(is_it)
    }

    /// The language that fits a range, as RFC 4647 3.4 looks it up: `de-AT` falls back to `de`.
    pub(crate) fn lookup(range: &str) -> Option<Self> {
        let mut range = range;
        loop {
            if let Some(language) = Self::from_tag(range) {
                return Some(language);
            }
            (range, _) = range.rsplit_once('-')?;
        }
    }
}

impl Text {
    /// The text in a language, UTF-8 without control characters.
    pub(crate) fn in_language(self, language: Language) -> Cow<'static, str> {
        match language {
            Language::English => english::text(self),
            Language::German => german::text(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTALS: [Totals; 2] = [
        Totals {
            messages: 1,
            octets: 5,
        },
        Totals {
            messages: 2,
            octets: 5,
        },
    ];

    const MISUSES: [Misuse; 11] = [
        Misuse::TooLong,
        Misuse::ControlCharacter,
        Misuse::UnknownVerb,
        Misuse::ArgumentMissing,
        Misuse::ArgumentTooMany,
        Misuse::NotANumber,
        Misuse::NotUtf8,
        Misuse::NotALanguage,
        Misuse::NotNow,
        Misuse::UserMissing,
        Misuse::BadResponse,
    ];

    fn all() -> Vec<Text> {
        let mut all = vec![
            Text::Ready,
            Text::TooManyMisuses,
            Text::NotHttp,
            Text::CapabilitiesFollow,
            Text::Goodbye,
            Text::SendPass,
            Text::TlsNeeded(TlsOffer::Offered),
            Text::TlsNeeded(TlsOffer::Absent),
            Text::BeginTls,
            Text::TlsAbsent,
            Text::TlsActive,
            Text::TlsBehindUtf8,
            Text::Utf8Enabled,
            Text::LanguagesFollow,
            Text::LanguageChosen,
            Text::UnknownLanguage,
            Text::MechanismsFollow,
            Text::UnknownMechanism,
            Text::ExchangeCancelled,
            Text::LoginFailed,
            Text::LoginTooSoon,
            Text::TooManyLogins,
            Text::TooManySessions,
            Text::TryLater,
            Text::InUse,
            Text::UniqueIdsFollow,
            Text::Octets(7),
            Text::TopFollows,
            Text::MessageMarked(3),
            Text::NoSuchMessage,
            Text::MarkedAlready,
            Text::RemovedElsewhere,
            Text::Damaged,
            Text::Removed(1),
            Text::Removed(2),
            Text::NotRemoved,
        ];
        all.extend(TOTALS.map(Text::MaildropHas));
        all.extend(TOTALS.map(Text::Listing));
        all.extend(MISUSES.map(Text::Misuse));
        all
    }

    /// RFC 2449 4 has 512 octets for a line, and RESP-CODES takes a bracket for a code.
    #[test]
    fn every_text_fits_a_line_and_begins_no_response_code() {
        for language in Language::ALL {
            for text in all() {
                let said = text.in_language(language);
                assert!(!said.is_empty() && said.len() < 400, "{said}");
                assert!(!said.chars().any(char::is_control), "{said}");
                assert!(!said.starts_with('['), "{said}");
            }
        }
    }

    #[test]
    fn english_is_ascii() {
        for text in all() {
            assert!(text.in_language(Language::English).is_ascii());
        }
    }

    /// Only what is a mere name may be the same.
    #[test]
    fn no_text_was_left_in_english() {
        for text in all() {
            let [english, german] = Language::ALL.map(|language| text.in_language(language));
            assert_ne!(english, german);
        }
    }

    #[test]
    fn a_range_finds_the_nearest_language() {
        for (range, found) in [
            ("de", Some(Language::German)),
            ("DE", Some(Language::German)),
            ("de-AT", Some(Language::German)),
            ("de-Latn-CH-1996", Some(Language::German)),
            ("en-GB", Some(Language::English)),
            ("den", None),
            ("d", None),
            ("", None),
            ("fr-DE", None),
        ] {
            assert_eq!(Language::lookup(range), found, "{range}");
        }
    }
}
