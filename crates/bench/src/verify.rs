//! Every promise of the ledger against what the mailboxes hold.
//!
//! A copy is one message in one mailbox. A message that was acknowledged must be there once; each
//! uncertain attempt to send it may have made one more, and each removal takes one away.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::arrivals::Plan;
use crate::cli::VerifyArgs;
use crate::clock;
use crate::crew::{self, Crew, Worker};
use crate::ledger::{Account, Books};
use crate::message::{Examined, Token, examine};
use crate::pop3::{Client, Listed, unstuff};
use crate::wire::{Dial, Failure};

const BREATH: Duration = Duration::from_millis(500);

/// What was found, counted in copies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Findings {
    pub(crate) mailboxes: u64,
    /// Copies that the server acknowledged.
    pub(crate) acknowledged: u64,
    /// Of these, those that are there or were removed.
    pub(crate) sound: u64,
    pub(crate) removed: u64,
    /// Acknowledged, not removed, and not there.
    pub(crate) lost: u64,
    /// There more often than it was sent.
    pub(crate) duplicated: u64,
    /// There, but not as it was sent.
    pub(crate) corrupt: u64,
    /// Listed, but refused by RETR.
    pub(crate) unreadable: u64,
    /// Removed, and there again.
    pub(crate) resurrected: u64,
    /// In a mailbox that it was not for.
    pub(crate) misdelivered: u64,
    /// There, of a run of the ledgers, but not in them.
    pub(crate) phantom: u64,
    /// There, though its body was refused with 5xx.
    pub(crate) refused_present: u64,
    /// Messages of others, or of runs whose ledger was not given.
    pub(crate) foreign: u64,
    pub(crate) uncertain_present: u64,
    pub(crate) uncertain_absent: u64,
    /// Some of the bad ones, by kind.
    pub(crate) examples: BTreeMap<&'static str, Vec<String>>,
}

/// One message of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Copy {
    uid: String,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Examined(Examined),
    Unreadable,
}

struct Job {
    args: VerifyArgs,
    dial: Dial,
    books: Books,
    names: Vec<String>,
    findings: Mutex<Findings>,
}

/// Reads every mailbox of the ledgers and judges what is there.
pub(crate) fn verify(args: VerifyArgs) -> Result<Findings> {
    let mut books = Books::default();
    for ledger in &args.ledger {
        books.read(ledger, |address| login_of(&args.login_as, address))?;
    }
    let mut names: Vec<String> = books.mailboxes.keys().cloned().collect();
    names.sort_unstable();
    let dial = args.target.dial();
    let patience = args.wait.map(|wait| clock::now() + wait);
    let job = Arc::new(Job {
        args,
        dial,
        books,
        names,
        findings: Mutex::default(),
    });
    loop {
        let findings = read_all(&job)?;
        let has_time = patience.is_some_and(|end| clock::now() < end);
        if findings.lost == 0 || !has_time {
            return Ok(findings);
        }
        std::thread::sleep(BREATH);
    }
}

impl Findings {
    /// Whether every promise was kept. A phantom may come from a ledger that was cut off.
    pub(crate) fn is_good(&self) -> bool {
        let broken = [
            self.lost,
            self.duplicated,
            self.corrupt,
            self.unreadable,
            self.resurrected,
            self.misdelivered,
            self.refused_present,
        ];
        broken.iter().all(|count| *count == 0)
    }

    fn add(&mut self, other: Self, examples: usize) {
        self.mailboxes += other.mailboxes;
        self.acknowledged += other.acknowledged;
        self.sound += other.sound;
        self.removed += other.removed;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.corrupt += other.corrupt;
        self.unreadable += other.unreadable;
        self.resurrected += other.resurrected;
        self.misdelivered += other.misdelivered;
        self.phantom += other.phantom;
        self.refused_present += other.refused_present;
        self.foreign += other.foreign;
        self.uncertain_present += other.uncertain_present;
        self.uncertain_absent += other.uncertain_absent;
        for (kind, theirs) in other.examples {
            let mine = self.examples.entry(kind).or_default();
            mine.extend(theirs);
            mine.truncate(examples);
        }
    }

    fn note(&mut self, kind: &'static str, what: String) {
        self.examples.entry(kind).or_default().push(what);
    }
}

fn login_of(template: &str, address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    template
        .replace("{address}", address)
        .replace("{local}", local)
        .replace("{domain}", domain)
}

