//! The recent past of a view, so that it can be taken back some blocks.
//!
//! Now and then the view is written down in few bytes; the last two such marks are kept, and all blocks since the older
//! one. To go back to a block, the newest mark before it is read and the blocks in between are folded again. Nothing is
//! paid for that as long as the chain does not change, but the bytes.

use std::collections::VecDeque;

use alloy::primitives::B256;
use xenon_protocol::chain::Head;

use crate::{Logged, TaskId, View, snapshot::Snapshot};

/// A block that is part of the view.
#[derive(Clone, Debug)]
struct Folded {
    head: Head,
    logs: Vec<Logged>,
    /// The line of tasks with seats to give away, as the contract had it after this block.
    vacancies: Option<Vec<TaskId>>,
}

/// Marks and the blocks since the first of them.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Blocks after which one is final.
    depth: u64,
    marks: VecDeque<Snapshot>,
    blocks: VecDeque<Folded>,
    /// Whether `blocks` are all there ever were: the view before them is the empty one.
    is_whole: bool,
}

impl History {
    /// Nothing has happened yet.
    pub(crate) const fn new(depth: u64) -> Self {
        Self { depth, marks: VecDeque::new(), blocks: VecDeque::new(), is_whole: true }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.depth);
    }

    /// Nothing before this mark will be wanted.
    pub(crate) fn begin_at(&mut self, mark: Snapshot) {
        self.clear();
        self.is_whole = false;
        self.marks.push_back(mark);
    }

    /// A block, after those before it, is part of the view.
    pub(crate) fn push(&mut self, head: Head, logs: Vec<Logged>) {
        self.blocks.push_back(Folded { head, logs, vacancies: None });
    }

    /// Takes note of what was set right after the last block.
    pub(crate) fn note_vacancies(&mut self, line: &[TaskId]) {
        if let Some(last) = self.blocks.back_mut() {
            last.vacancies = Some(line.to_vec());
        }
    }

    /// Marks the view after the last block if the last mark is old. A mark that is final by then and before which nothing
    /// will be wanted any more is the first afterwards.
    pub(crate) fn mark(&mut self, view: &View, head: Head) {
        let is_due = |mark: &Snapshot| head.number >= mark.block.number.saturating_add(self.depth);
        if self.marks.back().is_none_or(is_due) {
            self.marks.push_back(Snapshot::of(view, head));
        }
        while self.marks.get(1).is_some_and(|mark| self.is_final(mark, head.number)) {
            self.marks.pop_front();
            self.drop_blocks();
        }
    }

    /// The first mark, if it is final when the chain ends at a height.
    pub(crate) fn base(&self, head: u64) -> Option<&Snapshot> {
        self.marks.front().filter(|mark| self.is_final(mark, head))
    }

    /// Known blocks, the newest first.
    pub(crate) fn heads(&self) -> impl Iterator<Item = Head> {
        let oldest = self.marks.front().map(|mark| mark.block);
        self.blocks.iter().rev().map(|block| block.head).chain(oldest)
    }

    /// The hash of a block, if it is known.
    pub(crate) fn hash_of(&self, number: u64) -> Option<B256> {
        self.heads().find(|head| head.number == number).map(|head| head.hash)
    }

    /// The view after a known block, which becomes the last one; `None` if it cannot be told.
    pub(crate) fn go_back(&mut self, to: Head) -> Option<View> {
        let known = self.heads().any(|head| head == to);
        self.marks.retain(|mark| mark.block.number <= to.number);
        self.blocks.retain(|block| block.head.number <= to.number);
        let (mut view, since) = match self.marks.back() {
            Some(mark) => (mark.view()?, Some(mark.block.number)),
            None if self.is_whole => (View::new(), None),
            None => return None,
        };
        let rest = self.blocks.iter().filter(|block| Some(block.head.number) > since);
        rest.into_iter().try_for_each(|block| block.fold_into(&mut view))?;
        known.then_some(view)
    }

    /// The first mark's block.
    pub(crate) fn oldest_mark(&self) -> Option<Head> {
        self.marks.front().map(|mark| mark.block)
    }

    const fn is_final(&self, mark: &Snapshot, head: u64) -> bool {
        mark.block.number.saturating_add(self.depth) <= head
    }

    fn drop_blocks(&mut self) {
        let oldest = self.oldest_mark().map(|head| head.number);
        self.blocks.retain(|block| Some(block.head.number) > oldest);
        self.is_whole = false;
    }
}

impl Folded {
    fn fold_into(&self, view: &mut View) -> Option<()> {
        self.logs.iter().try_for_each(|log| view.apply(log).map(drop)).ok()?;
        view.note_time(self.head.timestamp);
        if let Some(line) = &self.vacancies {
            view.note_vacancies(line.iter().copied());
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
