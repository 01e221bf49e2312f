//! The reply to an SD task.

use alloy::primitives::B256;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::task::{ModelId, sd_limits};

/// Bytes of one picture's hash in a result.
const HASH_BYTES: usize = 8;

/// The answer to an SD task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageReply {
    /// Says what kind of object this is.
    pub object: ImageObject,
    /// The model as the task named it.
    pub model: ModelId,
    /// The pictures, in the order of their index.
    pub data: Vec<ReplyImage>,
}

/// The type tag of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImageObject {
    /// Pictures.
    #[serde(rename = "image.list")]
    ImageList,
}

/// One picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyImage {
    /// Position among the pictures, from 0.
    pub index: u32,
    /// The PNG file: base64 in JSON.
    #[serde(rename = "b64_json", serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub png: Vec<u8>,
    /// The perceptual hash of its pixels: 16 hexadecimal digits in JSON.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub phash: u64,
}

impl ImageReply {
    /// The canonical bytes (RFC 8785) that are delivered.
    ///
    /// # Panics
    /// Never: a reply holds nothing that JSON cannot express.
    #[expect(clippy::expect_used, reason = "strings and integers always serialise")]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("a reply is always expressible in JSON")
    }

    /// The result that a node commits to for these pictures.
    pub fn result(&self) -> B256 {
        image_result(self.data.iter().map(|image| image.phash))
    }
}

/// The result of pictures with these perceptual hashes: the hash of picture i in the bytes from 8 i on, most significant
/// first; zeros behind the last. `contracts/libraries/Hamming.sol` compares such results. What has no room is left out.
pub fn image_result(hashes: impl IntoIterator<Item = u64>) -> B256 {
    let mut result = B256::ZERO;
    let places = result.chunks_exact_mut(HASH_BYTES).take(sd_limits::NUM_IMAGES.1 as usize);
    for (place, hash) in places.zip(hashes) {
        place.copy_from_slice(&hash.to_be_bytes());
    }
    result
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn to_hex<S: Serializer>(hash: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{hash:016x}"))
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_canonical = text.len() == 2 * HASH_BYTES && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_canonical {
        return Err(D::Error::custom("a hash has 16 hexadecimal digits in lower case"));
    }
    u64::from_str_radix(&text, 16).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::b256;

    use super::*;

    fn reply(hashes: &[u64]) -> ImageReply {
        let image = |(index, hash): (u32, &u64)| ReplyImage { index, png: vec![0x89, 0x50, 0xff], phash: *hash };
        ImageReply {
            object: ImageObject::ImageList,
            model: "xenon/shapes-sd@1".parse().unwrap(),
            data: (0..).zip(hashes).map(image).collect(),
        }
    }

    #[test]
    fn bytes_are_canonical_json() {
        let expected = r#"{"data":[{"b64_json":"iVD/","index":0,"phash":"00ff000000000001"}],"model":"xenon/shapes-sd@1","object":"image.list"}"#;
        let reply = reply(&[0x00ff_0000_0000_0001]);
        assert_eq!(String::from_utf8(reply.to_bytes()).unwrap(), expected);
        assert_eq!(serde_json::from_str::<ImageReply>(expected).unwrap(), reply);
    }

    #[test]
    fn hashes_in_another_form_are_refused() {
        let good = String::from_utf8(reply(&[0xabc]).to_bytes()).unwrap();
        for hash in ["abc", "0000000000000ABC", "+000000000000abc", ""] {
            let bad = good.replace("0000000000000abc", hash);
            assert!(serde_json::from_str::<ImageReply>(&bad).is_err(), "{hash}");
        }
    }

    #[test]
    fn the_first_picture_is_leftmost() {
        let expected = b256!("0000000000000001000000000000000200000000000000000000000000000000");
        assert_eq!(reply(&[1, 2]).result(), expected);
        let full = b256!("0000000000000001000000000000000200000000000000030000000000000004");
        assert_eq!(image_result([1, 2, 3, 4, 5]), full);
    }
}
