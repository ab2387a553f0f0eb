//! Sessions of pages: who logged in with his password, until he leaves or is away for long.
//!
//! A session is 256 random bits in a cookie; the process keeps their digest alone, so nobody who
//! reads its memory can use them, and forgets all of them when it ends. What somebody may do is
//! read anew at each request; a password that is changed, or an administrator who is removed, ends
//! his sessions at once, on this node and on every other.
//!
//! They are for pages alone, and no [`Authenticator`](crate::Authenticator) of the API: a browser
//! sends a cookie by itself, and what it changes has to come from a form of a page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use cassmail_office::{
    AdminLogins, Clock, Moment, PasswordMark, Principal, Standing, Who, draw_secret,
};
use cassmail_store::AdminName;
use cassmail_telemetry::{chain, event};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::access::Refused;
use crate::listen::Transport;

/// Whoever asks for nothing for so long is logged out.
const IDLE: Duration = Duration::from_mins(30);

/// Nobody stays for longer.
const LONGEST: Duration = Duration::from_hours(12);

/// How many sessions there may be.
const MOST: usize = 1000;

/// How many one administrator may have.
const MOST_OF_ONE: usize = 20;

type Digest = [u8; 32];

/// All sessions of this process.
pub(super) struct Sessions {
    logins: Arc<AdminLogins>,
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<Digest, Session>>,
}

#[derive(Clone)]
struct Session {
    name: AdminName,
    password: PasswordMark,
    begun: Moment,
    seen: Moment,
    /// What the forms of its pages carry.
    form_token: String,
    /// What the next page says.
    said: Option<String>,
}

/// A session that goes on.
pub(super) struct Resumed {
    pub(super) principal: Principal,
    pub(super) form_token: String,
    /// Names the session.
    key: Digest,
}

impl Sessions {
    pub(super) fn new(logins: Arc<AdminLogins>, clock: Arc<dyn Clock>) -> Self {
        Self {
            logins,
            clock,
            open: Mutex::default(),
        }
    }

    /// What an administrator is before his password is verified: a password that is changed
    /// meanwhile does not belong to the session.
    pub(super) async fn standing(&self, name: &str) -> Result<Option<Standing>, Refused> {
        let Ok(name) = name.parse() else {
            return Ok(None);
        };
        self.read(&name).await
    }

    /// Opens one; the text is for the cookie.
    pub(super) fn open(&self, standing: &Standing) -> Result<String, Refused> {
        let Who::Administrator(name) = &standing.principal.who else {
            return Err(Refused::Wrong);
        };
        let (secret, form_token) = (draw()?, draw()?);
        let now = self.clock.now();
        let session = Session {
            name: name.clone(),
            password: standing.password,
            begun: now,
            seen: now,
            form_token,
            said: None,
        };
        let mut open = self.lock();
        open.retain(|_, one| one.goes_on(now));
        make_room(&mut open, |one| one.name == *name, MOST_OF_ONE);
        make_room(&mut open, |_| true, MOST);
        open.insert(digest(&secret), session);
        Ok(secret)
    }

    /// Ends the one that the cookie names.
    pub(super) fn end(&self, headers: &HeaderMap, transport: Transport) {
        for secret in cookies(headers, transport) {
            self.lock().remove(&digest(secret));
        }
    }

    /// Goes on with a session; none if there is none, or no longer.
    pub(super) async fn resume(
        &self,
        headers: &HeaderMap,
        transport: Transport,
    ) -> Option<Result<Resumed, Refused>> {
        let found = cookies(headers, transport).find_map(|secret| {
            let key = digest(secret);
            Some((key, self.touch(&key)?))
        });
        let (key, session) = found?;
        let standing = match self.read(&session.name).await {
            Ok(standing) => standing,
            Err(refused) => return Some(Err(refused)),
        };
        let Some(standing) = standing.filter(|now| now.password == session.password) else {
            self.lock().remove(&key);
            return None;
        };
        Some(Ok(Resumed {
            principal: standing.principal,
            form_token: session.form_token,
            key,
        }))
    }

