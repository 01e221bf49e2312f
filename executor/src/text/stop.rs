//! Stop strings: where an answer ends, even when the string spans several tokens.

/// Passes text through until a stop string is complete, holding back what may be the beginning of one.
///
/// The end is decided character by character: the answer ends before the stop string that is complete first, and of
/// several complete at the same character, before the longest. So it does not matter in which pieces the text arrives.
#[derive(Clone, Debug)]
pub struct StopFilter {
    stops: Vec<String>,
    held: String,
    stopped: bool,
}

impl StopFilter {
    /// A filter for these strings; without any, all text passes at once.
    pub fn new(stops: &[String]) -> Self {
        Self { stops: stops.to_vec(), held: String::new(), stopped: false }
    }

    /// Adds text and returns what is certain to belong to the answer now.
    pub fn push(&mut self, text: &str) -> String {
        if self.stops.is_empty() {
            return text.to_owned();
        }
        let mut passed = String::new();
        for character in text.chars() {
            if self.stopped {
                break;
            }
            self.held.push(character);
            self.settle(&mut passed);
        }
        passed
    }

    /// True once a stop string was complete; all text after it is dropped.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// What was held back in vain; nothing if a stop string was complete. The filter is empty afterwards.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Moves what can no longer become part of a stop string from `held` to `passed`.
    fn settle(&mut self, passed: &mut String) {
        if let Some(length) = self.complete() {
            self.stopped = true;
            self.held.truncate(self.held.len() - length);
            passed.push_str(&self.finish());
            return;
        }
        let keep = self.held.char_indices().map(|(at, _)| at).find(|at| self.may_begin(&self.held[*at..]));
        passed.extend(self.held.drain(..keep.unwrap_or(self.held.len())));
    }

    /// Length of the longest stop string that the held text ends with.
    fn complete(&self) -> Option<usize> {
        self.stops.iter().filter(|stop| self.held.ends_with(*stop)).map(String::len).max()
    }

    fn may_begin(&self, text: &str) -> bool {
        self.stops.iter().any(|stop| stop.starts_with(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let stops: Vec<_> = stops.iter().map(ToString::to_string).collect();
        let mut filter = StopFilter::new(&stops);
        let mut text: String = pieces.iter().map(|piece| filter.push(piece)).collect();
        let stopped = filter.stopped();
        text += &filter.finish();
        (text, stopped)
    }

    #[test]
    fn text_after_the_stop_string_is_dropped() {
        assert_eq!(run(&["b"], &["abc", "def"]), ("a".to_owned(), true));
        assert_eq!(run(&["\n\n"], &["one\n", "\ntwo"]), ("one".to_owned(), true));
    }

    #[test]
    fn a_beginning_that_does_not_continue_is_given_back() {
        assert_eq!(run(&["stop"], &["st", "o", "ne"]), ("stone".to_owned(), false));
        assert_eq!(run(&["stop"], &["sto"]), ("sto".to_owned(), false));
        assert_eq!(run(&["aab"], &["aaab!"]), ("a".to_owned(), true));
    }

    #[test]
    fn the_string_complete_first_ends_the_answer() {
        assert_eq!(run(&["bcd", "c"], &["abcd"]), ("ab".to_owned(), true));
        assert_eq!(run(&["c", "abc"], &["xabc"]), ("x".to_owned(), true));
    }

    #[test]
    fn without_stop_strings_nothing_is_held_back() {
        let mut filter = StopFilter::new(&[]);
        assert_eq!(filter.push("abc"), "abc");
    }

    /// The definition, naively: look at every prefix of the text.
    fn plain(stops: &[String], text: &str) -> (String, bool) {
        for end in text.char_indices().map(|(at, character)| at + character.len_utf8()) {
            let found = stops.iter().filter(|stop| text[..end].ends_with(*stop)).map(String::len).max();
            if let Some(length) = found {
                return (text[..end - length].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            stops in vec("[abé]{1,4}", 0..4),
            pieces in vec("[abcé]{0,5}", 0..8),
        ) {
            let references: Vec<_> = pieces.iter().map(String::as_str).collect();
            let stops_references: Vec<_> = stops.iter().map(String::as_str).collect();
            prop_assert_eq!(run(&stops_references, &references), plain(&stops, &pieces.concat()));
        }

        #[test]
        fn what_passed_is_never_taken_back(stops in vec("[ab]{1,3}", 1..4), pieces in vec("[abc]{0,5}", 0..8)) {
            let (end, _) = plain(&stops, &pieces.concat());
            let mut filter = StopFilter::new(&stops);
            let mut passed = String::new();
            for piece in &pieces {
                passed += &filter.push(piece);
                prop_assert!(end.starts_with(&passed));
            }
        }
    }
}
