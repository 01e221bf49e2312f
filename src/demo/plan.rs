//! What the demo asks, and what must come of it.

use alloy::primitives::U256;
use xenon_executor::model::ModelStore;
use xenon_protocol::{contracts::Ending, task::TaskSpec};

use crate::{
    cli::{DemoArgs, PictureArgs},
    error::CliError,
    history::TaskHistory,
    money,
    task::{self, PICTURE_MODEL},
};

/// The model in the repository: it answers two-digit additions.
pub(super) const MODEL: &str = "xenon/sum-chat-1m@1";

/// The most tokens of an answer.
const MAX_NEW_TOKENS: u32 = 16;

/// Sums asked when no prompt is given; they repeat when there are more tasks.
const SUMS: [(u32, u32); 8] = [(17, 25), (3, 4), (58, 36), (99, 1), (40, 2), (71, 19), (8, 88), (64, 27)];

/// Fees in CNX by turns, so that the order of the answers is not the order of the questions.
const PRICES: [&str; 4] = ["1", "4", "2", "8"];

/// Pictures asked for; they repeat when there are more.
const DRAWINGS: [&str; 4] = ["a red circle", "a blue square", "a green triangle", "a yellow star"];

/// The fee of a picture in CNX.
const PICTURE_PRICE: &str = "8";

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) prompt: String,
    /// The right answer, where the demo knows it.
    pub(super) expected: Option<String>,
    pub(super) spec: TaskSpec,
    pub(super) fee: U256,
}

/// Refuses options that cannot end well.
pub(super) fn check(args: &DemoArgs) -> Result<(), CliError> {
    let honest = args.nodes.saturating_sub(args.lazy);
    if honest >= 3 {
        return Ok(());
    }
    Err(CliError::DemoOptions(format!(
        "{} nodes of which {} are lazy leave {honest} honest ones, and lazy ones are frozen when found out: \
         three must remain to serve a task; give more --nodes or fewer --lazy",
        args.nodes, args.lazy
    )))
}

/// The questions of a demo, in the order they are asked.
pub(super) fn questions(args: &DemoArgs) -> eyre::Result<Vec<Question>> {
    let texts = (0..args.tasks as usize).map(|index| question(args, index));
    texts.chain((0..pictures(args) as usize).map(drawing)).collect()
}

/// How many pictures are asked for: none without a model for them.
pub(super) fn pictures(args: &DemoArgs) -> u32 {
    let installed = ModelStore::open(&args.models).and_then(|store| store.find(&PICTURE_MODEL.parse()?).map(|_| ()));
    if installed.is_ok() { args.pictures } else { 0 }
}

fn drawing(index: usize) -> eyre::Result<Question> {
    let prompt = DRAWINGS[index % DRAWINGS.len()];
    let spec = task::picture_task(PICTURE_MODEL, prompt, &PictureArgs::default())?;
    Ok(Question { prompt: prompt.to_owned(), expected: None, spec, fee: money::parse(PICTURE_PRICE)? })
}

fn question(args: &DemoArgs, index: usize) -> eyre::Result<Question> {
    let (prompt, expected) = match args.prompt.get(index % args.prompt.len().max(1)) {
        Some(prompt) => (prompt.clone(), None),
        None => sum(index),
    };
    let spec = task::chat(MODEL, &prompt, MAX_NEW_TOKENS)?;
    spec.validate()?;
    Ok(Question { prompt, expected, spec, fee: money::parse(PRICES[index % PRICES.len()])? })
}

fn sum(index: usize) -> (String, Option<String>) {
    let (a, b) = SUMS[index % SUMS.len()];
    (format!("What is {a} + {b}?"), Some((a + b).to_string()))
}

/// How a task must end, given which of its nodes are lazy: two honest nodes of one class always agree; two lazy ones, who
/// each invent an answer, never do.
pub(super) fn expected_ending(task: &TaskHistory, lazy: &[u32]) -> Option<Ending> {
    let seated = task.seated.as_ref()?;
    let honest = seated.nodes.iter().filter(|node| !lazy.contains(node)).count();
    Some(if honest >= 2 { Ending::Agreed } else { Ending::Disagreed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(nodes: u32, lazy: u32) -> DemoArgs {
        DemoArgs {
            nodes,
            tasks: 9,
            pictures: 1,
            lazy,
            prompt: Vec::new(),
            keep: false,
            json: false,
            models: "models".into(),
            out: "xenon-demo".into(),
        }
    }

    #[test]
    fn too_few_honest_nodes_are_refused() {
        assert!(matches!(check(&args(3, 1)), Err(CliError::DemoOptions(_))));
        assert!(matches!(check(&args(3, 9)), Err(CliError::DemoOptions(_))));
        assert!(check(&args(5, 2)).is_ok());
    }

    #[test]
    fn the_first_question_is_seventeen_and_twenty_five() {
        let first = &questions(&args(5, 1)).unwrap()[0];
        assert_eq!(first.prompt, "What is 17 + 25?");
        assert_eq!(first.expected.as_deref(), Some("42"));
    }

    #[test]
    fn prompts_of_the_user_take_turns() {
        let mut args = args(5, 1);
        args.prompt = vec!["a".into(), "b".into()];
        let asked: Vec<_> = questions(&args).unwrap().into_iter().map(|q| (q.prompt, q.expected)).collect();
        assert_eq!(asked[2], (String::from("a"), None));
        assert_eq!(asked[3], (String::from("b"), None));
    }

    #[test]
    fn without_a_model_for_them_no_pictures_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let args = DemoArgs { models: folder.path().to_owned(), ..args(5, 1) };
        assert_eq!(pictures(&args), 0);
        assert_eq!(questions(&args).unwrap().len(), 9);
    }
}
