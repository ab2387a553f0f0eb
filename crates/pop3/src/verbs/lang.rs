//! LANG: the language of what replies say to people.
//!
//! ```text
//! "LANG" [SP ("*" / language-range)]        RFC 6856 3
//! ```

use crate::command::LanguageRequest;
use crate::reply::Reply;
use crate::state::{Setting, State, Switch, Turn};
use crate::texts::Language;

/// Lists the languages, or chooses one: its reply is the first that is in it. A language that is
/// not there changes nothing, and is no misuse: clients ask for what their user reads. `*` means
/// the same for all accounts, so it tells nobody whether there is one (RFC 6856 7).
pub(super) fn proceed(state: State, request: &LanguageRequest, setting: &Setting<'_>) -> Turn {
    let found = match request {
        LanguageRequest::List => return Turn::reply(state, Reply::languages()),
        LanguageRequest::Preferred => Some(setting.options.language),
        LanguageRequest::Range(range) => Language::lookup(range),
    };
    match found {
        Some(language) => Turn::reply(state, Reply::language_chosen(language))
            .switching(Switch::Language(language)),
        None => Turn::reply(state, Reply::unknown_language()),
    }
}
