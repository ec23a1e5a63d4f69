//! Where the messages of one direction of a call begin: five bytes tell the length of each before the
//! message itself is there (gRPC's Length-Prefixed-Message). HTTP/2 cuts the bytes as it likes.

/// Where in the sequence of messages a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Framing {
    /// What is left of the current message.
    left: usize,
    prefix: [u8; 5],
    /// How much of the next message's prefix has arrived.
    known: usize,
}

// === impl Framing ===

impl Framing {
    /// Looks at the next part of a body, which may hold several messages or a part of one, and tells
    /// `began` the length of each message as soon as it is known. Stops, and returns false, when
    /// `began` does; nothing is to be read after that.
    pub(crate) fn read(&mut self, mut data: &[u8], mut began: impl FnMut(usize) -> bool) -> bool {
        loop {
            let skipped = self.left.min(data.len());
            self.left -= skipped;
            data = &data[skipped..];
            let Some((first, rest)) = data.split_first() else {
                return true;
            };
            self.prefix[self.known] = *first;
            self.known += 1;
            data = rest;
            if self.known == self.prefix.len() {
                let [_, length @ ..] = self.prefix;
                self.known = 0;
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                if !began(self.left) {
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the network cuts a body into pieces, the same messages are in it.
        #[test]
        fn every_message_is_told_of_once_and_in_order(
            sizes in prop::collection::vec(0..200_usize, 0..8),
            piece in 1..40_usize,
        ) {
            let mut body = Vec::new();
            for size in &sizes {
                body.push(0);
                body.extend(u32::try_from(*size).unwrap().to_be_bytes());
                body.resize(body.len() + size, 0xff);
            }
            let (mut framing, mut seen) = (Framing::default(), Vec::new());
            for piece in body.chunks(piece) {
                let all = framing.read(piece, |size| {
                    seen.push(size);
                    true
                });
                prop_assert!(all);
            }
            prop_assert_eq!(seen, sizes);
        }
    }
}
