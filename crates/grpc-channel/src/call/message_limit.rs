//! The largest message of a call, told by the length that stands before each message.
//!
//! A message is refused as soon as its length is known, before it is there as a whole.

use tonic::Status;

use super::framing::Framing;

/// Watches the bytes of one direction of a call.
#[derive(Clone, Debug)]
pub(crate) struct MessageLimit {
    most: u32,
    direction: &'static str,
    framing: Framing,
}

// === impl MessageLimit ===

impl MessageLimit {
    /// For requests, where `None` does not limit.
    pub(crate) fn requests(most: Option<u32>) -> Option<Self> {
        most.map(|most| Self::new(most, "request"))
    }

    /// For responses, where `None` does not limit.
    pub(crate) fn responses(most: Option<u32>) -> Option<Self> {
        most.map(|most| Self::new(most, "response"))
    }

    fn new(most: u32, direction: &'static str) -> Self {
        Self {
            most,
            direction,
            framing: Framing::default(),
        }
    }

    /// Looks at the next bytes, which may hold several messages or a part of one.
    ///
    /// # Errors
    ///
    /// `RESOURCE_EXHAUSTED` when a message is larger than the limit.
    pub(crate) fn check(&mut self, data: &[u8]) -> Result<(), Status> {
        let Self {
            most, direction, ..
        } = *self;
        let read = self.framing.read(data, |length| {
            if length > most {
                return Err(too_large(direction, length, most));
            }
            Ok(())
        });
        read.map(drop)
    }
}

fn too_large(direction: &str, length: u32, most: u32) -> Status {
    Status::resource_exhausted(format!(
        "a {direction} of {length} bytes is larger than the service config allows: {most} bytes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tonic::Code;

    /// Messages of these lengths as they are sent.
    fn encode(lengths: &[u32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for length in lengths {
            bytes.push(0);
            bytes.extend(length.to_be_bytes());
            bytes.resize(bytes.len() + *length as usize, 0xff);
        }
        bytes
    }

    #[test]
    fn a_message_is_refused_by_its_length_alone() {
        let mut limit = MessageLimit::new(10, "request");
        limit.check(&encode(&[10])).unwrap();
        let status = limit.check(&encode(&[11])[..5]).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(
            status.message(),
            "a request of 11 bytes is larger than the service config allows: 10 bytes"
        );
    }

    proptest! {
        #[test]
        fn the_largest_message_decides_however_the_bytes_are_cut(
            lengths in prop::collection::vec(0u32..40, 0..8),
            cut in 1usize..30,
            most in 0u32..40,
        ) {
            let mut limit = MessageLimit::new(most, "response");
            let passed = encode(&lengths).chunks(cut).all(|chunk| limit.check(chunk).is_ok());
            prop_assert_eq!(passed, lengths.iter().all(|length| *length <= most));
        }
    }
}
