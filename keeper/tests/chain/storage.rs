//! Compares a view with the contracts' storage, entry by entry.

use std::collections::VecDeque;

use alloy::primitives::U256;
use xenon_keeper::{
    ClassId, KindId, NodeId, TaskId, Tier, View,
    view::{BookKey, ClassBook, PriceTimeQueue, Stage, Task as KnownTask, TierKey},
};
use xenon_protocol::contracts::{NetworkStats, Node, QoS, State, Status, Task, TaskQueue};

use crate::world::{World, id};

impl World {
    /// Everything that events tell.
    pub(crate) fn assert_agrees_with(&self, view: &View) {
        let tasks: u64 = self.read(self.contracts.task, &Task::lastTaskCall {}).to();
        assert_eq!(view.tasks().last().0, tasks);
        for task in (1..=tasks).map(TaskId) {
            self.assert_task(view, task);
        }
        let nodes = self.read(self.contracts.node, &Node::lastNodeCall {});
        for node in (1..=nodes).map(NodeId) {
            self.assert_node(view, node);
        }
        self.assert_round(view);
        self.assert_reservation(view);
        self.assert_tallies(view);
        assert_eq!(U256::from(view.books().queued()), self.read(self.contracts.queue, &TaskQueue::queuedCall {}));
    }

    /// The line of tasks with seats to give away.
    pub(crate) fn vacancies(&self) -> VecDeque<TaskId> {
        let line = self.read(self.contracts.queue, &TaskQueue::vacanciesCall {});
        line.into_iter().map(|task| TaskId(task.to())).collect()
    }

    /// Who stands in the sets, and what follows from that.
    pub(crate) fn assert_sets_agree_with(&self, view: &View) {
        let node = self.contracts.node;
        let (known, counts) = (view.nodes().counts(), self.read(node, &Node::countsCall {}));
        assert_eq!(
            (known.total, known.active, known.free, known.busy),
            (counts.total, counts.active, counts.free, counts.busy)
        );
        let (known, capacity) = (view.nodes().capacity(), self.read(node, &Node::capacityCall {}));
        assert_eq!((known.free, known.active), (capacity.free, capacity.active));
        assert_eq!(known.servable, capacity.servable);
        // The contract's list also holds those who have left meanwhile.
        assert!(U256::from(view.nodes().deferred()) <= self.read(node, &Node::deferredCall {}));
        for (node, known) in view.nodes().iter() {
            assert_eq!(known.in_sets, self.node(node).inSets, "node {node}");
        }
        for class in (1..).map(ClassId).map_while(|class| Some((class, view.nodes().class(class)?))) {
            let (id, known) = class;
            let state = self.read(node, &Node::classStateCall { class: id.0 });
            let numbers = (known.tier.index(), known.free, known.active, known.floor, known.open);
            assert_eq!(
                numbers,
                (state.tier.into(), state.free, state.active, state.floor.into(), state.open),
                "class {id}"
            );
        }
    }

    /// Since when the queued tasks wait. A view that looked at every block knows it to the second.
    pub(crate) fn assert_waits_agree_with(&self, view: &View) {
        let queued = view.tasks().iter().filter(|(_, known)| matches!(known.stage, Stage::Queued(_)));
        for (task, known) in queued {
            let place = self.read(self.contracts.queue, &TaskQueue::placeOfCall { task: id(task) });
            assert_eq!(known.waits_since(), Some(place.queuedAt.to()), "task {task}");
        }
    }

    fn assert_task(&self, view: &View, task: TaskId) {
        let stored = self.read(self.contracts.task, &Task::taskOfCall { task: id(task) });
        let Some(known) = view.tasks().get(task) else {
            return assert_eq!(State::try_from(stored.state).unwrap(), State::Ended, "task {task}");
        };
        let offer = (known.creator, known.kind.0, known.size, known.tier.index(), known.escrow());
        assert_eq!(offer, (stored.creator, stored.kind, stored.size, stored.tier.into(), stored.escrow.to()));
        let class = known.class.map_or(0, |class| class.0);
        assert_eq!((class, known.deadline), (stored.class, stored.deadline.to()), "task {task}");
        assert_eq!(state(known), State::try_from(stored.state).unwrap(), "task {task}");
        match known.seats() {
            None => self.assert_place(view, task, known),
            Some(seats) => {
                let nodes = seats.nodes.map(|node| node.0);
                assert_eq!((nodes, seats.agreeing), (stored.nodes, stored.agreeing), "task {task}");
                let ranks = (seats.commit_ranks, seats.reveal_ranks, seats.deliverer);
                assert_eq!(ranks, (stored.commitRanks, stored.revealRanks, stored.deliverer), "task {task}");
                assert_eq!(seats.vacated, stored.vacated, "task {task}");
            }
        }
    }

