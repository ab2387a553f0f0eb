//! What the process tells of itself to those who administer: its certificates, and reloads.

use cassmail_admin::{CertificateShown, ReloadShown, ServiceKeeper, Told};
use cassmail_net::{Certificates, Clock};
use tokio::sync::{mpsc, oneshot};

/// Requests to load anew, each with the place for its answer.
pub(crate) type Reloads = mpsc::Receiver<oneshot::Sender<Result<ReloadShown, String>>>;

/// The running service.
pub(crate) struct Service {
    certificates: Option<Certificates>,
    clock: Clock,
    reloads: mpsc::Sender<oneshot::Sender<Result<ReloadShown, String>>>,
}

impl Service {
    /// A service, and what it is asked.
    pub(crate) fn new(certificates: Option<Certificates>, clock: &Clock) -> (Self, Reloads) {
        let (reloads, asked) = mpsc::channel(1);
        let service = Self {
            certificates,
            clock: clock.clone(),
            reloads,
        };
        (service, asked)
    }
}

impl ServiceKeeper for Service {
    fn certificates(&self) -> Vec<CertificateShown> {
        let now = self.clock.wall_micros();
        let described = self.certificates.as_ref().map(Certificates::described);
        let described = described.into_iter().flatten();
        let shown = described.map(|(names, expiry)| CertificateShown {
            names,
            not_after: expiry.0,
            days_left: expiry.days_left(now),
        });
        shown.collect()
    }

    fn reload(&self) -> Told<'_, ReloadShown> {
        Box::pin(async move {
            let (answer, told) = oneshot::channel();
            let ending = || "the service is ending".to_owned();
            self.reloads.send(answer).await.map_err(|_| ending())?;
            told.await.map_err(|_| ending())?
        })
    }
}
