//! What should be done now.

use xenon_protocol::chain::Head;

use crate::{
    Action, ClassId, Policy, TaskId, View,
    order::next_draw,
    view::{Class, ClassKey, Stage, Task},
};

/// What should be done, given the state after a block, in order of urgency.
///
/// Pure: equal arguments give equal plans. Nothing is planned that the contracts would refuse in the next block, as far
/// as the view tells; the contracts decide.
pub fn plan(view: &View, now: &Head, policy: &Policy) -> Vec<Action> {
    let pays =
        |id: &TaskId| view.tasks().get(*id).is_some_and(|task| policy.pays(view.crank_share(task), now.base_fee));
    let dispatch = dispatch(view, now, policy);
    let drawn = drawn_by(dispatch, view, now);
    let overdue = view.tasks().overdue(now.timestamp).filter(pays).filter(|id| !drawn.contains(id));
    let (before, after): (Vec<_>, Vec<_>) = overdue.partition(|id| is_drawn_from(view, *id));
    let expired = view.tasks().expired(now.timestamp).map(Action::Expire);
    let limit = usize::try_from(policy.max_actions).unwrap_or(usize::MAX);
    let advance = |tasks: Vec<_>| tasks.into_iter().map(Action::Advance);
    advance(before)
        .chain(dispatch)
        .chain(advance(after))
        .chain(wakeable(view).map(Action::Wake))
        .chain(absorb(view, policy))
        .chain(reserve(view, now))
        .chain(reviewable(view, now))
        .chain(expired)
        .chain(cases(view, now, policy))
        .take(limit)
        .collect()
}

/// The tasks that a planned draw takes, of those with seats to give away: from then on only their seating moves them.
fn drawn_by(dispatch: Option<Action>, view: &View, now: &Head) -> Vec<TaskId> {
    match dispatch {
        Some(Action::Dispatch { max_tasks, .. }) if view.round().draw_block() == 0 && view.has_vacancies() => {
            next_draw(view, usize::try_from(max_tasks).unwrap_or(usize::MAX), now.timestamp).drawn
        }
        _ => Vec::new(),
    }
}

/// Whether a dispatch that seats a round may draw the task after that, which nobody can foresee: it is moved on before.
fn is_drawn_from(view: &View, id: TaskId) -> bool {
    let is_vacant = |task: &Task| matches!(task.stage, Stage::Vacant(_));
    view.round().draw_block() != 0 && view.tasks().get(id).is_some_and(is_vacant)
}

fn dispatch(view: &View, now: &Head, policy: &Policy) -> Option<Action> {
    let round = view.round();
    if round.draw_block() == 0 { draw(view, now, policy) } else { seat(view, now, policy) }
}

/// The round that waits can be seated once a block follows that of its draw.
fn seat(view: &View, now: &Head, policy: &Policy) -> Option<Action> {
    let waiting = view.round().waiting();
    let seats = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
    let is_due = view.round().draw_block() < now.number && any_is_ripe(view, waiting, now, policy);
    is_due.then_some(Action::Dispatch { max_tasks: policy.max_tasks, seats })
}

fn draw(view: &View, now: &Head, policy: &Policy) -> Option<Action> {
    let limit = usize::try_from(policy.max_tasks).unwrap_or(usize::MAX);
    let drawn = next_draw(view, limit, now.timestamp).drawn;
    any_is_ripe(view, &drawn, now, policy).then_some(Action::Dispatch { max_tasks: policy.max_tasks, seats: 0 })
}

/// Tasks for which no nodes were found, all free nodes being of one operator perhaps, are tried ever more rarely:
/// whoever seats nothing earns nothing.
fn any_is_ripe(view: &View, tasks: &[TaskId], now: &Head, policy: &Policy) -> bool {
    let is_ripe = |task: &Task| now.number >= task.requeued_in.saturating_add(policy.patience(task.requeues));
    tasks.iter().filter_map(|task| view.tasks().get(*task)).any(is_ripe)
}

