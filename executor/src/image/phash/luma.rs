//! Colours to grey, as Pillow converts `RGB` to `L`.

use crate::image::Picture;

/// Weights of red, green and blue: 0.299, 0.587 and 0.114 (ITU-R BT.601) times 2^16.
const WEIGHTS: [u32; 3] = [19_595, 38_470, 7_471];
/// Half a unit, so that the shift rounds.
const HALF: u32 = 0x8000;

/// The grey values of a picture, row by row.
pub fn grey(picture: &Picture) -> Vec<u8> {
    picture.rgb().as_chunks().0.iter().map(|pixel| luma(*pixel)).collect()
}

/// The grey value of a colour.
#[expect(clippy::cast_possible_truncation, reason = "the weights add up to 2^16, so that it is at most 255")]
pub const fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = red as u32 * WEIGHTS[0] + green as u32 * WEIGHTS[1] + blue as u32 * WEIGHTS[2] + HALF;
    (sum >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Image.new("RGB", (1, 1), colour).convert("L")` of Pillow 13.0.
    #[test]
    fn primary_colours_are_as_grey_as_in_pillow() {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 255, 255], [1, 2, 3]];
        assert_eq!(colours.map(luma), [76, 150, 29, 226, 255, 2]);
    }

    #[test]
    fn grey_stays_as_it_is() {
        for value in 0..=255 {
            assert_eq!(luma([value; 3]), value);
        }
    }
}
