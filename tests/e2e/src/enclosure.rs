//! A machine of its own for programs that want to be at home on one.
//!
//! Debian's mail servers cannot be installed beside each other and have paths built in, and
//! Thunderbird reads what it is to do from its own folder.
//! `cargo xtask setup` lets apt install each into layers over the system's own folders, where it
//! finds the defaults that Debian gives it and disturbs nobody; see `xtask/src/layers.rs`. Here
//! such layers are shown to the programs of a test, under one of the test's own that takes what
//! they write. They see the processes of their enclosure alone, and end with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{Ended, Process, run};

/// Shows the layers in `$1` and `$2` in place of the system's folders, and runs the rest. It stays
/// beside that, since programs that change who they are do not die with their parent, and the first
/// process of an enclosure has to.
const ENTER: &str = r#"
layers=$1 own=$2
shift 2
for folder in usr etc var; do
    mkdir -p "$own/$folder" "$own/work/$folder"
    mount -t overlay overlay -o "lowerdir=$layers/$folder:/$folder" \
        -o "upperdir=$own/$folder,workdir=$own/work/$folder" "/$folder"
done
mkdir -p "$own/run"
mount --bind "$own/run" /run
"$@" || exit
"#;

/// Where `cargo xtask setup` puts the layers of a package. Cargo runs tests in the folder of
/// theirs.
pub fn layers(package: &str) -> Option<PathBuf> {
    let layers = Path::new("../../target/layers").join(package);
    layers.join("complete").canonicalize().ok()?;
    layers.canonicalize().ok()
}

/// Folders over the system's own, which stay when what runs in them ends.
#[derive(Debug)]
pub struct Enclosure {
    layers: PathBuf,
    own: PathBuf,
}

impl Enclosure {
    /// Layers of a package under those of a test, in an empty folder of the test.
    ///
    /// # Panics
    ///
    /// When there is no room.
    pub fn new(layers: PathBuf, own: PathBuf) -> Self {
        for name in ["usr", "etc", "var", "run", "work"] {
            let folder = own.join(name);
            fs::create_dir_all(&folder).expect("there is room for temporary files");
            // Others than root walk through them.
            for folder in [&own, &folder] {
                let open = fs::Permissions::from_mode(0o755);
                fs::set_permissions(folder, open).expect("the folder is ours");
            }
        }
        Self { layers, own }
    }

    /// The test's own view of a file; it is there once something was written to it.
    pub fn file(&self, path: &str) -> PathBuf {
        self.own.join(path.trim_start_matches('/'))
    }

    /// Puts a file in front of the one with this path, before anything runs.
    ///
    /// # Panics
    ///
    /// When there is no room.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.file(path);
        let folder = file.parent().expect("files are in folders");
        fs::create_dir_all(folder).expect("there is room for temporary files");
        fs::write(file, text).expect("there is room for temporary files");
    }

    /// Starts a program; what it says goes to `output`. All of the enclosure ends with it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start(&self, words: &[&str], output: &Path) -> Inhabited {
        let file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(output)
            .expect("there is room for temporary files");
        let mut command = self.command(words);
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("files can be shared"))
            .stderr(file);
        Inhabited(Process::start::<&str>(&mut command, &[]))
    }

    /// Runs a program to its end in an enclosure where nothing else runs.
    ///
    /// # Panics
    ///
    /// When it cannot be started or does not end within `limit`.
    #[track_caller]
    pub fn run(&self, words: &[&str], limit: Duration) -> Ended {
        run(&mut self.command(words), b"", limit)
    }

    fn command(&self, words: &[&str]) -> Command {
        // All of them die with the thread that starts them, even when the tests are killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid"]);
        command.args(["--fork", "--kill-child", "--mount-proc", "--"]);
        command.args(["sh", "-euc", ENTER, "enter"]);
        command.arg(&self.layers).arg(&self.own).args(words);
        command.current_dir("/").env("LC_ALL", "C.UTF-8");
        command
    }
}

/// An enclosure with a program in it; dropping kills all that runs there.
#[derive(Debug)]
pub struct Inhabited(Process);

impl Inhabited {
    /// Runs another program there, to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started or does not end within `limit`.
    #[track_caller]
    pub fn run(&self, words: &[&str], limit: Duration) -> Ended {
        let id = self.0.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let child = children.unwrap_or_default().trim().to_owned();
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--pid", "--target", &child, "--wd=/", "--"]);
        command.args(words).env("LC_ALL", "C.UTF-8");
        run(&mut command, b"", limit)
    }

    /// How the program ended, if it does within `limit`.
    pub fn wait(&self, limit: Duration) -> Option<std::process::ExitStatus> {
        self.0.wait(limit)
    }

    /// Kills all that runs there in the middle of what it does.
    ///
    /// # Panics
    ///
    /// When the system does not kill it within a minute.
    pub fn kill(&self) {
        self.0.kill();
        let ended = self.0.wait(Duration::from_mins(1));
        ended.expect("killed within a minute");
    }
}