fn read_all(job: &Arc<Job>) -> Result<Findings> {
    let count = Some(job.names.len() as u64);
    let crew = Crew {
        plan: Plan {
            count,
            duration: None,
            rate: None,
            seed: 1,
        },
        threads: 1,
        connections: job.args.connections.max(1),
        pids: Vec::new(),
        idle_wait: None,
    };
    if let Ok(mut findings) = job.findings.lock() {
        *findings = Findings::default();
    }
    let harvest = crew::run(&crew, None, |worker, turn| {
        work(Arc::clone(job), worker, turn)
    })?;
    if harvest.succeeded < job.names.len() as u64 {
        bail!(
            "only {} of {} mailboxes were read",
            harvest.succeeded,
            job.names.len()
        );
    }
    Ok(job
        .findings
        .lock()
        .map(|findings| findings.clone())
        .unwrap_or_default())
}

async fn work(job: Arc<Job>, worker: Rc<Worker>, turn: usize) {
    while let Some(ticket) = worker.arrivals().take() {
        let index = usize::try_from(ticket.number).unwrap_or(usize::MAX);
        let Some(name) = job.names.get(index) else {
            break;
        };
        match read_mailbox(&job, name, turn).await {
            Ok(copies) => {
                let empty = HashMap::new();
                let accounts = job.books.mailboxes.get(name).unwrap_or(&empty);
                let judged = judge(name, &job.books, accounts, &copies);
                if let Ok(mut findings) = job.findings.lock() {
                    findings.add(judged, job.args.examples);
                }
                worker.succeed();
            }
            Err(reason) => worker.give_up(format!("mailbox {name}: {reason}")),
        }
    }
}

async fn read_mailbox(job: &Job, name: &str, turn: usize) -> Result<Vec<Copy>, String> {
    read_copies(job, name, turn).await.map_err(|broken| {
        let reason = match broken.1 {
            Failure::Refused { text, .. } | Failure::Garbled(text) | Failure::Impossible(text) => {
                text
            }
            Failure::Connect(error) | Failure::Lost(error) => error.to_string(),
            Failure::Timeout => "no answer in time".to_owned(),
        };
        format!("{}: {reason}", broken.0)
    })
}

async fn read_copies(
    job: &Job,
    name: &str,
    turn: usize,
) -> Result<Vec<Copy>, (&'static str, Failure)> {
    let of = |broken: crate::pop3::Broken| (broken.stage, broken.failure);
    let mut client = Client::open(&job.dial, turn, &job.args.login)
        .await
        .map_err(of)?;
    client.log_in(&job.args.login, name).await.map_err(of)?;
    let listed: Vec<Listed> = client.list().await.map_err(of)?;
    let window = if job.args.login.pipeline { 32 } else { 1 };
    let mut copies = Vec::with_capacity(listed.len());
    let mut message = Vec::new();
    for several in listed.chunks(window) {
        for one in several {
            client.write_retrieve(one);
        }
        client.flush("RETR").await.map_err(of)?;
        for one in several {
            let state = match client.read_message().await {
                Ok(travelled) => {
                    unstuff(travelled, &mut message);
                    State::Examined(examine(&message))
                }
                Err(broken) if matches!(broken.failure, Failure::Refused { .. }) => {
                    State::Unreadable
                }
                Err(broken) => return Err(of(broken)),
            };
            copies.push(Copy {
                uid: one.uid.clone(),
                state,
            });
        }
    }
    client.quit().await.map_err(of)?;
    Ok(copies)
}

/// Compares the copies in one mailbox with what is known of it.
fn judge(
    name: &str,
    books: &Books,
    accounts: &HashMap<Token, Account>,
    copies: &[Copy],
) -> Findings {
    let mut findings = Findings {
        mailboxes: 1,
        ..Findings::default()
    };
    let mut present: HashMap<Token, u64> = HashMap::new();
    for copy in copies {
        let Some(token) = judge_copy(name, books, accounts, copy, &mut findings) else {
            continue;
        };
        *present.entry(token).or_default() += 1;
    }
    for (token, account) in accounts {
        let present = present.get(token).copied().unwrap_or(0);
        judge_message(
            &format!("{token} in {name}"),
            account,
            present,
            &mut findings,
        );
    }
    findings
}

