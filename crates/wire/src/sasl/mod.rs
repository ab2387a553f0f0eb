//! The server's side of SASL (RFC 4422 3), shared by SMTP (RFC 4954) and POP3 (RFC 5034).
//!
//! An exchange is a small machine of its own: responses go in, challenges, questions or the
//! client's claim come out. Where an exchange of SCRAM begins (salt, iterations, nonce) and whether
//! a claim is true are questions for the desk; so no password, key or randomness is kept here, and
//! a test can play every part.
//!
//! ```text
//!          begin          respond                   the desk's verdict
//!  (none) ------> Exchange ------> Claimed ----------------------------> done, or a last
//!                  ^    |                                                challenge, which the
//!                  |    +--> Starting ---> (the desk: ScramStart)        client has to answer
//!                  +-----------------------+
//! ```

mod bearer;
mod claim;
mod exchange;
mod mechanism;
mod password;
mod prepared;
mod response;
pub mod scram;

pub use bearer::BearerForm;
pub use claim::{Acceptance, Claim, Proof};
pub use exchange::{Conclusion, Exchange, Refusal, SaslStep};
pub use mechanism::{BearerOffer, Channel, Mechanism, Offer, ScramOffer};
pub use prepared::prepared;
pub use response::{Response, encode_challenge};
