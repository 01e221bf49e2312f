//! Pictures in memory, and as PNG.

use std::io::Cursor;

use png::{BitDepth, ColorType, Compression, Decoder, DecodingError, Encoder, Filter, Limits, Transformations};

use super::ImageError;

/// The most pixels of a picture that is read: a file must not make its reader run out of memory.
const MAX_PIXELS: usize = 1 << 26;

/// A picture: red, green and blue, 8 bits each, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture of `width` times `height` pixels; `None` if that is not the number of `rgb`, or is zero.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Option<Self> {
        let fits = width > 0 && height > 0 && rgb.len() == width.checked_mul(height)?.checked_mul(3)?;
        fits.then_some(Self { width, height, rgb })
    }

    /// Pixels in a row.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub const fn height(&self) -> usize {
        self.height
    }

    /// Three bytes a pixel.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The colour of a pixel; black outside.
    pub fn pixel(&self, column: usize, row: usize) -> [u8; 3] {
        let pixels = self.rgb.as_chunks::<3>().0;
        if column < self.width { pixels.get(row * self.width + column).copied().unwrap_or_default() } else { [0; 3] }
    }

    /// The picture as PNG: 8-bit RGB without any other information. Its pixels survive exactly.
    pub fn to_png(&self) -> Result<Vec<u8>, ImageError> {
        let side = |length: usize| u32::try_from(length).map_err(|error| invalid(&error));
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, side(self.width)?, side(self.height)?);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Balanced);
        encoder.set_filter(Filter::Adaptive);
        let mut writer = encoder.write_header().map_err(|error| invalid(&error))?;
        writer.write_image_data(&self.rgb).map_err(|error| invalid(&error))?;
        writer.finish().map_err(|error| invalid(&error))?;
        Ok(bytes)
    }

    /// Reads a PNG. Palettes are looked up, grey becomes three equal colours, 16 bits are cut to 8, transparency is
    /// left out: the colours beneath it count, as Pillow does when it makes a picture grey.
    pub fn from_png(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: 16 * MAX_PIXELS });
        decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
        let mut reader = decoder.read_info().map_err(|error| undecodable(&error))?;
        let size = reader.output_buffer_size().filter(|size| *size <= 4 * MAX_PIXELS);
        let mut pixels = vec![0; size.ok_or_else(|| invalid(&"it is too large"))?];
        let frame = reader.next_frame(&mut pixels).map_err(|error| undecodable(&error))?;
        let (width, height) = (frame.width as usize, frame.height as usize);
        let rgb = to_rgb(frame.color_type, &pixels[..frame.buffer_size()]);
        Self::new(width, height, rgb).ok_or_else(|| invalid(&"its size is not that of its pixels"))
    }
}

fn to_rgb(color: ColorType, pixels: &[u8]) -> Vec<u8> {
    match color {
        ColorType::Rgba => pixels.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect(),
        ColorType::Grayscale => pixels.iter().flat_map(|grey| [*grey; 3]).collect(),
        ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|pixel| [pixel[0]; 3]).collect(),
        ColorType::Rgb | ColorType::Indexed => pixels.to_vec(),
    }
}

fn invalid(reason: &impl ToString) -> ImageError {
    ImageError::Picture { reason: reason.to_string() }
}

fn undecodable(error: &DecodingError) -> ImageError {
    invalid(error)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[test]
    fn what_is_no_picture_is_refused() {
        let mut png = Picture::new(2, 1, vec![7; 6]).unwrap().to_png().unwrap();
        assert!(Picture::from_png(&[]).is_err());
        assert!(Picture::from_png(&png[..png.len() / 2]).is_err());
        png[40] ^= 1;
        let error = Picture::from_png(&png).unwrap_err();
        assert_eq!(error.code(), "XE-067");
        assert!(Picture::new(0, 1, Vec::new()).is_none());
        assert!(Picture::new(2, 2, vec![0; 11]).is_none());
    }

    #[test]
    fn a_size_that_would_fill_the_memory_is_refused() {
        let mut png = Picture::new(1, 1, vec![0; 3]).unwrap().to_png().unwrap();
        png[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        assert!(Picture::from_png(&png).is_err());
    }

    proptest! {
        #[test]
        fn pixels_survive(width in 1_usize..40, bytes in vec(any::<u8>(), 120..600)) {
            let rows = bytes.len() / (3 * width);
            prop_assume!(rows > 0);
            let picture = Picture::new(width, rows, bytes[..rows * width * 3].to_vec()).unwrap();
            prop_assert_eq!(Picture::from_png(&picture.to_png().unwrap()).unwrap(), picture);
        }
    }
}
