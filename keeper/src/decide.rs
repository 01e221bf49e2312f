//! What is done now, and what is not and why.

use xenon_protocol::chain::Head;

use crate::{Action, NodeId, Policy, Reason, View, order::next_draw, plan, view::Case};

/// A plan, and what is left out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// What to do, in order of urgency.
    pub actions: Vec<Action>,
    /// What could be done and is not.
    pub abstentions: Vec<Abstention>,
}

/// Something that could be done and is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abstention {
    /// What.
    pub action: Action,
    /// Why not.
    pub reason: Reason,
}

impl Decision {
    /// The same, of which only some actions are done; there is one reason for leaving the others.
    #[must_use]
    pub(crate) fn keeping(mut self, ours: &[Action], reason: Reason) -> Self {
        let (ours, others): (Vec<_>, Vec<_>) = self.actions.into_iter().partition(|action| ours.contains(action));
        self.abstentions.extend(others.into_iter().map(|action| Abstention { action, reason }));
        Self { actions: ours, ..self }
    }
}

/// The plan after a block, with the reasons for what is not in it. Pure, as [`plan`] is.
pub fn decide(view: &View, now: &Head, policy: &Policy) -> Decision {
    let mut actions = plan(view, now, &Policy { max_actions: u32::MAX, ..policy.clone() });
    let limit = usize::try_from(policy.max_actions).unwrap_or(usize::MAX);
    let dispatches = actions.iter().any(|action| matches!(action, Action::Dispatch { .. }));
    let beyond = actions.split_off(limit.min(actions.len()));
    let dispatch = if dispatches { None } else { dispatch(view, now, policy) };
    let abstentions = dispatch
        .into_iter()
        .chain(unprofitable(view, now, policy))
        .chain(cases(view, now, policy))
        .chain(beyond.into_iter().map(|action| Abstention { action, reason: Reason::RoundLimit }))
        .collect();
    Decision { actions, abstentions }
}

/// Why nothing is dispatched although tasks wait that could be.
fn dispatch(view: &View, now: &Head, policy: &Policy) -> Option<Abstention> {
    let round = view.round();
    let seats = u32::try_from(round.waiting().len()).unwrap_or(u32::MAX);
    let reason = if round.draw_block() != 0 {
        if round.draw_block() < now.number { Reason::Patience } else { Reason::TooEarly }
    } else if next_draw(view, 1, now.timestamp).drawn.is_empty() {
        return None;
    } else {
        Reason::Patience
    };
    Some(Abstention { action: Action::Dispatch { max_tasks: policy.max_tasks, seats }, reason })
}

/// Tasks whose stage is over and whose crank share does not pay for moving them on.
fn unprofitable(view: &View, now: &Head, policy: &Policy) -> impl Iterator<Item = Abstention> {
    let actions = view.tasks().overdue(now.timestamp).map(Action::Advance);
    let poor = actions.filter(|action| !policy.pays(action.reward(view), now.base_fee));
    poor.map(|action| Abstention { action, reason: Reason::Unprofitable })
}

/// Cases that are over, for a keeper that was not told to end them.
fn cases(view: &View, now: &Head, policy: &Policy) -> impl Iterator<Item = Abstention> {
    let over = view.nodes().cases().filter(|(_, case)| !policy.cases && now.timestamp > case.until);
    over.map(|(node, case)| Abstention { action: end(node, case), reason: Reason::LeftToOthers })
}

