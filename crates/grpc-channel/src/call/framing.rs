//! Where the messages of one direction of a call begin and end.
//!
//! HTTP/2 cuts the bytes as it likes; [gRPC over HTTP/2] puts a flag and a length before each message.
//!
//! [gRPC over HTTP/2]: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md

/// The length of what precedes a message: a flag and four bytes of length.
const PREFIX: usize = 5;

/// How far the bytes of one direction have come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Framing {
    prefix: [u8; PREFIX],
    /// How much of the prefix is there.
    known: usize,
    /// How much of the message is still to come.
    left: usize,
}

// === impl Framing ===

impl Framing {
    /// Looks at the next bytes, which may hold several messages or a part of one, and gives `began`
    /// the length of each message as soon as it is known. Returns how many of the bytes belong to
    /// messages.
    ///
    /// # Errors
    ///
    /// What `began` returns; nothing is to be read after that.
    pub(crate) fn read<E>(
        &mut self,
        mut data: &[u8],
        mut began: impl FnMut(u32) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut bytes = 0;
        while !data.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(data.len());
                self.left -= skipped;
                data = &data[skipped..];
                bytes += skipped as u64;
                continue;
            }
            let taken = (PREFIX - self.known).min(data.len());
            let (prefix, rest) = data.split_at(taken);
            self.prefix[self.known..self.known + taken].copy_from_slice(prefix);
            self.known += taken;
            data = rest;
            if self.known == PREFIX {
                self.known = 0;
                let [_, length @ ..] = self.prefix;
                let length = u32::from_be_bytes(length);
                began(length)?;
                self.left = length as usize;
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    proptest! {
        #[test]
        fn messages_are_told_from_what_stands_before_them_however_the_bytes_are_cut(
            lengths in prop::collection::vec(0u32..40, 0..8),
            cut in 1usize..30,
        ) {
            let mut encoded = Vec::new();
            for length in &lengths {
                encoded.push(0);
                encoded.extend(length.to_be_bytes());
                encoded.resize(encoded.len() + *length as usize, 0xff);
            }
            let mut framing = Framing::default();
            let (mut begun, mut bytes) = (Vec::new(), 0);
            for chunk in encoded.chunks(cut) {
                bytes += framing
                    .read(chunk, |length| {
                        begun.push(length);
                        Ok::<_, Infallible>(())
                    })
                    .unwrap();
            }
            prop_assert_eq!(bytes, lengths.iter().copied().map(u64::from).sum::<u64>());
            prop_assert_eq!(begun, lengths);
        }
    }
}
