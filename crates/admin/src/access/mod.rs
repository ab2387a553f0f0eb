//! Who may do what: one table, and one gate that everything goes through.
//!
//! A request comes with a [`Principal`](cassmail_office::Principal), put there by whoever knows who
//! it is: [`owned`] for the socket, [`guarded`] for TCP, which asks an [`Authenticator`]. The gate
//! looks up the route in [`rules`], asks for its scope, finds the domain that the request is about,
//! compares what the caller knows with what is there (`If-Match`), and writes changes into the
//! audit log before and after. A route that is not in the table is refused to everybody.

mod authenticate;
mod body;
mod caller;
mod etag;
mod gate;
mod rules;
mod turns;

pub use authenticate::{
    AdminDoor, Authenticator, Claimant, HealthAccess, Judged, LoginAuthenticator, Refused,
};
pub(crate) use authenticate::{comes_from_elsewhere, guarded, protect};
pub(crate) use body::LARGEST_BODY;
pub(crate) use caller::{Caller, Origin, SocketPeer, owned};
pub(crate) use gate::{Gate, pass};
pub(crate) use rules::{Needs, Of, RULES, Rule};
