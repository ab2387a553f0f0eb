//! German.

use std::borrow::Cow;

use super::Text;
use crate::command::Misuse;
use crate::maildrop::Totals;
use crate::options::TlsOffer;

pub(super) fn text(text: Text) -> Cow<'static, str> {
    match text {
        Text::Ready => "cassmail ist bereit",
        Text::Misuse(misuse) => self::misuse(misuse),
        Text::TooManyMisuses => "zu viele falsche Befehle, auf Wiedersehen",
        Text::NotHttp => "dies ist ein POP3-Server, auf Wiedersehen",
        Text::CapabilitiesFollow => "es folgen die F\u{e4}higkeiten",
        Text::Goodbye => "auf Wiedersehen",
        Text::SendPass => "PASS wird erwartet",
        Text::TlsNeeded(TlsOffer::Offered) => "die Anmeldung braucht TLS, zuerst STLS senden",
        Text::TlsNeeded(TlsOffer::Absent) => {
            "die Anmeldung braucht TLS, bitte den Port f\u{fc}r TLS benutzen"
        }
        Text::BeginTls => "TLS kann beginnen",
        Text::TlsAbsent => "TLS gibt es hier nicht",
        Text::TlsActive => "TLS ist schon aktiv",
        Text::TlsBehindUtf8 => "STLS muss vor UTF8 kommen",
        Text::Utf8Enabled => "UTF-8 ist eingeschaltet",
        Text::LanguagesFollow => "es folgen die Sprachen",
        Text::LanguageChosen => "die Antworten sind jetzt deutsch",
        Text::UnknownLanguage => "diese Sprache gibt es hier nicht",
        Text::MechanismsFollow => "es folgen die Verfahren",
        Text::UnknownMechanism => "unbekanntes Verfahren",
        Text::ExchangeCancelled => "Anmeldung abgebrochen",
        Text::MaildropHas(totals) => return format!("im Postfach: {}", counted(totals)).into(),
        Text::LoginFailed => "Anmeldung fehlgeschlagen",
        Text::LoginTooSoon => "die letzte Anmeldung ist zu kurz her, bitte warten",
        Text::TooManyLogins => "zu viele Anmeldungen, bitte sp\u{e4}ter noch einmal versuchen",
        Text::TooManySessions => "zu viele Sitzungen, bitte sp\u{e4}ter noch einmal versuchen",
        Text::TryLater => "bitte sp\u{e4}ter noch einmal versuchen",
        Text::InUse => "eine andere Sitzung hat das Postfach",
        Text::Listing(totals) => return counted(totals).into(),
        Text::UniqueIdsFollow => "es folgen die Kennungen",
        Text::Octets(octets) => return format!("{octets} Oktette").into(),
        Text::TopFollows => "es folgt der Anfang der Nachricht",
        Text::MessageMarked(number) => {
            return format!("Nachricht {number} ist zum L\u{f6}schen vorgemerkt").into();
        }
        Text::NoSuchMessage => "diese Nachricht gibt es nicht",
        Text::MarkedAlready => "die Nachricht ist zum L\u{f6}schen vorgemerkt",
        Text::RemovedElsewhere => "eine andere Sitzung hat die Nachricht gel\u{f6}scht",
        Text::Damaged => "die Nachricht ist besch\u{e4}digt",
        Text::Removed(1) => "1 Nachricht gel\u{f6}scht, auf Wiedersehen",
        Text::Removed(count) => {
            return format!("{count} Nachrichten gel\u{f6}scht, auf Wiedersehen").into();
        }
        Text::NotRemoved => "nicht alle vorgemerkten Nachrichten wurden gel\u{f6}scht",
    }
    .into()
}

fn misuse(misuse: Misuse) -> &'static str {
    match misuse {
        Misuse::TooLong => "die Zeile ist zu lang",
        Misuse::ControlCharacter => "Steuerzeichen sind nicht erlaubt",
        Misuse::UnknownVerb => "unbekannter Befehl",
        Misuse::ArgumentMissing => "ein Argument fehlt",
        Misuse::ArgumentTooMany => "zu viele Argumente",
        Misuse::NotANumber => "das Argument ist keine Zahl",
        Misuse::NotUtf8 => "das Argument ist kein UTF-8",
        Misuse::NotALanguage => "das Argument ist keine Sprache",
        Misuse::NotNow => "der Befehl ist jetzt nicht erlaubt",
        Misuse::UserMissing => "zuerst USER senden",
        Misuse::BadResponse => "die Antwort ist falsch aufgebaut",
    }
}

fn counted(totals: Totals) -> String {
    let plural = if totals.messages == 1 { "" } else { "en" };
    let Totals { messages, octets } = totals;
    format!("{messages} Nachricht{plural} ({octets} Oktette)")
}
