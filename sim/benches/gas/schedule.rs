//! How lives follow one another while they are measured.

use eyre::{Result, ensure};
use indicatif::ProgressBar;

use crate::{
    expense::{Names, Recorder},
    life::Life,
    network::{Block, Move, Network},
    steps::Step,
};

/// Lives before those that count, and how many count. No more, or the tasks under way would miss their deadlines while
/// others come one by one.
const WARM_UP: u64 = 16;
const LIVES: u64 = 128;
/// Tasks whose nodes are busy while another draws lots among the free ones: one that has committed, one that waits.
const UNDER_WAY: u32 = 2;
/// Their nodes.
pub(crate) const BUSY: u32 = 3 * UNDER_WAY;

/// What a life costs while tasks keep coming, one a block, at the depth that the queue has now.
pub(crate) fn steady(network: &mut Network, names: &Names) -> Result<Life> {
    for _ in 0..WARM_UP {
        advance(network, true, None)?;
    }
    network.check_depth()?;
    let mut recorder = Recorder::new(names, LIVES, &Step::LIFE);
    while !recorder.is_done() {
        advance(network, true, Some(&mut recorder))?;
    }
    Ok(recorder.into_life())
}

/// Fills the network until only the nodes it keeps free are left, and the queue to `depth` tasks.
pub(crate) fn saturate(network: &mut Network, depth: u64) -> Result<()> {
    network.fill(network.nodes(), &ProgressBar::hidden())?;
    while network.queued() > depth {
        advance(network, false, None)?;
    }
    network.deepen(depth)
}

/// One block of lives that go through their stages one behind the other: the task that has waited longest commits, the
/// one before it reveals, the one before that is delivered, a task is created, and one dispatch seats what the block
/// before drew and draws the next. A recorder wants one of each.
fn advance(network: &mut Network, create: bool, recorder: Option<&mut Recorder<'_>>) -> Result<()> {
    let committing = network.waiting.pop_front();
    let mut moves = Vec::new();
    if let Some(task) = &committing {
        moves.extend(network.commits(task)?);
    }
    if let Some(task) = &network.committed {
        moves.extend(network.reveals(task)?);
    }
    if let Some(task) = &network.revealed {
        moves.push(network.deliver(task));
    }
    if create {
        moves.push(network.create());
    }
    moves.push(network.dispatch(Step::Dispatch, 1));
    network.revealed = std::mem::replace(&mut network.committed, committing);
    let block = mine(network, moves, (1, 1), recorder)?;
    network.waiting.extend(block.seated);
    Ok(())
}

/// What a life costs when a task comes after the one before has ended: one dispatch draws it, another seats it.
pub(crate) fn quiet(network: &mut Network, names: &Names) -> Result<Life> {
    network.settle_down()?;
    network.fill(UNDER_WAY.into(), &ProgressBar::hidden())?;
    let steps = Step::LIFE.iter().filter(|step| **step != Step::Dispatch).chain(&[Step::Draw, Step::Seat]);
    let mut recorder = Recorder::new(names, LIVES, &steps.copied().collect::<Vec<_>>());
    for _ in 0..WARM_UP {
        live(network, None)?;
    }
    while !recorder.is_done() {
        live(network, Some(&mut recorder))?;
    }
    Ok(recorder.into_life())
}

/// One life from its first block to its last.
fn live(network: &mut Network, mut recorder: Option<&mut Recorder<'_>>) -> Result<()> {
    let created = vec![network.create(), network.dispatch(Step::Draw, 1)];
    mine(network, created, (0, 1), recorder.as_deref_mut())?;
    let seating = vec![network.dispatch(Step::Seat, 1)];
    let block = mine(network, seating, (1, 0), recorder.as_deref_mut())?;
    for task in &block.seated {
        mine(network, network.commits(task)?, (0, 0), recorder.as_deref_mut())?;
        mine(network, network.reveals(task)?, (0, 0), recorder.as_deref_mut())?;
        mine(network, vec![network.deliver(task)], (0, 0), recorder.as_deref_mut())?;
    }
    Ok(())
}

/// Mines a block and records it, if it seats and draws as many tasks as is `wanted`.
fn mine(
    network: &mut Network,
    mut moves: Vec<Move>,
    wanted: (usize, u64),
    recorder: Option<&mut Recorder<'_>>,
) -> Result<Block> {
    let Some(recorder) = recorder else { return network.mine(&moves, None) };
    let block = network.mine(&moves, Some(&mut recorder.tracer))?;
    let done = (block.seated.len(), block.drawn);
    ensure!(done == wanted, "a block seated and drew {done:?} tasks, not {wanted:?}");
    // The first task of a node fills its slots, which no later task fills again.
    let seasoned = block.seated.iter().all(|task| task.seasoned);
    for it in moves.iter_mut().filter(|it| it.step.is_dispatch()) {
        it.seasoned = seasoned;
    }
    recorder.file(&moves, &block.receipts)?;
    Ok(block)
}
