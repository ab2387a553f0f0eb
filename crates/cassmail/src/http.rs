//! The HTTP API on TCP: its ports, their certificates, and who is let in.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use cassmail_admin::{
    AdminDoor, AdminListener, Conversation, Handshake, HealthAccess, LoginAuthenticator, NoTls,
    Pages, Readings, Tls, remote_administration, serve_administrators,
};
use cassmail_net::TlsService;
use cassmail_telemetry::event;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};

use crate::exit::{Failure, Outcome};
use crate::serve::{House, bind_tcp};
use crate::wiring;

/// A port that is served until the service ends.
pub(crate) type Served = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Opens the ports that are configured.
pub(crate) fn listen(
    house: &House<'_>,
    figures: &Readings,
    stopped: &watch::Receiver<bool>,
) -> Outcome<Vec<Served>> {
    let admin = &house.settings.admin;
    let connections = Arc::new(Semaphore::new(admin.max_connections as usize));
    let router = router(house, figures)?;
    let secured = tls(house)?;
    let of_tls = admin.listen.iter().filter_map(|address| {
        let tls = secured.clone()?;
        Some(("admin.listen", *address, tls))
    });
    let in_clear: Arc<dyn Tls> = Arc::new(NoTls);
    let of_clear = admin
        .listen_in_clear
        .iter()
        .map(|address| ("admin.listen_in_clear", *address, Arc::clone(&in_clear)));
    let mut served = Vec::new();
    for (setting, address, tls) in of_tls.chain(of_clear) {
        let port = AdminListener {
            listener: bind_tcp(setting, address)?,
            tls,
            connections: Arc::clone(&connections),
            handshake: house.settings.tls.handshake_timeout.0,
        };
        announce(&port, address);
        let serving = serve_administrators(port, router.clone(), stopped.clone());
        served.push(Box::pin(serving) as Served);
    }
    Ok(served)
}

fn announce(port: &AdminListener, asked: SocketAddr) {
    let address = port.listener.local_addr().unwrap_or(asked);
    let listener = "admin";
    tracing::info!(event = event::LISTENER_READY, listener, server.address = %address);
}

fn router(house: &House<'_>, figures: &Readings) -> Outcome<Router> {
    let limits = wiring::server_options(house.settings, house.clock)?.limits;
    let logins = Arc::new(LoginAuthenticator {
        logins: Arc::clone(&house.office.admin_logins),
        metrics: Arc::clone(house.metrics),
    });
    let pages = Pages {
        logins: Arc::clone(&logins),
    };
    let door = AdminDoor {
        authenticators: vec![logins],
        health: if house.settings.admin.health_without_login {
            HealthAccess::Anybody
        } else {
            HealthAccess::LoggedIn
        },
        source_of: Arc::new(move |address| limits.source_of(address)),
    };
    let keeper = Arc::clone(&house.opened.keeper);
    let administered = house.administered();
    Ok(remote_administration(
        administered,
        keeper,
        figures.clone(),
        door,
        pages,
    ))
}

/// None where there is no certificate, as in development mode.
fn tls(house: &House<'_>) -> Outcome<Option<Arc<dyn Tls>>> {
    let Some(certificates) = house.certificates else {
        return Ok(None);
    };
    let service = TlsService::new(certificates, &["http/1.1"]).map_err(Failure::configuration)?;
    Ok(Some(Arc::new(OfTheService(service))))
}

/// TLS with the certificates of the service, also after they are loaded anew.
struct OfTheService(TlsService);

impl Tls for OfTheService {
    fn accept(&self, stream: TcpStream) -> Handshake<'_> {
        Box::pin(async move {
            let (stream, _) = self.0.accept(stream).await?;
            Ok(Box::new(stream) as Box<dyn Conversation>)
        })
    }
}
