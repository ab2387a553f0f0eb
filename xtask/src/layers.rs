//! Programs of Debian for the tests, each installed in layers over the system's own folders.
//!
//! Packages of mail servers exclude each other, and a test has no business in the system's mail.
//! So apt installs each in a name space of its own, whose `/usr`, `/etc` and `/var` write to a
//! folder under `target/layers`: users, queues and settings are there as Debian makes them, and the
//! system sees nothing of it. The tests show these layers to the programs (`cassmail_e2e`,
//! `Enclosure`).

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::command::{command, root, say};

/// What the tests send with, and what they fetch with. Thunderbird is 88 MB to load and 306 MB on
/// the disk; the others are small.
const PACKAGES: [&str; 4] = ["exim4-daemon-light", "opensmtpd", "postfix", "thunderbird"];

/// Installs the package `$2` in layers in `$1`. No service starts, and nobody needs the index of
/// manuals.
const INSTALL: &str = r#"
own=$1 package=$2
for folder in usr etc var; do
    mkdir -p "$own/$folder" "$own/work/$folder"
    mount -t overlay overlay -o "lowerdir=/$folder" \
        -o "upperdir=$own/$folder,workdir=$own/work/$folder" "/$folder"
done
mkdir -p "$own/run"
mount --bind "$own/run" /run
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
rm -f /var/lib/man-db/auto-update
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends "$package" > "$own/log" 2>&1; }
# Old lists may do.
install || { apt-get update -qq && install; } || { cat "$own/log"; exit 1; }
apt-get clean
"#;

/// The packages whose layers are not there.
pub(crate) fn missing() -> Vec<&'static str> {
    let there = |package: &&str| folder(package).join("complete").is_file();
    PACKAGES
        .into_iter()
        .filter(|package| !there(package))
        .collect()
}

/// Installs one, anew if what is there is not complete.
pub(crate) fn install(package: &str) -> Result<()> {
    let folder = folder(package);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("{} stays", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    let own = folder.display().to_string();
    let spaces = [
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--",
    ];
    let mut unshare = command("unshare", &spaces);
    unshare.args(["sh", "-euc", INSTALL, "install", &own, package]);
    say(&format!(
        "installing {package} in {own}, for the tests alone"
    ));
    let status = unshare.status().context("failed to start unshare")?;
    if !status.success() {
        bail!("{package} could not be installed in layers: {status}");
    }
    fs::write(folder.join("complete"), "")?;
    Ok(())
}

fn folder(package: &str) -> PathBuf {
    root().join("target/layers").join(package)
}
