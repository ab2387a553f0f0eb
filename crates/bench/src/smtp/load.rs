//! The load: one loop per connection, which makes a mail, sends it, and enters what became of it.
//!
//! Pipelined, a mail costs one write and one or two reads: the octets of a body are followed at
//! once by the envelope of the next mail, if that is due.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::arrivals::Ticket;
use crate::cli::SmtpArgs;
use crate::clock;
use crate::crew::{self, Harvest, Worker};
use crate::ledger::{Fate, LedgerWriter};
use crate::mailboxes::Mailboxes;
use crate::message::{Draft, Framing, Stationery, Token};
use crate::random::Random;
use crate::smtp::client::{self, Broken, Client, at};
use crate::wire::{Dial, Failure};

/// After a failure that has to do with the connection.
const BREATH: Duration = Duration::from_millis(100);

/// Everything that the connections of a run share.
#[derive(Debug)]
struct Job {
    args: SmtpArgs,
    dial: Dial,
    mailboxes: Mailboxes,
    stationery: Stationery,
    run: u64,
}

/// Delivers mails as the arguments say.
pub(crate) fn deliver(args: SmtpArgs) -> Result<Harvest> {
    let mailboxes = Mailboxes::new(&args.to, args.first, args.users, args.pick)?;
    let now = clock::unix_micros();
    let crew = args.load.crew();
    let stationery = Stationery::new(&args.from, args.content, args.load.seed, now / 1_000_000);
    let mut ledger = args
        .ledger
        .as_deref()
        .map(LedgerWriter::append_to)
        .transpose()?;
    if let Some(ledger) = &mut ledger {
        ledger.run(now);
        ledger.flush().context("cannot write the ledger")?;
    }
    let dial = args.load.target.dial();
    let job = Arc::new(Job {
        args,
        dial,
        mailboxes,
        stationery,
        run: now,
    });
    crew::run(&crew, ledger.as_ref(), move |worker, number| {
        Sender::new(Arc::clone(&job), worker, number).work()
    })
}

/// One connection of the load.
struct Sender {
    job: Arc<Job>,
    worker: Rc<Worker>,
    client: Option<Client>,
    /// Which target comes next.
    turn: usize,
    /// Mails that this connection carried.
    carried: u64,
    mail: Draft,
    next: Draft,
    ahead: Ahead,
    accepted: Vec<usize>,
}

/// What is known of the mail after this one.
#[derive(Debug, Clone, Copy)]
enum Ahead {
    Nothing,
    /// Its time has not come.
    Ticket(Ticket),
    /// It is made, and its envelope is on its way.
    Announced {
        ticket: Ticket,
    },
}

/// How an attempt ended, other than with a 250.
#[derive(Debug)]
struct Unsent {
    broken: Broken,
    /// Whether the server may have taken the mail.
    was_body_sent: bool,
}

impl Sender {
    fn new(job: Arc<Job>, worker: Rc<Worker>, number: usize) -> Self {
        Self {
            job,
            worker,
            client: None,
            turn: number,
            carried: 0,
            mail: Draft::default(),
            next: Draft::default(),
            ahead: Ahead::Nothing,
            accepted: Vec::new(),
        }
    }

    async fn work(mut self) {
        loop {
            let (start, is_announced) = match std::mem::replace(&mut self.ahead, Ahead::Nothing) {
                Ahead::Announced { ticket } => {
                    std::mem::swap(&mut self.mail, &mut self.next);
                    (ticket.due.unwrap_or_else(clock::now), self.client.is_some())
                }
                Ahead::Ticket(ticket) => match self.begin(ticket).await {
                    Some(start) => (start, false),
                    None => break,
                },
                Ahead::Nothing => {
                    let Some(ticket) = self.worker.arrivals().take() else {
                        break;
                    };
                    let Some(start) = self.begin(ticket).await else {
                        break;
                    };
                    (start, false)
                }
            };
            self.deliver(start, is_announced).await;
        }
        self.hang_up().await;
    }

    async fn begin(&mut self, ticket: Ticket) -> Option<Instant> {
        let start = self.worker.arrivals().wait(&ticket).await?;
        self.job.draft(&mut self.mail, ticket.number);
        Some(start)
    }

