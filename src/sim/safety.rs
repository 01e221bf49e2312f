//! `xenon sim safety`.

use eyre::Result;
use xenon_sim::safety::{Assumptions, Draws, PUBLISHED, company, draw, majority, yearly_return};

use super::{SafetyArgs, progress, table};

/// Prints the published table beside its formulas, the right ones, and what the real contracts draw.
pub(super) fn run(args: &SafetyArgs) -> Result<()> {
    let mut rows = table([
        "honest",
        "attacker's",
        "stake",
        "published %",
        "k = 1 %",
        "k = 3 %",
        "with q %",
        "p",
        "p drawn",
        "q",
        "q drawn",
    ]);
    let bar = progress(args.draws * PUBLISHED.len() as u64)?.with_message("drawing");
    for (honest, dishonest, _, published) in PUBLISHED {
        let draws = if args.draws > 0 && honest + dishonest <= args.nodes {
            Some(draw(narrow(honest), narrow(dishonest), args.draws, args.seed, |more| bar.inc(more))?)
        } else {
            None
        };
        rows.add_row(row(honest, dishonest, published, draws));
    }
    bar.finish_and_clear();
    println!("{rows}");
    println!(
        "p: two or more of a task's three nodes are the attacker's; q: one of them that was drawn has an accomplice."
    );
    println!("drawn: on the real contracts, {} tasks a row, with the standard error.", args.draws);
    Ok(())
}

fn row(honest: u64, dishonest: u64, published: f64, draws: Option<Draws>) -> Vec<String> {
    let (p, q) = (majority(honest, dishonest), company(honest, dishonest));
    let percent = |success, k| {
        let assumptions = Assumptions { k, ..Assumptions::default() };
        100.0 * yearly_return(success, dishonest, &assumptions).rate
    };
    let stake = yearly_return(p, dishonest, &Assumptions::default()).stake;
    let estimate = |share: fn(&Draws) -> (f64, f64)| {
        draws.as_ref().map(share).map_or_else(|| String::from("-"), |(share, error)| format!("{share:.5} ± {error:.5}"))
    };
    vec![
        honest.to_string(),
        dishonest.to_string(),
        format!("{stake:.2}"),
        format!("{published:.2}"),
        format!("{:.2}", percent(p, 1.0)),
        format!("{:.2}", percent(p, 3.0)),
        format!("{:.1}", percent(q, 1.0)),
        format!("{p:.5}"),
        estimate(Draws::majority),
        format!("{q:.5}"),
        estimate(Draws::company),
    ]
}

fn narrow(nodes: u64) -> u32 {
    u32::try_from(nodes).unwrap_or(u32::MAX)
}