/// Counts what is wrong with the copy itself; its token when it counts as present.
fn judge_copy(
    name: &str,
    books: &Books,
    accounts: &HashMap<Token, Account>,
    copy: &Copy,
    findings: &mut Findings,
) -> Option<Token> {
    let (token, hash) = match copy.state {
        State::Unreadable => {
            findings.unreadable += 1;
            findings.note("unreadable", format!("{} in {name}", copy.uid));
            return None;
        }
        State::Examined(Examined::Foreign) => {
            findings.foreign += 1;
            return None;
        }
        State::Examined(Examined::Corrupt(token)) => (token, None),
        State::Examined(Examined::Sound { token, hash }) => (token, Some(hash)),
    };
    let what = format!("{token} in {name}");
    if !books.runs.contains(&token.run) {
        findings.foreign += 1;
        return None;
    }
    if hash.is_none()
        || books
            .hashes
            .get(&token)
            .is_some_and(|sent| Some(*sent) != hash)
    {
        findings.corrupt += 1;
        findings.note("corrupt", what.clone());
    }
    let Some(account) = accounts.get(&token) else {
        if books.hashes.contains_key(&token) {
            findings.misdelivered += 1;
            findings.note("misdelivered", what);
        } else {
            findings.phantom += 1;
            findings.note("phantom", what);
        }
        return None;
    };
    if !copy.uid.is_empty() && account.removed.contains(&copy.uid) {
        findings.resurrected += 1;
        findings.note("resurrected", what);
        return None;
    }
    Some(token)
}

fn judge_message(what: &str, account: &Account, present: u64, findings: &mut Findings) {
    let removed = account.removed.len() as u64;
    let sent = account.acknowledged + account.uncertain;
    findings.acknowledged += account.acknowledged;
    findings.removed += removed;
    let gone = removed + account.maybe_removed;
    let missing = account.acknowledged.min(1).saturating_sub(present + gone);
    if missing > 0 {
        findings.lost += missing;
        findings.note("lost", what.to_owned());
    }
    findings.sound += account.acknowledged.saturating_sub(missing);
    if account.acknowledged == 0 && account.uncertain > 0 {
        if present + gone > 0 {
            findings.uncertain_present += 1;
        } else {
            findings.uncertain_absent += 1;
        }
    }
    let surplus = (present + removed).saturating_sub(sent);
    if surplus == 0 {
        return;
    }
    let has_no_uids = account.removed.iter().any(String::is_empty);
    let (kind, count) = if sent == 0 && account.refused == 0 {
        ("phantom", &mut findings.phantom)
    } else if sent == 0 {
        ("refused but present", &mut findings.refused_present)
    } else if has_no_uids && present > 0 {
        ("resurrected", &mut findings.resurrected)
    } else {
        ("duplicated", &mut findings.duplicated)
    };
    *count += surplus;
    findings.note(kind, what.to_owned());
}

#[cfg(test)]
mod tests {
    use super::{Account, Findings, judge_message, login_of};

    fn judged(account: &Account, present: u64) -> Findings {
        let mut findings = Findings::default();
        judge_message("it", account, present, &mut findings);
        findings
    }

    fn acknowledged() -> Account {
        Account {
            acknowledged: 1,
            ..Account::default()
        }
    }

    #[test]
    fn an_acknowledged_message_must_be_there_exactly_once() {
        assert_eq!(judged(&acknowledged(), 0).lost, 1);
        assert!(judged(&acknowledged(), 1).is_good());
        assert_eq!(judged(&acknowledged(), 2).duplicated, 1);
    }

    #[test]
    fn each_uncertain_attempt_explains_one_more_copy() {
        let retried = Account {
            uncertain: 1,
            ..acknowledged()
        };
        assert!(judged(&retried, 1).is_good());
        assert!(judged(&retried, 2).is_good());
        assert_eq!(judged(&retried, 3).duplicated, 1);
    }

    #[test]
    fn an_uncertain_message_may_be_there_or_not() {
        let uncertain = Account {
            uncertain: 1,
            ..Account::default()
        };
        assert_eq!(judged(&uncertain, 1).uncertain_present, 1);
        assert_eq!(judged(&uncertain, 0).uncertain_absent, 1);
        assert!(judged(&uncertain, 0).is_good());
    }

    #[test]
    fn a_removed_message_must_stay_away_and_a_maybe_removed_one_may() {
        let removed = Account {
            removed: vec![String::new()],
            ..acknowledged()
        };
        assert!(judged(&removed, 0).is_good());
        assert_eq!(judged(&removed, 1).resurrected, 1);
        let maybe = Account {
            maybe_removed: 1,
            ..acknowledged()
        };
        assert!(judged(&maybe, 0).is_good());
        assert!(judged(&maybe, 1).is_good());
    }

    #[test]
    fn a_refused_message_must_not_be_there() {
        let refused = Account {
            refused: 1,
            ..Account::default()
        };
        assert!(judged(&refused, 0).is_good());
        assert_eq!(judged(&refused, 1).refused_present, 1);
    }

    #[test]
    fn logins_are_made_of_recipients() {
        assert_eq!(login_of("{address}", "a@b"), "a@b");
        assert_eq!(login_of("{domain}+{local}", "a@b"), "b+a");
    }
}
