//! Settings: the file format, its defaults, the layers, and what can be wrong with them.
//!
//! `default.toml` is complete and commented. It is the base layer at run time, what `cassmail
//! config default` prints, and what `docs/configuration.md` is made of. A setting that is not in it
//! does not exist. On top of it come a file and the environment; unknown keys in either are errors.
//!
//! Everything is parsed into real types at once, so that an error names file, line, key and
//! expectation, in one line.
//!
//! Absent on purpose: behaviour. Each crate has options of its own; the binary converts. Passwords
//! and keys: settings name their files, so that nothing that is shown has to be masked.
//!
//! Read first: [`Settings`], [`load`], `default.toml`.

mod changes;
mod documentation;
mod environment;
mod error;
mod known;
mod layer;
mod reader;
mod relations;
mod secret;
mod settings;
mod show;
mod value;

pub use changes::changes;
pub use documentation::documentation;
pub use error::{Problem, Problems};
pub use layer::{Loaded, Origin, load, load_path};
pub use relations::{Advice, check};
pub use secret::{Secret, SecretError, check_secret_file, read_secret};
pub use settings::{
    Admin, BareNewline, Cassandra, Codec, Directory, Embedded, Identity, Language, Limits,
    Listener, LocalPartCase, Log, LogFormat, Login, Pop3, Retention, RetentionMode, Role, Settings,
    Shutdown, Smtp, Store, StoreKind, Tls,
};
pub use show::{Shown, show};
pub use value::{ByteSize, FileMode, FilePairs, Interval, Replicas};

/// The commented defaults, which are the documentation and the base layer.
pub const DEFAULT: &str = include_str!("../default.toml");
