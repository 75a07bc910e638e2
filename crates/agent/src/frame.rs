//! Frames: a length as four bytes, big end first, and that many bytes of JSON.
//!
//! Works on any reader and writer, and on pieces of a stream as they arrive ([`Splitter`]). A
//! frame that claims more than [`MAX_FRAME`] bytes is an error before anything is allocated.

use std::io::{self, Read, Write};

use serde::Serialize;

/// The most bytes in a frame, without its length.
pub const MAX_FRAME: usize = 16 << 20;

/// The bytes of one frame. Fails if the message is too large.
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - 4;
    if length > MAX_FRAME {
        return Err(too_large(length));
    }
    let length = u32::try_from(length).map_err(|_| too_large(length))?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

/// Writes one message and flushes.
pub fn write<T: Serialize>(writer: &mut impl Write, message: &T) -> io::Result<()> {
    writer.write_all(&encode(message)?)?;
    writer.flush()
}

/// Reads the JSON of one frame; `None` at the end of the stream. An end inside a frame is an
/// error of kind `UnexpectedEof`.
pub fn read(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut have = 0;
    while have < 4 {
        match reader.read(&mut length[have..]) {
            Ok(0) if have == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(more) => have += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(too_large(length));
    }
    let mut json = vec![0; length];
    reader.read_exact(&mut json)?;
    Ok(Some(json))
}

/// Cuts a stream that arrives in pieces into frames.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
}

impl Splitter {
    /// Takes the next piece of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The JSON of the next whole frame, if one has arrived. Fails if the stream is not one of
    /// frames: then it cannot be read any further.
    pub fn next_frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(length) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_FRAME {
            return Err(too_large(length));
        }
        if self.buffer.len() < 4 + length {
            return Ok(None);
        }
        let rest = self.buffer.split_off(4 + length);
        let mut frame = std::mem::replace(&mut self.buffer, rest);
        frame.drain(..4);
        Ok(Some(frame))
    }

    /// What has arrived of a frame that is not whole.
    pub fn rest(&self) -> &[u8] {
        &self.buffer
    }
}

fn too_large(length: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a frame of {length} bytes, more than the {MAX_FRAME} allowed: not our protocol"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_pieces() {
        let mut stream = encode(&"one").unwrap();
        stream.extend(encode(&vec![2; 300]).unwrap());
        for size in [1, 3, 4, 7, 1000] {
            let mut splitter = Splitter::default();
            let mut frames = Vec::new();
            for piece in stream.chunks(size) {
                splitter.push(piece);
                while let Some(frame) = splitter.next_frame().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames.len(), 2);
            assert_eq!(frames[0], b"\"one\"");
        }
        let mut reader = stream.as_slice();
        assert_eq!(read(&mut reader).unwrap().unwrap(), b"\"one\"");
        assert!(read(&mut reader).unwrap().is_some());
        assert!(read(&mut reader).unwrap().is_none());
    }

    #[test]
    fn a_login_banner_is_refused_at_once() {
        let mut splitter = Splitter::default();
        splitter.push(b"Welcome to Debian");
        assert!(splitter.next_frame().is_err());
        assert!(read(&mut b"Welcome".as_slice()).is_err());
        assert!(read(&mut b"\0\0\0\x09half".as_slice()).is_err());
    }
}