/// Parked books whose class has as many free nodes as its floor asks for.
fn wakeable(view: &View) -> impl Iterator<Item = ClassKey> {
    let has_enough = |key: &ClassKey| view.nodes().class(key.class).is_some_and(|class| class.free >= class.floor);
    view.books().parked().filter(has_enough)
}

/// A class for the first task of a book that has waited longest of those that have waited long enough.
fn reserve(view: &View, now: &Head) -> Option<Action> {
    if view.reservation().is_some_and(|held| !held.is_over(now.timestamp)) {
        return None;
    }
    if view.is_bound() || (view.reservation().is_some() && view.round().draw_block() != 0) {
        return None;
    }
    let after = u64::from(view.limits().reserve_after);
    let heads = heads(view).filter_map(|id| Some((id, view.tasks().get(id)?)));
    let waiting = heads.filter_map(|(id, task)| Some((task.waits_since()?, id, task)));
    let ripe = waiting.filter(|(since, ..)| now.timestamp >= since.saturating_add(after));
    let mut ripe: Vec<_> = ripe.collect();
    ripe.sort_unstable_by_key(|(since, id, _)| (*since, *id));
    ripe.into_iter().find_map(|(_, task, known)| Some(Action::Reserve { task, class: class_for(view, known)? }))
}

/// The first task of each book.
fn heads(view: &View) -> impl Iterator<Item = TaskId> {
    let tiers = view.books().tiers().filter_map(|(_, book)| Some(*book.first()?.1));
    let classes = view.books().classes().filter_map(|(_, book)| Some(*book.tasks().first()?.1));
    tiers.chain(classes)
}

/// The class with the most active nodes that could be reserved for a task; none if it has enough free nodes anyway.
fn class_for(view: &View, task: &Task) -> Option<ClassId> {
    if !view.needs_one_class(task.kind, task.class) {
        return None;
    }
    let suits = |(id, class): &(ClassId, Class)| match task.class {
        Some(named) => *id == named,
        None => class.open && class.tier >= task.tier,
    };
    let mut classes: Vec<_> = view.nodes().classes().filter(suits).filter(|(_, class)| class.active >= 3).collect();
    if classes.iter().any(|(_, class)| class.free >= class.floor) {
        return None;
    }
    classes.sort_unstable_by_key(|(id, class)| (std::cmp::Reverse(class.active), *id));
    classes.first().map(|(id, _)| *id)
}

/// Classes whose openness is not what their nodes make it, or whose floor is still that of more nodes, while tasks wait that
/// it matters to.
fn reviewable(view: &View, now: &Head) -> impl Iterator<Item = Action> {
    let active = view.nodes().counts().active;
    let is_closed = view.round().closes_sets_in(now.number + 1);
    let waits = |class: &Class| {
        view.books().tiers().any(|(key, _)| class.tier >= key.tier && view.needs_one_class(key.kind, None))
    };
    let is_stale = move |class: &Class| {
        let assessed = class.assessed(active);
        assessed.open != class.open || assessed.floor < class.floor
    };
    view.nodes()
        .classes()
        .filter(move |_| !is_closed)
        .filter(move |(_, class)| class.free >= 3 && is_stale(class) && waits(class))
        .map(|(id, _)| Action::Review(id))
}

/// Frozen nodes whose time is over.
fn cases(view: &View, now: &Head, policy: &Policy) -> impl Iterator<Item = Action> {
    let over = view.nodes().cases().filter(|(_, case)| policy.cases && now.timestamp > case.until);
    over.map(|(node, case)| if case.appealed { Action::Thaw(node) } else { Action::Slash(node) })
}

/// Nodes that still wait although the sets are open, now and in the next block.
fn absorb(view: &View, policy: &Policy) -> Option<Action> {
    let is_open = view.round().draw_block() == 0;
    (is_open && view.nodes().deferred() > 0).then_some(Action::Absorb { limit: policy.max_absorb })
}

#[cfg(test)]
mod tests;