    /// The book, the level and who comes next in it.
    fn assert_place(&self, view: &View, task: TaskId, known: &KnownTask) {
        let Stage::Queued(slot) = known.stage else {
            return assert!(view.round().waiting().contains(&task), "task {task}");
        };
        let place = self.read(self.contracts.queue, &TaskQueue::placeOfCall { task: id(task) });
        let book = match known.book() {
            BookKey::Tier(key) => view.books().tier(key),
            BookKey::Class(key) => view.books().class(key).map(ClassBook::tasks),
        };
        let next = book.and_then(|book| book.after(slot)).filter(|(next, _)| next.level() == slot.level());
        let next = next.map_or(0, |(_, task)| task.0);
        let class = known.class.map_or(0, |class| class.0);
        let stored = (place.level, place.kind, place.class, place.expiresAt.to(), place.next.to());
        assert_eq!((slot.level().0, known.kind.0, class, known.deadline, next), stored, "task {task}");
        assert_eq!(known.tier.index(), usize::from(place.tier), "task {task}");
        // A view that caught up in large steps knows a later moment.
        assert!(known.waits_since().is_some_and(|since| since >= place.queuedAt.to()), "task {task}");
    }

    fn assert_reservation(&self, view: &View) {
        let stored = self.read(self.contracts.queue, &TaskQueue::reservationCall {});
        let known = view.reservation().map(|held| (id(held.task), held.class.0, held.until, held.drawn));
        let stored = (stored.task, stored.class, stored.until.to(), stored.drawn);
        assert_eq!(known.unwrap_or_default(), stored);
    }

    fn node(&self, node: NodeId) -> Node::NodeView {
        self.read(self.contracts.node, &Node::nodeOfCall { node: node.0 })
    }

    fn assert_node(&self, view: &View, node: NodeId) {
        let (known, stored) = (view.nodes().get(node).unwrap(), self.node(node));
        assert_eq!((known.key, known.operator), (stored.key, stored.operator), "node {node}");
        assert_eq!((known.status as u8, known.intent as u8), (stored.status, stored.intent), "node {node}");
        assert_eq!((known.class.0, known.tier.index()), (stored.class, stored.tier.into()), "node {node}");
        assert_eq!(known.stake, stored.stake.to::<u128>(), "node {node}");
        if let Some(case) = known.case {
            let stored = self.read(self.contracts.node, &Node::caseOfCall { node: node.0 });
            assert_eq!((id(case.task), case.until, case.appealed), (stored.task, stored.until.to(), stored.appealed));
        }
        assert_eq!(known.case.is_some(), known.status == Status::Frozen, "node {node}");
        let record = self.read(self.contracts.qos, &QoS::recordOfCall { node: node.0 });
        if let Some(score) = known.score {
            assert_eq!(score, record.score, "node {node}");
        }
    }

    fn assert_round(&self, view: &View) {
        let stored = self.read(self.contracts.queue, &TaskQueue::roundCall {});
        let known = view.round();
        assert_eq!(known.draw_block(), stored.drawBlock.to::<u64>());
        assert_eq!((known.tasks().len(), known.done()), (stored.size.into(), stored.seated.into()));
        for (index, task) in known.tasks().iter().enumerate() {
            let call = TaskQueue::roundTaskCall { index: U256::from(index) };
            assert_eq!(id(*task), self.read(self.contracts.queue, &call));
        }
        view.kinds().keys().for_each(|kind| self.assert_tops(view, *kind));
    }

    /// The best levels of the books of all tiers, as the contract packs them.
    fn assert_tops(&self, view: &View, kind: KindId) {
        let tops = self.read(self.contracts.queue, &TaskQueue::topsOfCall { kind: kind.0 });
        let top = |tier| view.books().tier(TierKey { kind, tier }).and_then(PriceTimeQueue::top).unwrap_or_default().0;
        assert_eq!(Tier::all().map(top).collect::<Vec<_>>(), tops, "kind {kind}");
    }

    fn assert_tallies(&self, view: &View) {
        for kind in view.kinds().keys() {
            let stored = self.read(self.contracts.stats, &NetworkStats::tallyOfCall { kind: kind.0 });
            let stored = [
                stored.agreed,
                stored.disagreed,
                stored.failed,
                stored.mixed,
                stored.unanswered,
                stored.cancelled,
                stored.expired,
                stored.evicted,
            ];
            let known = view.tallies().get(&KindId(kind.0)).copied().unwrap_or_default();
            assert_eq!(known[1..], stored.map(|count| count.to::<u64>()), "kind {kind}");
        }
    }
}

fn state(task: &KnownTask) -> State {
    match task.stage {
        Stage::Queued(_) | Stage::Drawn => State::Queued,
        Stage::Committing(_) => State::Committing,
        Stage::Vacant(_) | Stage::Refilling(_) => State::Vacant,
        Stage::Revealing(_) => State::Revealing,
        Stage::Delivering(_) => State::Delivering,
    }
}
