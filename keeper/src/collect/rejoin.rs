//! Going back when the chain has changed, and going on where an earlier run ended.

use tracing::{info, warn};
use xenon_protocol::chain::{Chain, Head};

use super::Collector;
use crate::{
    KeeperError, View,
    defect::{Defect, is_planted},
    snapshot::{Snapshot, SnapshotError, SnapshotFile},
};

impl<C: Chain> Collector<C> {
    /// Begins with the snapshot of an earlier run if there is one that can be used.
    pub(super) async fn restore(&mut self) -> Result<(), KeeperError> {
        let Some(file) = self.snapshots.clone().filter(|_| !self.is_restored) else { return Ok(()) };
        match file.read() {
            Ok(None) => {}
            Ok(Some(snapshot)) => self.begin_at(&file, snapshot).await?,
            Err(error) => refuse(&error),
        }
        self.is_restored = true;
        Ok(())
    }

    async fn begin_at(&mut self, file: &SnapshotFile, snapshot: Snapshot) -> Result<(), KeeperError> {
        let block = snapshot.block;
        if self.chain.block(block.number).await?.is_none_or(|found| found.hash != block.hash) {
            refuse(&file.left(block.number));
        } else if let Some(view) = snapshot.view() {
            info!(code = "XK-046", block = block.number, "going on from a snapshot");
            (self.view, self.last, self.saved) = (view, Some(block), Some(block.number));
            self.history.begin_at(snapshot);
        } else {
            refuse(&file.damaged("its view is none"));
        }
        Ok(())
    }

    /// Goes back to the last block seen that is part of the chain which ends in `head`.
    pub(super) async fn rejoin(&mut self, head: &Head) -> Result<(), KeeperError> {
        let Some(last) = self.last.filter(|_| !is_planted(Defect::IgnoresReorganisation)) else { return Ok(()) };
        let follows = head.number == last.number + 1 && head.parent_hash == last.hash;
        if follows || self.is_part(&last, head).await? {
            return Ok(());
        }
        let known: Vec<_> = self.history.heads().collect();
        let depth = known.iter().map(|block| last.number - block.number).max().unwrap_or_default() + 1;
        for block in known {
            if self.is_part(&block, head).await? {
                self.count_reorg(last.number - block.number);
                self.go_back(block);
                return Ok(());
            }
        }
        self.count_reorg(depth);
        self.forget();
        Ok(())
    }

    /// Takes note that the chain took so many of the blocks that were seen back, as far as they are known.
    const fn count_reorg(&mut self, depth: u64) {
        self.reading.reorgs += 1;
        self.reading.last_depth = depth;
    }

    /// Whether a block is part of the chain which ends in `head`.
    async fn is_part(&self, block: &Head, head: &Head) -> Result<bool, KeeperError> {
        Ok(match head.number.cmp(&block.number) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => head.hash == block.hash,
            std::cmp::Ordering::Greater => self.block(block.number).await?.hash == block.hash,
        })
    }

    /// What was read contradicts itself or the contracts. The first time the newest part of it is read again, from a mark
    /// on; if that does not help, everything is.
    pub(super) fn doubt(&mut self) {
        let mark = self.history.oldest_mark().filter(|_| !self.is_doubted);
        self.is_doubted = true;
        match mark {
            Some(mark) => self.go_back(mark),
            None => self.forget(),
        }
    }

    fn go_back(&mut self, block: Head) {
        let Some(view) = self.history.go_back(block) else { return self.forget() };
        info!(code = "XK-045", block = block.number, last = self.last.map(|last| last.number), "going back");
        (self.view, self.last, self.expected) = (view, Some(block), 0);
        self.estimator.undo(block.number);
        self.is_audited = false;
    }

    /// Everything is read again.
    pub(super) fn forget(&mut self) {
        info!(code = "XK-050", last = self.last.map(|last| last.number), "building the view anew");
        self.view = View::new();
        self.last = None;
        self.history.clear();
        self.estimator.undo(0);
        self.expected = 0;
    }

    /// Marks the view, writes the mark down that has become final, and says what was learned from final blocks. A snapshot that cannot be written is no reason not
    /// to go on.
    pub(super) fn mark(&mut self, head: Head) {
        self.history.mark(&self.view, head);
        self.estimator.settle(head.number.saturating_sub(self.config.linked_blocks));
        self.advice.give(&self.estimator, &self.view, &head, &self.contracts);
        self.save(head.number);
    }

    pub(super) fn save(&mut self, head: u64) {
        let Some((file, base)) = self.snapshots.as_ref().zip(self.history.base(head)) else { return };
        if self.saved == Some(base.block.number) {
            return;
        }
        self.saved = Some(base.block.number);
        if let Err(error) = file.write(base) {
            warn!(code = error.code(), %error, "the view is not kept for the next start");
        }
    }
}

fn refuse(error: &SnapshotError) {
    warn!(code = error.code(), %error, "the snapshot is not used");
}