const fn end(node: NodeId, case: Case) -> Action {
    if case.appealed { Action::Thaw(node) } else { Action::Slash(node) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use xenon_protocol::contracts::Status;

    use super::*;
    use crate::{Event, TaskId, fixture::Network};

    fn reasons(network: &Network, policy: &Policy) -> Vec<(Action, Reason)> {
        let decision = decide(&network.view, &network.head(), policy);
        decision.abstentions.iter().map(|abstention| (abstention.action, abstention.reason)).collect()
    }

    fn one() -> Policy {
        Policy { max_tasks: 1, ..Policy::default() }
    }

    #[test]
    fn nothing_to_do_is_no_abstention() {
        assert_eq!(decide(&Network::new().view, &Network::new().head(), &one()), Decision::default());
        let mut waiting = Network::with_classes(&[2]);
        waiting.create(0, None, 500);
        assert_eq!(reasons(&waiting, &one()), [], "there are no three nodes: nothing could be drawn");
    }

    #[test]
    fn a_round_drawn_in_this_block_is_too_early_and_one_that_found_no_nodes_has_patience() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(0, None, 500);
        network.draw(task);
        let dispatch = |seats| Action::Dispatch { max_tasks: 1, seats };
        assert_eq!(reasons(&network, &one()), [(dispatch(1), Reason::TooEarly)]);
        network.pass(1);
        network.happen(Event::TaskRequeued { task });
        assert_eq!(reasons(&network, &one()), [(dispatch(0), Reason::Patience)]);
        network.pass(2);
        assert_eq!(reasons(&network, &one()), []);
    }

    #[test]
    fn what_does_not_pay_is_left_and_said() {
        let mut network = Network::with_classes(&[3]);
        let task = network.create(0, None, 500);
        network.draw(task);
        network.pass(1);
        network.seat(task, [1, 2, 3], 10);
        network.pass(20);
        let (advance, head) = (Action::Advance(task), network.head());
        assert_eq!(advance.reward(&network.view), 5, "a hundredth of the fee");
        let dear = Head { base_fee: 1, ..head };
        let decision = decide(&network.view, &dear, &one());
        assert_eq!(decision.abstentions, [Abstention { action: advance, reason: Reason::Unprofitable }]);
        assert_eq!(decide(&network.view, &head, &one()).actions, [advance]);
    }

    #[test]
    fn what_is_left_for_one_reason_is_told_with_it() {
        let [first, second] = [1, 2].map(|task| Action::Expire(TaskId(task)));
        let both = Decision { actions: vec![first, second], abstentions: Vec::new() };
        let abstentions = vec![Abstention { action: first, reason: Reason::NotOurTurn }];
        assert_eq!(both.keeping(&[second], Reason::NotOurTurn), Decision { actions: vec![second], abstentions });
    }

    #[test]
    fn cases_that_are_over_are_left_to_others_unless_the_policy_says_otherwise() {
        let mut network = Network::with_classes(&[1]);
        let (node, task) = (NodeId(1), TaskId(1));
        network.status(node, Status::Busy);
        network.status(node, Status::Frozen);
        network.happen(Event::CaseOpened { node, task, appeal_by: 5, accused: [NodeId(2); 2] });
        network.pass(9);
        assert_eq!(reasons(&network, &one()), [(Action::Slash(node), Reason::LeftToOthers)]);
        assert_eq!(reasons(&network, &Policy { cases: true, ..one() }), []);
    }

    proptest! {
        /// What `plan` leaves out of a longer plan is said, and nothing else: the two never disagree.
        #[test]
        fn every_task_that_is_overdue_is_planned_or_has_a_reason(
            fees in prop::collection::vec(1..2_000u128, 1..8), base_fee in 0..4u64, limit in 1..6u32,
        ) {
            let mut network = Network::with_classes(&[24]);
            let tasks: Vec<_> = fees.iter().map(|fee| network.create(1, None, *fee)).collect();
            for task in &tasks {
                network.draw(*task);
            }
            network.pass(1);
            for (nth, task) in (0..).zip(&tasks) {
                network.seat(*task, [3 * nth + 1, 3 * nth + 2, 3 * nth + 3], 10);
            }
            network.pass(50);
            let head = Head { base_fee, ..network.head() };
            let policy = Policy { max_actions: limit, advance_gas: 4, ..Policy::default() };
            let decision = decide(&network.view, &head, &policy);
            prop_assert_eq!(&decision.actions, &plan(&network.view, &head, &policy));
            let abstained = decision.abstentions.iter().map(|abstention| abstention.action);
            let told: Vec<_> = decision.actions.iter().copied().chain(abstained).collect();
            prop_assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "nothing is told twice");
            for task in tasks {
                prop_assert!(told.contains(&Action::Advance(task)), "{task:?} is forgotten");
            }
        }
    }
}