    /// Sends the mail, again if that is wanted and makes sense.
    async fn deliver(&mut self, start: Instant, mut is_announced: bool) {
        let mut attempts_left = self.job.args.retry;
        loop {
            let Err(unsent) = self.attempt(is_announced).await else {
                return self.succeed(start);
            };
            is_announced = false;
            let is_worth_it = self.enter(&unsent);
            if matches!(unsent.broken.failure, Failure::Impossible(_)) {
                return;
            }
            if attempts_left == 0 || !is_worth_it || self.worker.arrivals().is_stopped() {
                self.worker.fail();
                return;
            }
            attempts_left -= 1;
            self.worker.stats().count("retries", 1);
            tokio::time::sleep(BREATH).await;
        }
    }

    fn succeed(&mut self, start: Instant) {
        let taken = clock::now().duration_since(start);
        let copies = self.accepted.len() as u64;
        let mut stats = self.worker.stats();
        stats.time("mail", taken);
        let since = start.duration_since(self.worker.arrivals().begin());
        stats.time_in_minute(since.as_secs() / 60, taken);
        stats.count("mails", 1);
        stats.count("copies", copies);
        stats.count("octets", self.mail.size() as u64);
        drop(stats);
        self.worker.succeed();
        self.enter_fate(Fate::Acknowledged);
    }

    /// Notes a failed attempt; whether another one could succeed.
    fn enter(&mut self, unsent: &Unsent) -> bool {
        self.worker
            .stats()
            .fail(unsent.broken.stage, &unsent.broken.failure);
        let fate = match &unsent.broken.failure {
            Failure::Impossible(reason) => {
                self.worker.give_up(reason.clone());
                return false;
            }
            Failure::Refused { code, .. } if *code >= 500 => Fate::Refused,
            _ => Fate::Uncertain,
        };
        if unsent.was_body_sent {
            let what = if fate == Fate::Refused {
                "refused"
            } else {
                "uncertain"
            };
            self.worker.stats().count(what, 1);
            self.enter_fate(fate);
        }
        fate == Fate::Uncertain
    }

    fn enter_fate(&self, fate: Fate) {
        self.worker.enter(|ledger| {
            ledger.sent(fate, &self.mail, &self.accepted, &self.job.mailboxes);
        });
    }

    /// One try to send the mail, on the open connection or a new one.
    async fn attempt(&mut self, is_announced: bool) -> Result<(), Unsent> {
        self.accepted.clear();
        let mut client = match self.client.take() {
            Some(client) => client,
            None => self.connect().await?,
        };
        let result = self.exchange(&mut client, is_announced).await;
        let is_usable = match &result {
            Ok(()) => true,
            Err(unsent) => unsent.broken.failure.leaves_connection(),
        };
        self.carried += 1;
        let limit = self
            .job
            .args
            .per_connection
            .filter(|_| !self.is_next_announced());
        if is_usable && limit.is_none_or(|limit| self.carried < limit) {
            self.client = Some(client);
        } else {
            // An envelope that was announced there is announced again on the next connection.
            self.part(client, is_usable).await;
        }
        result
    }

    async fn connect(&mut self) -> Result<Client, Unsent> {
        let before = clock::now();
        let opened = client::open(&self.job.dial, self.turn, &self.job.args).await;
        self.turn = self.turn.wrapping_add(1);
        self.carried = 0;
        match opened {
            Ok(client) => {
                self.worker
                    .stats()
                    .time("connect", clock::now().duration_since(before));
                self.worker.stats().count("connections", 1);
                Ok(client)
            }
            Err(broken) => {
                tokio::time::sleep(BREATH).await;
                Err(not_sent(broken))
            }
        }
    }

    async fn exchange(&mut self, client: &mut Client, is_announced: bool) -> Result<(), Unsent> {
        let job = Arc::clone(&self.job);
        match (job.args.bdat, job.args.pipeline) {
            (true, true) => return self.chunk_pipelined(client, &job).await,
            (true, false) => return self.chunk_in_turns(client, &job).await,
            (false, _) => {}
        }
        let offered = if job.args.pipeline {
            if !is_announced {
                job.announce(client, &self.mail);
                client.wire.command(&["DATA"]);
            }
            self.envelope_pipelined(client).await
        } else {
            match self.envelope_in_turns(client, &job).await {
                Ok(()) => client.ask(&["DATA"], 354, "DATA").await,
                refused => refused,
            }
        };
        if let Err(broken) = offered {
            return Err(not_sent(settle(client, broken).await));
        }
        job.stationery
            .write(&self.mail, Framing::Dotted, &mut client.wire.out);
        self.announce_next(client);
        self.finish(client).await
    }

