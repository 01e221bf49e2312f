//! Frames on a pipe: a length of four bytes, the lowest first, then so many bytes of JSON.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// The longest frame, in bytes. A reply that a relay takes is far shorter.
pub(crate) const MAX_FRAME: u32 = 64 << 20;

/// Why no frame could be read.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    /// The announced length is beyond the limit.
    #[error("a frame of {0} bytes, more than the {MAX_FRAME} that are allowed")]
    TooLong(u32),
    /// The pipe ended in the middle of a frame.
    #[error("it ended in the middle of a frame")]
    CutOff,
    /// The bytes are not a message of this version.
    #[error("not a message: {0}")]
    Garbage(#[from] serde_json::Error),
    /// The pipe failed.
    #[error("the pipe failed: {0}")]
    Pipe(#[from] io::Error),
}

/// Writes one message, in one piece.
pub(crate) fn write(pipe: &mut impl Write, message: &impl Serialize) -> Result<(), FrameError> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    frame[..4].copy_from_slice(&length.to_le_bytes());
    pipe.write_all(&frame)?;
    Ok(pipe.flush()?)
}

/// Reads one message; `None` if the pipe ended before it. What is read is never longer than what is there: a length
/// alone reserves no memory.
pub(crate) fn read<T: DeserializeOwned>(pipe: &mut impl Read) -> Result<Option<T>, FrameError> {
    let mut length = Vec::with_capacity(4);
    pipe.take(4).read_to_end(&mut length)?;
    let length = match <[u8; 4]>::try_from(length) {
        Ok(bytes) => u32::from_le_bytes(bytes),
        Err(bytes) if bytes.is_empty() => return Ok(None),
        Err(_) => return Err(FrameError::CutOff),
    };
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    let mut json = Vec::new();
    pipe.take(length.into()).read_to_end(&mut json)?;
    if json.len() < length as usize {
        return Err(FrameError::CutOff);
    }
    Ok(Some(serde_json::from_slice(&json)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(message: &impl Serialize) -> Vec<u8> {
        let mut pipe = Vec::new();
        write(&mut pipe, message).unwrap();
        pipe
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_read() {
        let bytes = (MAX_FRAME + 1).to_le_bytes();
        assert!(matches!(read::<String>(&mut bytes.as_slice()), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn what_does_not_fit_is_not_sent() {
        let mut pipe = Vec::new();
        let long = "x".repeat(MAX_FRAME as usize);
        assert!(matches!(write(&mut pipe, &long), Err(FrameError::TooLong(_))));
        assert!(pipe.is_empty());
    }

    #[test]
    fn a_frame_that_is_cut_anywhere_is_no_frame() {
        let whole = framed(&"hello");
        for end in 1..whole.len() {
            assert!(matches!(read::<String>(&mut &whole[..end]), Err(FrameError::CutOff)), "{end}");
        }
        assert!(read::<String>(&mut [].as_slice()).unwrap().is_none());
    }

    proptest! {
        #[test]
        fn messages_survive_the_round_trip_in_their_order(messages: Vec<String>) {
            let pipe: Vec<u8> = messages.iter().flat_map(framed).collect();
            let mut pipe = pipe.as_slice();
            for message in messages {
                prop_assert_eq!(read::<String>(&mut pipe).unwrap(), Some(message));
            }
            prop_assert!(read::<String>(&mut pipe).unwrap().is_none());
        }

        #[test]
        fn no_bytes_bring_the_reader_down(bytes: Vec<u8>) {
            let _ = read::<String>(&mut bytes.as_slice());
        }
    }
}
