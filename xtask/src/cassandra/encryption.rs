//! Certificates of a cluster whose clients may encrypt: an authority, one certificate for all
//! nodes, and one for clients.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType,
};

use super::place::Place;
use super::settings::Settings;

/// Makes them, once for the data of a cluster: what clients were given goes on to be right.
pub(super) fn prepare(place: &Place, settings: &Settings) -> Result<()> {
    let folder = place.encryption();
    if folder.is_dir() {
        return Ok(());
    }
    let staging = folder.with_extension("new");
    fs::create_dir_all(&staging)?;
    write_all(&staging, place, settings).context("failed to make certificates")?;
    fs::rename(staging, folder)?;
    Ok(())
}

fn write_all(folder: &Path, place: &Place, settings: &Settings) -> Result<()> {
    let authority = Authority::new()?;
    let nodes = settings.layout.nodes().into_iter();
    // Drivers know nodes by their addresses alone.
    let addresses = nodes.map(|node| SanType::IpAddress(place.net.outer(node).into()));
    let (node, node_key) = authority.certify("a node", addresses.collect())?;
    let (client, client_key) = authority.certify("a client", Vec::new())?;
    for (name, text) in [
        ("authority.pem", &authority.certificate),
        ("node.pem", &format!("{node_key}{node}")),
        ("client.pem", &client),
        ("client.key", &client_key),
    ] {
        let mut file = fs::OpenOptions::new();
        let file = file.write(true).create(true).mode(0o600);
        let mut file = file.open(folder.join(name))?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
    }
    Ok(())
}

/// Who signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// In PEM form.
    certificate: String,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = named("an authority for tests", Vec::new());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// A certificate and its key, in PEM form.
    fn certify(&self, name: &str, addresses: Vec<SanType>) -> Result<(String, String)> {
        let key = KeyPair::generate()?;
        let certificate = named(name, addresses).signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

fn named(name: &str, addresses: Vec<SanType>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.subject_alt_names = addresses;
    params
}

/// Lines for `cassandra.yaml`. Both ways are open: the tools of this program speak in clear.
pub(super) fn yaml(place: &Place) -> String {
    let at = place.encryption();
    let at = at.display();
    format!(
        "client_encryption_options:
  enabled: true
  optional: true
  require_client_auth: true
  keystore: \"{at}/node.pem\"
  truststore: \"{at}/authority.pem\"
  ssl_context_factory:
    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory
"
    )
}
