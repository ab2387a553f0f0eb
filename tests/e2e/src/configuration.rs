//! A configuration file as an operator writes it, for the domain here.example.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Port;

/// What differs between the configurations of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Configuration {
    /// Whether there is a certificate.
    pub certificate: bool,
    /// Whether POP3 takes passwords in clear.
    pub clear_text_login: bool,
    /// Refused SMTP commands after which a session ends.
    pub max_errors: u32,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            certificate: true,
            clear_text_login: true,
            max_errors: 20,
        }
    }
}

impl Configuration {
    /// Writes the file and the certificate; gives the file.
    pub(crate) fn write(
        self,
        folder: &Path,
        offset: u16,
        store: Option<String>,
        more: &str,
    ) -> PathBuf {
        let file = folder.join("cassmail.toml");
        let mut text = self.text(folder, offset);
        text.extend(store);
        if self.certificate {
            text.push_str(&certificate(folder));
        }
        text.push_str(more);
        std::fs::write(&file, text).expect("there is room for temporary files");
        file
    }

    fn text(self, folder: &Path, offset: u16) -> String {
        let socket = format!("socket = \"{}\"", folder.join("lmtp.sock").display());
        let listeners = [
            ("mx", "mx", Port::Mx, ""),
            (
                "printers",
                "mx",
                Port::Printers,
                "bare_newline = \"convert\"",
            ),
            (
                "proxied",
                "mx",
                Port::Proxied,
                "proxy_protocol_from = [\"127.0.0.0/8\"]",
            ),
            ("lmtp", "lmtp", Port::Lmtp, &socket),
            ("submission", "submission", Port::Submission, ""),
            ("submissions", "submissions", Port::Submissions, ""),
            ("pop3", "pop3", Port::Pop3, ""),
            ("pop3s", "pop3s", Port::Pop3s, ""),
        ];
        let listeners = listeners.map(|(name, role, port, more)| {
            let port = port as u16 + offset;
            format!(
                "[[listener]]\nname = \"{name}\"\nrole = \"{role}\"\n\
                 addresses = [\"127.0.0.1:{port}\"]\n{more}\n"
            )
        });
        // Hashes and keys are cheap, segments small and answers to wrong passwords quick, as in
        // development mode.
        format!(
            "hostname = \"here.example\"\ndefault_domain = \"here.example\"\n\
             data_dir = \"{}\"\n{}\
             [smtp]\nmax_errors = {}\n[pop3]\nclear_text_login = {}\n\
             [limits]\nexempt = [\"127.0.0.0/8\"]\n\
             [login]\nmemory = \"8 KiB\"\niterations = 1\nfailure_delay = \"0s\"\n\
             scram_iterations = 4096\n\
             [store.embedded]\nsegment_size = \"16 MiB\"\nlow_water = \"64 MiB\"\n\
             [admin]\nreadings = \"127.0.0.1:{}\"\n\
             listen_in_clear = [\"127.0.0.1:{}\"]\nlisten = [{}]\n",
            folder.join("data").display(),
            listeners.concat(),
            self.max_errors,
            self.clear_text_login,
            Port::Admin as u16 + offset,
            Port::ApiInClear as u16 + offset,
            if self.certificate {
                format!("\"127.0.0.1:{}\"", Port::Api as u16 + offset)
            } else {
                String::new()
            },
        )
    }
}

/// Makes a certificate for these names, and writes it and its key.
///
/// # Panics
///
/// When there is no room.
pub fn write_certificate(names: &[&str], chain: &Path, key: &Path) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("certificates can be made");
    std::fs::write(chain, made.cert.pem()).expect("there is room for temporary files");
    std::fs::write(key, made.signing_key.serialize_pem())
        .expect("there is room for temporary files");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(key, private).expect("the file is ours");
}

/// Makes a certificate and gives the table of the configuration that names it.
fn certificate(folder: &Path) -> String {
    let chain = folder.join("certificate.pem");
    let key = folder.join("key.pem");
    write_certificate(&["here.example"], &chain, &key);
    format!(
        "[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n",
        chain.display(),
        key.display()
    )
}
