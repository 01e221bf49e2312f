//! Pictures as files and in the terminal.

use std::{
    env,
    fmt::Write as _,
    fs,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use xenon_executor::image::Picture;
use xenon_protocol::result::{ImageReply, ReplyImage};

use crate::error::CliError;

/// The widest picture in the terminal, in columns.
const COLUMNS: usize = 64;

/// Writes the pictures of a task into a folder, which is made if it is not there, and returns their paths.
pub(crate) fn save(reply: &ImageReply, task: u64, folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    fs::create_dir_all(folder).map_err(|error| CliError::unwritable(folder, &error))?;
    let write = |image: &ReplyImage| {
        let path = folder.join(format!("task-{task}-{}.png", image.index + 1));
        fs::write(&path, &image.png).map_err(|error| CliError::unwritable(&path, &error))?;
        Ok(path)
    };
    reply.data.iter().map(write).collect()
}

/// The pictures as text of coloured half blocks, if standard output is a terminal that has the colours.
pub(crate) fn for_terminal(reply: &ImageReply) -> Option<String> {
    let colours = env::var("COLORTERM").is_ok_and(|value| value == "truecolor" || value == "24bit");
    if !std::io::stdout().is_terminal() || !colours || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        return None;
    }
    let pictures = reply.data.iter().filter_map(|image| Picture::from_png(&image.png).ok());
    Some(pictures.map(|picture| blocks(&picture, COLUMNS)).collect::<Vec<_>>().join("\n"))
}

/// Two rows of the picture in each line: the upper half of a character in one colour, its ground in the other.
fn blocks(picture: &Picture, columns: usize) -> String {
    let columns = columns.min(picture.width());
    let rows = (picture.height() * columns / picture.width()).max(1);
    let colour = |column, row| mean(picture, (column, columns), (row, rows));
    let mut text = String::new();
    for row in (0..rows).step_by(2) {
        for column in 0..columns {
            let ([r, g, b], [under_r, under_g, under_b]) =
                (colour(column, row), colour(column, (row + 1).min(rows - 1)));
            // Writing to a string does not fail.
            let _ = write!(text, "\x1b[38;2;{r};{g};{b}m\x1b[48;2;{under_r};{under_g};{under_b}m▀");
        }
        text.push_str("\x1b[0m\n");
    }
    text
}

/// The mean colour of one of equal parts of a picture.
fn mean(picture: &Picture, (column, columns): (usize, usize), (row, rows): (usize, usize)) -> [u8; 3] {
    let range = |part: usize, parts: usize, length: usize| part * length / parts..((part + 1) * length / parts).max(1);
    let (mut sum, mut count) = ([0_usize; 3], 0);
    for y in range(row, rows, picture.height()) {
        for x in range(column, columns, picture.width()) {
            for (sum, value) in sum.iter_mut().zip(picture.pixel(x, y)) {
                *sum += usize::from(value);
            }
            count += 1;
        }
    }
    sum.map(|sum| u8::try_from(sum / count.max(1)).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use xenon_protocol::result::ImageObject;

    use super::*;

    #[test]
    fn a_line_shows_two_rows() {
        let picture = Picture::new(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(blocks(&picture, 8), "\x1b[38;2;1;2;3m\x1b[48;2;4;5;6m▀\x1b[0m\n");
    }

    #[test]
    fn a_wide_picture_is_shrunk_to_the_mean() {
        let picture = Picture::new(4, 2, [[0; 3], [200; 3], [0; 3], [200; 3]].concat().repeat(2)).unwrap();
        assert_eq!(mean(&picture, (1, 2), (0, 1)), [100; 3]);
        assert_eq!(blocks(&picture, 2).matches('▀').count(), 2);
    }

    #[test]
    fn files_are_named_for_the_task() {
        let folder = tempfile::tempdir().unwrap();
        let image = |index| ReplyImage { index, png: vec![7], phash: 0 };
        let model = "a/b".parse().unwrap();
        let reply = ImageReply { object: ImageObject::ImageList, model, data: vec![image(0), image(1)] };
        let paths = save(&reply, 12, &folder.path().join("new")).unwrap();
        assert!(paths[1].ends_with("new/task-12-2.png") && fs::read(&paths[1]).unwrap() == [7]);
    }
}
