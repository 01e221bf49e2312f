use alloy::primitives::{Address, B256};
use proptest::prelude::*;

use super::*;
use crate::{ClassId, Event, NodeId, fixture::Network};

const DEPTH: u64 = 4;

fn head(number: u64) -> Head {
    let hash = B256::with_last_byte(u8::try_from(number).unwrap());
    Head { number, hash, parent_hash: B256::ZERO, timestamp: number, base_fee: 0 }
}

/// A network of one block after the other, in each of which a task is created and now and then one is drawn and seated,
/// with the views after each.
struct Past {
    network: Network,
    history: History,
    views: Vec<(Head, View)>,
}

impl Past {
    fn new(blocks: u64) -> Self {
        let mut past = Self { network: Network::with_classes(&[6]), history: History::new(DEPTH), views: Vec::new() };
        past.keep(0);
        for _ in 0..blocks {
            past.live();
        }
        past
    }

    fn live(&mut self) {
        let logs = self.network.logs.len();
        self.network.pass(1);
        let block = self.network.block;
        let task =
            self.network.create(0, Some(ClassId(1)).filter(|_| block.is_multiple_of(2)), 100 + u128::from(block));
        match block % 5 {
            0 => self.network.draw(task),
            1 => self.seat_the_round(),
            _ => {}
        }
        self.keep(logs);
    }

    /// Whoever was drawn in the block before has its nodes, which are free again at once.
    fn seat_the_round(&mut self) {
        for task in self.network.view.round().waiting().to_vec() {
            self.network.seat(task, [1, 2, 3], 1_000);
            (1..=3).for_each(|node| self.network.status(NodeId(node), xenon_protocol::contracts::Status::Free));
        }
    }

    /// Takes the block's time and a line of vacancies, as a collector does.
    fn keep(&mut self, logs: usize) {
        let (head, network) = (head(self.network.block), &mut self.network);
        network.view.note_time(head.timestamp);
        self.history.push(head, network.logs[logs..].to_vec());
        if head.number.is_multiple_of(3) {
            let line = [TaskId(head.number)];
            network.view.note_vacancies(line);
            self.history.note_vacancies(&line);
        }
        self.history.mark(&network.view, head);
        self.views.push((head, network.view.clone()));
    }

    fn last(&self) -> u64 {
        self.network.block
    }

    fn view_after(&self, number: u64) -> &View {
        self.views.iter().find(|(head, _)| head.number == number).map(|(_, view)| view).unwrap()
    }
}

#[test]
fn block_that_is_not_known_cannot_be_gone_back_to() {
    let past = Past::new(30);
    let other = Head { hash: B256::ZERO, ..head(past.last()) };
    assert!(past.history.clone().go_back(other).is_none());
    assert!(past.history.clone().go_back(head(past.last() + 1)).is_none());
    let oldest = past.history.oldest_mark().unwrap();
    assert!(past.history.clone().go_back(head(oldest.number - 1)).is_none());
    assert_eq!(past.history.hash_of(oldest.number - 1), None);
}

#[test]
fn mark_that_is_no_view_is_not_gone_back_to() {
    let mut past = Past::new(30);
    let mut broken = History::new(DEPTH);
    broken.begin_at(Snapshot::of(&View::new(), head(1)));
    broken.marks[0] = broken.marks[0].clone().cut();
    assert!(broken.go_back(head(1)).is_none());
    assert!(past.history.go_back(head(past.last())).is_some());
}

#[test]
fn blocks_before_the_first_mark_are_kept_as_long_as_there_is_nothing_else() {
    let past = Past::new(3);
    for number in 1..=past.last() {
        assert_eq!(past.history.clone().go_back(head(number)).as_ref(), Some(past.view_after(number)), "{number}");
    }
}

#[test]
fn no_more_than_two_marks_and_the_blocks_since_the_older_one_are_kept() {
    let past = Past::new(100);
    assert_eq!(past.history.marks.len(), 2);
    assert!(past.history.blocks.len() as u64 <= 2 * DEPTH, "{}", past.history.blocks.len());
    let base = past.history.base(past.last()).unwrap();
    assert!(base.block.number + DEPTH <= past.last());
}

#[test]
fn mark_that_is_not_final_is_no_base() {
    let past = Past::new(0);
    assert_eq!(past.history.marks.len(), 1);
    assert_eq!(past.history.base(past.last() + DEPTH - 1), None);
    assert!(past.history.base(past.last() + DEPTH).is_some());
}

proptest! {
    /// What is undone and lived again is as if it had happened once.
    #[test]
    fn view_gone_back_to_is_the_view_that_was(blocks in 0..40u64, back in 0..=DEPTH, again in 0..10usize) {
        let mut past = Past::new(blocks);
        let to = head(past.last().saturating_sub(back).max(1));
        let view = past.history.go_back(to).unwrap();
        prop_assert_eq!(&view, past.view_after(to.number));
        let since = past.network.logs.iter().filter(|log| log.at.block > to.number).cloned().collect::<Vec<_>>();
        past.network.logs.retain(|log| log.at.block <= to.number);
        past.network.view = view;
        past.network.block = to.number;
        past.views.retain(|(head, _)| head.number <= to.number);
        (0..again).for_each(|_| past.live());
        let last = past.last();
        prop_assert_eq!(past.history.go_back(head(last)).unwrap(), past.view_after(last).clone());
        prop_assert!(since.iter().all(|log| log.at.block > to.number));
    }
}

#[test]
fn reward_of_whoever_moved_a_task_on_is_taken_back_with_its_block() {
    let mut past = Past::new(10);
    let before = past.last();
    let logs = past.network.logs.len();
    past.network.pass(1);
    let task = past.network.view.tasks().iter().next().unwrap().0;
    past.network.happen(Event::Advanced { task, caller: Address::ZERO, crank_reward: 7 });
    past.keep(logs);
    assert_ne!(past.view_after(before), past.view_after(past.last()));
    assert_eq!(past.history.go_back(head(before)).as_ref(), Some(past.view_after(before)));
}
