//! Which colour and which shape a picture shows: the check that the model card describes, step by step.

use std::f64::consts::{PI, TAU};

pub(crate) type Rgb = [i64; 3];

/// The colours that the model knows.
pub(crate) const COLOURS: [(&str, Rgb); 8] = [
    ("red", [220, 30, 30]),
    ("orange", [245, 140, 20]),
    ("yellow", [245, 225, 40]),
    ("green", [30, 160, 60]),
    ("cyan", [40, 205, 225]),
    ("blue", [30, 60, 220]),
    ("purple", [135, 45, 180]),
    ("pink", [245, 130, 190]),
];

/// Whether a place belongs to a shape; both coordinates go from -1 to 1 over its box, the second downwards.
type Inside = fn(f64, f64) -> bool;

/// The shapes that it knows.
pub(crate) const SHAPES: [(&str, Inside); 6] = [
    ("circle", in_circle),
    ("square", |u, v| u.abs().max(v.abs()) <= 1.0),
    ("triangle", |u, v| u.abs() <= f64::midpoint(v, 1.0) && v <= 1.0),
    ("star", in_star),
    ("ring", |u, v| in_circle(u, v) && !in_circle(u / 0.55, v / 0.55)),
    ("cross", |u, v| u.abs().max(v.abs()) <= 1.0 && u.abs().min(v.abs()) <= 1.0 / 3.0),
];

fn in_circle(u: f64, v: f64) -> bool {
    u * u + v * v <= 1.0
}

/// A pentagram: the points on the inner side of at least four of its five lines.
fn in_star(u: f64, v: f64) -> bool {
    let (x, y) = (u * (TAU / 5.0).sin(), (v + 1.0) * (1.0 + (PI / 5.0).cos()) / 2.0 - 1.0);
    let distance = |line: f64| x * (TAU * line / 5.0).sin() - y * (TAU * line / 5.0).cos();
    let inner = [0.0, 1.0, 2.0, 3.0, 4.0].into_iter().filter(|line| distance(*line) <= (TAU / 5.0).cos());
    inner.count() >= 4
}

/// Pixels in rows.
pub(crate) struct Pixels {
    pub(crate) width: usize,
    pub(crate) rgb: Vec<Rgb>,
}

impl Pixels {
    fn height(&self) -> usize {
        self.rgb.len() / self.width
    }

    fn at(&self, x: usize, y: usize) -> Rgb {
        self.rgb[y * self.width + x]
    }

    /// Colour and shape; `None` for what is not recognised.
    pub(crate) fn seen(&self) -> (Option<&'static str>, Option<&'static str>) {
        const LEAST_DIFFERENCE: i64 = 48;
        let ground = median(&self.border());
        let differs = |pixel: &Rgb| (0..3).any(|i| (pixel[i] - ground[i]).abs() > LEAST_DIFFERENCE);
        let candidates: Vec<Rgb> = self.rgb.iter().copied().filter(differs).collect();
        if candidates.is_empty() {
            return (None, None);
        }
        let colour = median(&candidates);
        let nearest = COLOURS.iter().min_by_key(|(_, known)| distance(*known, colour)).map(|(name, _)| *name);
        (nearest, self.shape(colour, ground))
    }

    fn border(&self) -> Vec<Rgb> {
        let (width, height) = (self.width, self.height());
        let lines = (0..width).flat_map(|x| [self.at(x, 0), self.at(x, height - 1)]);
        lines.chain((0..height).flat_map(|y| [self.at(0, y), self.at(width - 1, y)])).collect()
    }

    /// The shape that overlaps the pixels nearer to the colour than to the ground most.
    fn shape(&self, colour: Rgb, ground: Rgb) -> Option<&'static str> {
        const LEAST_OVERLAP: f64 = 0.75;
        let inside = |x, y| distance(self.at(x, y), colour) < distance(self.at(x, y), ground);
        let places = (0..self.height()).flat_map(|y| (0..self.width).map(move |x| (x, y)));
        let places: Vec<_> = places.filter(|(x, y)| inside(*x, *y)).collect();
        let span = |values: Vec<usize>| Some((*values.iter().min()?, *values.iter().max()?));
        let (left, right) = span(places.iter().map(|place| place.0).collect())?;
        let (top, bottom) = span(places.iter().map(|place| place.1).collect())?;
        let place =
            |low: usize, high: usize, at: usize| (2.0 * (at - low) as f64 + 1.0) / (high - low + 1) as f64 - 1.0;
        let overlap = |belongs: Inside| {
            let (mut both, mut either) = (0_u32, 0_u32);
            for (x, y) in (top..=bottom).flat_map(|y| (left..=right).map(move |x| (x, y))) {
                let (drawn, wanted) = (inside(x, y), belongs(place(left, right, x), place(top, bottom, y)));
                both += u32::from(drawn && wanted);
                either += u32::from(drawn || wanted);
            }
            f64::from(both) / f64::from(either)
        };
        let ranked = SHAPES.iter().map(|(name, belongs)| (*name, overlap(*belongs)));
        let best = ranked.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
        (best.1 >= LEAST_OVERLAP).then_some(best.0)
    }
}

/// The element in the middle of each channel's sorted values.
fn median(pixels: &[Rgb]) -> Rgb {
    [0, 1, 2].map(|channel| {
        let mut values: Vec<i64> = pixels.iter().map(|pixel| pixel[channel]).collect();
        values.sort_unstable();
        values[values.len() / 2]
    })
}

fn distance(a: Rgb, b: Rgb) -> i64 {
    a.iter().zip(b).map(|(a, b)| (a - b).pow(2)).sum()
}
