use serde::{Deserialize, Serialize};

use super::ViewError;
use crate::TaskId;

/// Blocks after its draw in which a round can be seated: the reach of `BLOCKHASH`.
pub const HASH_WINDOW: u64 = 256;

/// The most tasks of one round.
pub const ROUND_LIMIT: usize = 64;

/// Tasks drawn and not yet seated. All of them share one draw block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    draw_block: u64,
    tasks: Vec<TaskId>,
    waiting: Vec<TaskId>,
}

impl Round {
    /// The block of the draw; 0 when no round waits.
    pub const fn draw_block(&self) -> u64 {
        self.draw_block
    }

    /// All tasks of the round, in the order of the draw.
    pub fn tasks(&self) -> &[TaskId] {
        &self.tasks
    }

    /// Those that still have no nodes, in the order in which they have their turn.
    pub fn waiting(&self) -> &[TaskId] {
        &self.waiting
    }

    /// How many of them had their turn.
    pub fn done(&self) -> usize {
        self.tasks.len() - self.waiting.len()
    }

    /// Whether the sets of free nodes are closed in a block: a round waits whose block hash is known there.
    pub const fn closes_sets_in(&self, block: u64) -> bool {
        self.draw_block != 0 && self.draw_block != block
    }

    pub(super) fn draw(&mut self, task: TaskId, block: u64, draw_block: u64) -> Result<(), ViewError> {
        let fits = draw_block == block && (self.draw_block == 0 || self.draw_block == block) && !self.is_full();
        if !fits {
            return Err(ViewError::WrongRound { event: "TaskDrawn", draw_block: self.draw_block });
        }
        self.draw_block = block;
        self.tasks.push(task);
        self.waiting.push(task);
        Ok(())
    }

    pub(super) fn redraw(&mut self, block: u64, old_block: u64, new_block: u64) -> Result<(), ViewError> {
        let is_old = block > old_block.saturating_add(HASH_WINDOW);
        if self.draw_block == 0 || self.draw_block != old_block || new_block != block || !is_old {
            return Err(ViewError::WrongRound { event: "RoundRedrawn", draw_block: self.draw_block });
        }
        self.draw_block = new_block;
        Ok(())
    }

    /// A task had its turn in a block. If it was the last one the round is over.
    ///
    /// Tasks have their turn in the order of the draw, but those for which no nodes were found are told of at the end of
    /// the call, the last one first, so that here any task may come next.
    pub(super) fn serve(&mut self, event: &'static str, task: TaskId, block: u64) -> Result<(), ViewError> {
        let wrong = ViewError::WrongRound { event, draw_block: self.draw_block };
        let in_time = block > self.draw_block && block - self.draw_block <= HASH_WINDOW;
        let place = self.waiting.iter().position(|waiting| *waiting == task).filter(|_| in_time).ok_or(wrong)?;
        self.waiting.remove(place);
        if self.waiting.is_empty() {
            *self = Self::default();
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.tasks.len() == ROUND_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(draw_block: u64, tasks: &[u64]) -> Round {
        let mut round = Round::default();
        for task in tasks {
            round.draw(TaskId(*task), draw_block, draw_block).unwrap();
        }
        round
    }

    #[test]
    fn task_has_its_turn_once_and_the_last_one_ends_the_round() {
        let mut round = round(10, &[7, 3, 5]);
        assert!(round.serve("TaskSeated", TaskId(4), 11).is_err());
        assert_eq!(round.serve("TaskSeated", TaskId(3), 11), Ok(()));
        assert!(round.serve("TaskSeated", TaskId(3), 11).is_err());
        assert_eq!((round.waiting(), round.done()), (&[TaskId(7), TaskId(5)][..], 1));
        assert_eq!(round.serve("TaskRequeued", TaskId(7), 11), Ok(()));
        assert_eq!(round.serve("TaskSeated", TaskId(5), 12), Ok(()));
        assert_eq!(round, Round::default());
    }

    #[test]
    fn round_cannot_be_seated_in_its_own_block_or_after_the_hash_window() {
        for block in [10, 10 + HASH_WINDOW + 1] {
            assert!(round(10, &[1]).serve("TaskSeated", TaskId(1), block).is_err(), "{block}");
        }
        assert!(round(10, &[1]).serve("TaskSeated", TaskId(1), 10 + HASH_WINDOW).is_ok());
    }

    #[test]
    fn round_that_waits_takes_no_tasks_of_another_block() {
        assert!(round(10, &[1]).draw(TaskId(2), 11, 11).is_err());
        assert!(round(10, &[1]).draw(TaskId(2), 11, 10).is_err());
        assert!(round(10, &[1]).draw(TaskId(2), 10, 10).is_ok());
    }

    #[test]
    fn only_an_old_round_is_drawn_again() {
        let late = 10 + HASH_WINDOW + 1;
        assert!(round(10, &[1]).redraw(late - 1, 10, late - 1).is_err());
        assert!(round(10, &[1]).redraw(late, 9, late).is_err());
        assert!(Round::default().redraw(late, 0, late).is_err());
        let mut round = round(10, &[1]);
        assert_eq!(round.redraw(late, 10, late), Ok(()));
        assert!(!round.closes_sets_in(late));
        assert!(round.closes_sets_in(late + 1));
    }
}
