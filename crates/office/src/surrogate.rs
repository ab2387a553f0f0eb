//! Internationalized mail for clients that read ASCII headers only: which messages need a
//! surrogate, how large it is, and giving it out.
//!
//! Only what was sent with SMTPUTF8 (RFC 6531) is internationalized mail. Octets over 127 in other
//! headers are older habits in unknown character sets; they are not touched, as nothing else is in
//! such messages. See `docs/adr/0021-surrogates.md`.

use bytes::Bytes;
use cassmail_store::{BodyReader, StoreResult, Work};
use cassmail_surrogate::Surrogate;

/// Computes the size of a message's surrogate while the message comes in.
pub(crate) struct Gauge {
    surrogate: Surrogate,
    size: u64,
    /// What a piece became, for its length alone.
    scratch: Vec<u8>,
}

impl Gauge {
    pub(crate) fn new() -> Self {
        Self {
            surrogate: Surrogate::default(),
            size: 0,
            scratch: Vec::new(),
        }
    }

    pub(crate) fn take(&mut self, piece: &[u8]) {
        self.surrogate.take(piece, &mut self.scratch);
        self.count();
    }

    /// The size, if the surrogate is another message.
    pub(crate) fn finish(mut self) -> Option<u64> {
        self.surrogate.finish(&mut self.scratch);
        self.count();
        self.surrogate.has_changed().then_some(self.size)
    }

    fn count(&mut self) {
        self.size += self.scratch.len() as u64;
        self.scratch.clear();
    }
}

/// Gives out the surrogate of a body.
pub(crate) struct AsSurrogate {
    body: Box<dyn BodyReader>,
    /// None when the body is over.
    surrogate: Option<Surrogate>,
}

impl AsSurrogate {
    pub(crate) fn new(body: Box<dyn BodyReader>) -> Self {
        Self {
            body,
            surrogate: Some(Surrogate::default()),
        }
    }

    /// Reads on until there is something to give out: much of a header may be left out.
    async fn next_piece(&mut self) -> StoreResult<Option<Bytes>> {
        while let Some(surrogate) = &mut self.surrogate {
            let mut output = Vec::new();
            match self.body.next().await? {
                Some(piece) => surrogate.take(&piece, &mut output),
                None => {
                    surrogate.finish(&mut output);
                    self.surrogate = None;
                }
            }
            if !output.is_empty() {
                return Ok(Some(output.into()));
            }
        }
        Ok(None)
    }
}

impl BodyReader for AsSurrogate {
    fn next(&mut self) -> Work<'_, Option<Bytes>> {
        Box::pin(self.next_piece())
    }
}