    /// Says something on the next page.
    pub(super) fn say(&self, resumed: &Resumed, text: String) {
        if let Some(session) = self.lock().get_mut(&resumed.key) {
            session.said = Some(text);
        }
    }

    /// What is to be said, once.
    pub(super) fn said(&self, resumed: &Resumed) -> Option<String> {
        self.lock().get_mut(&resumed.key)?.said.take()
    }

    /// Finds one, and notes that it is used.
    fn touch(&self, key: &Digest) -> Option<Session> {
        let now = self.clock.now();
        let mut open = self.lock();
        let session = open.get_mut(key)?;
        if !session.goes_on(now) {
            open.remove(key);
            return None;
        }
        session.seen = now;
        Some(session.clone())
    }

    async fn read(&self, name: &AdminName) -> Result<Option<Standing>, Refused> {
        self.logins.standing(name).await.map_err(|error| {
            tracing::error!(
                event = event::STORE_OPERATION_FAILED,
                error = %chain(&error)
            );
            Refused::Unavailable
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Session>> {
        // Nothing is half done under it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resumed {
    /// Whether a form came from a page of this session.
    pub(super) fn made(&self, form_token: &str) -> bool {
        bool::from(self.form_token.as_bytes().ct_eq(form_token.as_bytes()))
    }
}

impl Session {
    fn goes_on(&self, now: Moment) -> bool {
        now.since(self.seen) < IDLE && now.since(self.begun) < LONGEST
    }
}

/// Ends those that were not used for longest, until there is room for one more.
fn make_room(open: &mut HashMap<Digest, Session>, counts: impl Fn(&Session) -> bool, most: usize) {
    let mut counted: Vec<_> = open
        .iter()
        .filter(|(_, one)| counts(one))
        .map(|(key, one)| (one.seen, *key))
        .collect();
    counted.sort_unstable();
    let too_many = (counted.len() + 1).saturating_sub(most);
    for (_, key) in counted.into_iter().take(too_many) {
        open.remove(&key);
    }
}

/// The name of the cookie. A browser takes one that begins with `__Host-` from this very host and
/// over TLS alone; in clear there is no such thing.
pub(super) fn cookie_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Secured => "__Host-cassmail",
        Transport::Clear => "cassmail",
    }
}

/// The field `Set-Cookie` for a session, or to forget it.
pub(super) fn cookie(transport: Transport, secret: Option<&str>) -> String {
    let name = cookie_name(transport);
    let secure = match transport {
        Transport::Secured => "; Secure",
        Transport::Clear => "",
    };
    let (value, end) = match secret {
        Some(secret) => (secret, ""),
        None => ("", "; Max-Age=0"),
    };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{end}")
}

/// The values of our cookie (RFC 6265 5.4); a page of a neighbour may have set others.
fn cookies(headers: &HeaderMap, transport: Transport) -> impl Iterator<Item = &str> {
    /// More are no accident.
    const MOST: usize = 4;
    let fields = headers.get_all(header::COOKIE).into_iter();
    let pairs = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'));
    let own = pairs.filter_map(move |pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == cookie_name(transport)).then_some(value)
    });
    own.take(MOST)
}

fn digest(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}

fn draw() -> Result<String, Refused> {
    draw_secret().map_err(|_| Refused::Unavailable)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn cookies_of_the_right_name_are_found_among_others() {
        let mut headers = HeaderMap::new();
        let field =
            HeaderValue::from_static("a=1; __Host-cassmail=x; cassmail=y;__Host-cassmail=z");
        headers.append(header::COOKIE, field);
        let of = |transport| cookies(&headers, transport).collect::<Vec<_>>();
        assert_eq!(of(Transport::Secured), ["x", "z"]);
        assert_eq!(of(Transport::Clear), ["y"]);
    }

    #[test]
    fn cookies_are_for_this_host_alone() {
        assert_eq!(
            cookie(Transport::Secured, Some("x")),
            "__Host-cassmail=x; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(
            cookie(Transport::Clear, None),
            "cassmail=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        );
    }
}
