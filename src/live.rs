//! A live view: a picture that is drawn anew on a terminal, lines elsewhere.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use console::Term;
use eyre::Result;
use tokio::time::sleep;

use crate::serve::interrupted;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Something that can be looked at again and again.
pub(crate) trait Scene {
    /// What is seen at one look.
    type Sight;

    /// Looks.
    async fn look(&self) -> Result<Self::Sight>;

    /// What was seen as a picture.
    fn picture(sight: &Self::Sight) -> String;

    /// What was seen as one line, without anything that changes by itself.
    fn line(sight: &Self::Sight) -> String;
}

/// Shows a scene until it is interrupted.
pub(crate) async fn show(scene: &impl Scene) -> Result<()> {
    let showing = async { if io::stdout().is_terminal() { redraw(scene).await } else { lines(scene).await } };
    tokio::select! {
        () = interrupted() => Ok(()),
        outcome = showing => outcome,
    }
}

/// Draws over what was drawn before.
async fn redraw<S: Scene>(scene: &S) -> Result<()> {
    // Buffered, so that a picture takes the place of the one before at once.
    let mut terminal = Term::buffered_stdout();
    let mut drawn = 0;
    loop {
        let picture = S::picture(&scene.look().await?);
        terminal.clear_last_lines(drawn)?;
        writeln!(terminal, "{picture}")?;
        terminal.flush()?;
        drawn = picture.lines().count();
        sleep(PAUSE).await;
    }
}

/// Prints a line whenever something has changed.
async fn lines<S: Scene>(scene: &S) -> Result<()> {
    let mut shown = String::new();
    loop {
        let line = S::line(&scene.look().await?);
        if line != shown {
            println!("{line}");
            shown = line;
        }
        sleep(PAUSE).await;
    }
}