    /// RFC 2920: MAIL, all RCPT and DATA in one write.
    async fn envelope_pipelined(&mut self, client: &mut Client) -> Result<(), Broken> {
        if !client.wire.out.is_empty() {
            client.flush("MAIL").await?;
        }
        let from = client.reply("MAIL").await;
        let to = self.read_recipients(client, from).await?;
        match (client.expect(354, "DATA").await, to) {
            (Ok(()), Ok(())) => Ok(()),
            (Ok(()), Err(broken)) => {
                // Nobody wants it, and still the server waits for a body. RFC 2920 3.1.
                client.wire.out.extend_from_slice(b".\r\n");
                client.flush("DATA").await?;
                match client.reply("DATA").await {
                    Ok(_)
                    | Err(Broken {
                        failure: Failure::Refused { .. },
                        ..
                    }) => Err(broken),
                    Err(other) => Err(other),
                }
            }
            (Err(refused), to) if refused.failure.leaves_connection() => {
                Err(to.err().unwrap_or(refused))
            }
            (Err(lost), _) => Err(lost),
        }
    }

    async fn envelope_in_turns(&mut self, client: &mut Client, job: &Job) -> Result<(), Broken> {
        job.write_mail(client, &self.mail);
        client.flush("MAIL").await?;
        client.reply("MAIL").await?;
        let mut refusal = None;
        for index in 0..self.mail.recipients().len() {
            job.write_recipient(client, &self.mail, index);
            client.flush("RCPT").await?;
            self.read_recipient(client, index, &mut refusal).await?;
        }
        match refusal.filter(|_| self.accepted.is_empty()) {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    /// RFC 3030: the whole mail in one write.
    async fn chunk_pipelined(&mut self, client: &mut Client, job: &Job) -> Result<(), Unsent> {
        job.announce(client, &self.mail);
        job.write_chunk(client, &self.mail);
        let to = match self.send_chunk(client).await {
            Ok(to) => to,
            Err(broken) => {
                // Nobody said who was accepted: it may have been everybody.
                self.accepted.clear();
                self.accepted.extend(self.mail.recipients());
                return Err(maybe_sent(broken));
            }
        };
        match (self.read_acceptance(client).await, to) {
            (Err(refused), Err(broken)) if refused.failure.leaves_connection() => {
                Err(not_sent(settle(client, broken).await))
            }
            (Err(broken), _) | (Ok(()), Err(broken)) => Err(maybe_sent(broken)),
            (Ok(()), Ok(())) => Ok(()),
        }
    }

    async fn send_chunk(&mut self, client: &mut Client) -> Result<Result<(), Broken>, Broken> {
        client.flush("body").await?;
        let from = client.reply("MAIL").await;
        self.read_recipients(client, from).await
    }

    async fn chunk_in_turns(&mut self, client: &mut Client, job: &Job) -> Result<(), Unsent> {
        if let Err(broken) = self.envelope_in_turns(client, job).await {
            return Err(not_sent(settle(client, broken).await));
        }
        job.write_chunk(client, &self.mail);
        client.flush("body").await.map_err(maybe_sent)?;
        self.read_acceptance(client).await.map_err(maybe_sent)
    }

    /// The answers to all RCPT. The outer error ends the connection, the inner one the mail.
    async fn read_recipients(
        &mut self,
        client: &mut Client,
        from: Result<u16, Broken>,
    ) -> Result<Result<(), Broken>, Broken> {
        let mut refusal = match from {
            Ok(_) => None,
            Err(broken) if broken.failure.leaves_connection() => Some(broken),
            Err(broken) => return Err(broken),
        };
        for index in 0..self.mail.recipients().len() {
            self.read_recipient(client, index, &mut refusal).await?;
        }
        Ok(match refusal.filter(|_| self.accepted.is_empty()) {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        })
    }

    async fn read_recipient(
        &mut self,
        client: &mut Client,
        index: usize,
        refusal: &mut Option<Broken>,
    ) -> Result<(), Broken> {
        match client.reply("RCPT").await {
            Ok(_) => self.accepted.extend(self.mail.recipients().get(index)),
            Err(broken) if broken.failure.leaves_connection() => {
                self.worker.stats().count("recipients refused", 1);
                refusal.get_or_insert(broken);
            }
            Err(broken) => return Err(broken),
        }
        Ok(())
    }

    /// Puts the next envelope behind the body, when there is one to send now.
    fn announce_next(&mut self, client: &mut Client) {
        let args = &self.job.args;
        if !args.pipeline || args.retry > 0 || args.per_connection.is_some() {
            return;
        }
        let Some(ticket) = self.worker.arrivals().take() else {
            return;
        };
        if ticket.due.is_some_and(|due| due > clock::now()) {
            self.ahead = Ahead::Ticket(ticket);
            return;
        }
        self.job.draft(&mut self.next, ticket.number);
        self.job.announce(client, &self.next);
        client.wire.command(&["DATA"]);
        self.ahead = Ahead::Announced { ticket };
    }

    fn is_next_announced(&self) -> bool {
        matches!(self.ahead, Ahead::Announced { .. })
    }

    /// Sends the body and waits for the one answer that counts.
    async fn finish(&mut self, client: &mut Client) -> Result<(), Unsent> {
        client.flush("body").await.map_err(maybe_sent)?;
        self.read_acceptance(client).await.map_err(maybe_sent)
    }

    async fn read_acceptance(&self, client: &mut Client) -> Result<(), Broken> {
        let sent = clock::now();
        client.expect(250, "body").await?;
        let taken = clock::now().duration_since(sent);
        self.worker.stats().time("accept", taken);
        Ok(())
    }

    async fn part(&self, mut client: Client, is_usable: bool) {
        if is_usable && client.ask(&["QUIT"], 221, "QUIT").await.is_ok() {
            client.wire.closed().await;
        }
    }

    async fn hang_up(&mut self) {
        if let Some(client) = self.client.take() {
            self.part(client, true).await;
        }
    }
}

impl Job {
    fn draft(&self, draft: &mut Draft, number: u64) {
        let mut random = Random::of_item(self.args.load.seed, number);
        let wanted = self.args.recipients.draw(&mut random);
        let recipients = draft.recipients_mut();
        self.mailboxes
            .choose_several(number, wanted, &mut random, recipients);
        let size = self.args.size.draw(&mut random);
        self.stationery.draft(
            draft,
            Token {
                run: self.run,
                number,
            },
            &self.mailboxes,
            size,
        );
    }

    fn announce(&self, client: &mut Client, mail: &Draft) {
        self.write_mail(client, mail);
        for index in 0..mail.recipients().len() {
            self.write_recipient(client, mail, index);
        }
    }

    fn write_mail(&self, client: &mut Client, mail: &Draft) {
        if client.takes_size {
            let size = mail.size().to_string();
            client
                .wire
                .command(&["MAIL FROM:<", &self.args.from, "> SIZE=", &size]);
        } else {
            client.wire.command(&["MAIL FROM:<", &self.args.from, ">"]);
        }
    }

    fn write_chunk(&self, client: &mut Client, mail: &Draft) {
        client
            .wire
            .command(&["BDAT ", &mail.size().to_string(), " LAST"]);
        self.stationery
            .write(mail, Framing::Chunk, &mut client.wire.out);
    }

    fn write_recipient(&self, client: &mut Client, mail: &Draft, index: usize) {
        let name = mail
            .recipients()
            .get(index)
            .map_or("", |mailbox| self.mailboxes.name(*mailbox));
        client.wire.command(&["RCPT TO:<", name, ">"]);
    }
}

impl Failure {
    /// Whether the conversation goes on: the answer was negative, and it was not a farewell.
    fn leaves_connection(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if *code != 421)
    }
}

fn not_sent(broken: Broken) -> Unsent {
    Unsent {
        broken,
        was_body_sent: false,
    }
}

fn maybe_sent(broken: Broken) -> Unsent {
    Unsent {
        broken,
        was_body_sent: true,
    }
}

/// Ends the transaction of a mail that was refused; the reason, or why not even that worked.
async fn settle(client: &mut Client, broken: Broken) -> Broken {
    if !broken.failure.leaves_connection() {
        return broken;
    }
    match client.ask(&["RSET"], 250, "RSET").await {
        Ok(()) => broken,
        Err(Broken { failure, .. }) if failure.leaves_connection() => {
            at("RSET")(Failure::Garbled("RSET was refused".into()))
        }
        Err(lost) => lost,
    }
}
