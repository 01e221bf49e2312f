//! The fields of protobuf messages in a file, one after the other, without reading what is not asked for.

use std::io::{self, BufReader, Read, Seek};

/// Types of fields, by the lowest bits of their keys.
const NUMBER: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// A field, of which all has been read but its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// A number, which has been read.
    Number { key: u64, value: u64 },
    /// A number of so many bytes.
    Fixed { key: u64, length: u64 },
    /// So many bytes: a message, a text, or bytes.
    Bytes { key: u64, length: u64 },
}

impl Field {
    /// The field's number in the schema.
    pub(super) const fn number(self) -> u64 {
        let (Self::Number { key, .. } | Self::Fixed { key, .. } | Self::Bytes { key, .. }) = self;
        key >> 3
    }
}

/// A file of messages.
pub(super) struct Wire<R> {
    reader: BufReader<R>,
    at: u64,
}

impl<R: Read + Seek> Wire<R> {
    /// A file from its beginning.
    pub(super) fn new(file: R) -> Self {
        Self { reader: BufReader::new(file), at: 0 }
    }

    /// Offset in the file of what is read next.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// The next field of a message that ends at an offset. Its contents have to be copied, skipped, or read as a message
    /// before the field after it.
    pub(super) fn next(&mut self, end: u64) -> io::Result<Option<Field>> {
        if self.at == end {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            NUMBER => Field::Number { key, value: self.varint()? },
            FIXED64 => Field::Fixed { key, length: 8 },
            FIXED32 => Field::Fixed { key, length: 4 },
            BYTES => Field::Bytes { key, length: self.varint()? },
            other => return Err(damaged(&format!("there are no fields of type {other}"))),
        };
        let (Field::Fixed { length, .. } | Field::Bytes { length, .. }) = field else {
            return if self.at <= end { Ok(Some(field)) } else { Err(too_long()) };
        };
        let fits = end.checked_sub(self.at).is_some_and(|left| length <= left);
        if fits { Ok(Some(field)) } else { Err(too_long()) }
    }

    /// Adds a field with its contents to a message.
    pub(super) fn copy(&mut self, field: Field, to: &mut Vec<u8>) -> io::Result<()> {
        match field {
            Field::Number { key, value } => {
                put_varint(to, key);
                put_varint(to, value);
                Ok(())
            }
            Field::Fixed { key, length } => {
                put_varint(to, key);
                self.take(length, to)
            }
            Field::Bytes { key, length } => {
                put_varint(to, key);
                put_varint(to, length);
                self.take(length, to)
            }
        }
    }

    /// Passes over contents.
    pub(super) fn skip(&mut self, length: u64) -> io::Result<()> {
        self.at += length;
        self.reader.seek_relative(i64::try_from(length).map_err(|_| too_long())?)
    }

    fn take(&mut self, length: u64, to: &mut Vec<u8>) -> io::Result<()> {
        let read = (&mut self.reader).take(length).read_to_end(to)?;
        self.at += length;
        if read as u64 == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Seven bits a byte, the lowest first.
    fn varint(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let mut byte = [0];
            self.reader.read_exact(&mut byte)?;
            self.at += 1;
            number |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] < 0x80 {
                return Ok(number);
            }
        }
        Err(damaged("a number goes on beyond 64 bits"))
    }
}

/// Adds a field of bytes to a message.
pub(super) fn put_bytes(message: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(message, number << 3 | BYTES);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

/// Adds a field with a number to a message.
pub(super) fn put_number(message: &mut Vec<u8>, number: u64, value: u64) {
    put_varint(message, number << 3 | NUMBER);
    put_varint(message, value);
}

#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are meant")]
fn put_varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn too_long() -> io::Error {
    damaged("a field goes on after the end of its message")
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::{collection::vec, prelude::*};
    use prost::Message;

    use super::*;
    use crate::onnx::proto::{StringStringEntryProto, TensorProto};

    /// Copies every field of a message.
    fn copied(bytes: &[u8], end: u64) -> io::Result<Vec<u8>> {
        let mut wire = Wire::new(Cursor::new(bytes));
        let mut copy = Vec::new();
        while let Some(field) = wire.next(end)? {
            wire.copy(field, &mut copy)?;
        }
        Ok(copy)
    }

    #[test]
    fn a_message_that_ends_within_a_field_is_refused() {
        let mut message = Vec::new();
        put_bytes(&mut message, 1, b"abc");
        put_number(&mut message, 2, 1 << 40);
        let whole = message.len() as u64;
        assert_eq!(copied(&message, whole).unwrap(), message);
        for end in (0..whole).filter(|end| ![0, 5].contains(end)) {
            assert!(copied(&message, end).is_err(), "the message ends after {end} bytes");
            assert!(
                copied(&message[..usize::try_from(end).unwrap()], whole).is_err(),
                "the file ends after {end} bytes"
            );
        }
    }

    #[test]
    fn lengths_that_no_file_has_are_refused() {
        for length in [u64::MAX, u64::MAX - 3, 1 << 63, 1 << 40] {
            let mut message = vec![1 << 3 | 2];
            put_varint(&mut message, length);
            message.extend_from_slice(&[0; 8]);
            let end = message.len() as u64;
            assert!(copied(&message, end).is_err(), "{length}");
        }
    }

    #[test]
    fn types_that_there_are_not_are_refused() {
        for key in [3, 4, 6, 7] {
            assert!(copied(&[key, 0], 2).is_err());
        }
        assert!(copied(&[0xff; 12], 12).unwrap_err().to_string().contains("64 bits"));
    }

    proptest! {
        #[test]
        fn what_is_copied_means_the_same(
            dims in vec(any::<i64>(), 0..5),
            floats in vec(any::<i16>(), 0..9),
            raw in vec(any::<u8>(), 0..300),
            text in "[a-zé]{0,9}",
        ) {
            let entry = StringStringEntryProto { key: Some(text.clone()), value: Some(text.clone()) };
            let tensor = TensorProto {
                dims,
                float_data: floats.into_iter().map(f32::from).collect(),
                raw_data: Some(raw),
                name: Some(text),
                external_data: vec![entry],
                ..TensorProto::default()
            };
            let bytes = tensor.encode_to_vec();
            let copy = copied(&bytes, bytes.len() as u64).unwrap();
            prop_assert_eq!(TensorProto::decode(copy.as_slice()).unwrap(), tensor);
        }

        #[test]
        fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = copied(&bytes, bytes.len() as u64);
        }
    }
}
