//! `xenon task quote`: what a task would meet if it were created now.

use alloy::primitives::{U256, aliases::U96};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use eyre::Result;
use serde_json::json;
use xenon_protocol::{
    chain::TypedChain as _,
    contracts::{
        NetworkStats::{self, Quote, Suitability},
        Node,
    },
    value::{Level, ValueRate},
};

use crate::{cli::QuoteArgs, error::CliError, money, network::Network, settings::Settings};

/// Nodes looked at in one call.
const PAGE: u32 = 500;

/// Nodes that a task needs.
const SEATS: u32 = 3;

/// Runs the command.
pub(super) async fn run(args: &QuoteArgs, settings: &Settings) -> Result<()> {
    let network = Network::connect(settings).await?;
    let fee = money::parse(&args.price)?;
    if fee.bit_len() > U96::BITS {
        return Err(CliError::BadAmount { text: args.price.clone() }.into());
    }
    let quote = NetworkStats::quoteCall {
        kind: args.kind,
        size: args.size,
        minVram: args.min_vram,
        requiredClass: args.class,
        fee: U96::from(fee),
    };
    let quote = network.chain.view(network.contracts.stats, &quote).await?;
    let nodes = suitability(&network, args).await?;
    if args.json {
        println!("{}", as_json(&quote, &nodes));
    } else {
        println!("{}", table(&quote, fee));
        println!("{}", explanation(&nodes));
    }
    Ok(())
}

/// How many nodes could serve the task now, and how many others there are for each reason.
#[derive(Clone, Debug, Default)]
struct Nodes {
    eligible: u32,
    others: [u32; REASONS.len()],
}

/// What keeps a node from serving the task. The first two pass by themselves.
const REASONS: [&str; 9] = [
    "busy",
    "about to be free",
    "with too little memory",
    "of another class",
    "paused",
    "suspended",
    "frozen",
    "leaving",
    "gone",
];

impl Nodes {
    fn add(&mut self, page: &Suitability) {
        self.eligible += page.eligible;
        let others = [
            page.busy,
            page.waiting,
            page.tooSmall,
            page.otherClass,
            page.paused,
            page.suspended,
            page.frozen,
            page.unbonding,
            page.gone,
        ];
        self.others.iter_mut().zip(others).for_each(|(sum, count)| *sum += count);
    }

    /// Those that can serve it now or will come free.
    fn working(&self) -> u32 {
        self.eligible + self.others[0] + self.others[1]
    }

    /// The reasons that apply, with the number of nodes.
    fn reasons(&self) -> impl Iterator<Item = (&'static str, u32)> {
        REASONS.into_iter().zip(self.others).filter(|(_, count)| *count != 0)
    }
}

/// Asks for all nodes, page by page.
async fn suitability(network: &Network, args: &QuoteArgs) -> Result<Nodes> {
    let last = network.chain.view(network.contracts.node, &Node::lastNodeCall {}).await?;
    let mut nodes = Nodes::default();
    for first in (1..=last).step_by(PAGE as usize) {
        let call = NetworkStats::suitabilityCall {
            minVram: args.min_vram,
            requiredClass: args.class,
            first,
            limit: U256::from(PAGE),
        };
        nodes.add(&network.chain.view(network.contracts.stats, &call).await?);
    }
    Ok(nodes)
}

fn table(quote: &Quote, fee: U256) -> Table {
    let rate = |value: ValueRate| format!("{} CNX/s", money::show_rate(value.wei_per_second()));
    let end = |level: u16| match level {
        0 => String::from("-"),
        level => rate(Level(level).floor()),
    };
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(["fee", &format!("{} CNX", money::show(fee))]);
    table.add_row(["estimated duration".to_owned(), format!("{} ms", quote.durationMs)]);
    table.add_row(["value per second".to_owned(), rate(ValueRate::from_raw(quote.value))]);
    table.add_row(["first of its book".to_owned(), end(quote.head)]);
    table.add_row(["last of its book".to_owned(), end(quote.tail)]);
    table.add_row(["served before it".to_owned(), quote.ahead.to_string()]);
    table.add_row(["queue".to_owned(), format!("{} of at most {}", quote.queued, quote.limit)]);
    table.add_row(["least fee".to_owned(), format!("{} CNX", money::show(quote.leastFee))]);
    let unstaffed = quote.queued >= quote.limit && fee >= quote.leastFee;
    let taken = match quote.accepted {
        true => "yes",
        false if unstaffed => "no: the queue is full, and too few nodes are active that could serve it",
        false => "no",
    };
    table.add_row(["would be taken", taken]);
    table
}

/// Whether nodes are there, and if not, why.
fn explanation(nodes: &Nodes) -> String {
    if nodes.eligible >= SEATS {
        return format!("{} nodes could serve it now.", nodes.eligible);
    }
    let listed: Vec<_> = nodes.reasons().map(|(why, count)| format!("{count} {why}")).collect();
    let others = if listed.is_empty() { String::from("there are no others") } else { listed.join(", ") };
    let outlook = if nodes.working() >= SEATS { "it would wait for those" } else { "no suitable node would come free" };
    format!("{} nodes could serve it now, of the {SEATS} it needs: {others}; {outlook}.", nodes.eligible)
}

fn as_json(quote: &Quote, nodes: &Nodes) -> serde_json::Value {
    json!({
        "duration_ms": quote.durationMs.to_string(),
        "value_per_second": money::show_rate(ValueRate::from_raw(quote.value).wei_per_second()),
        "head": quote.head,
        "tail": quote.tail,
        "ahead": quote.ahead.to::<u64>(),
        "queued": quote.queued.to_string(),
        "limit": quote.limit.to_string(),
        "accepted": quote.accepted,
        "least_fee_wei": quote.leastFee.to_string(),
        "eligible": nodes.eligible,
        "others": nodes.reasons().map(|(why, count)| (why.to_owned(), json!(count))).collect::<serde_json::Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(eligible: u32, others: &[(&str, u32)]) -> Nodes {
        let count = |why: &str| others.iter().find(|(name, _)| *name == why).map_or(0, |(_, count)| *count);
        Nodes { eligible, others: REASONS.map(count) }
    }

    #[test]
    fn who_could_serve_a_task_is_said_first() {
        assert_eq!(explanation(&nodes(4, &[("frozen", 9)])), "4 nodes could serve it now.");
    }

    #[test]
    fn missing_nodes_are_explained_by_reason() {
        let text = explanation(&nodes(1, &[("with too little memory", 2), ("frozen", 1)]));
        assert!(text.contains("2 with too little memory, 1 frozen; no suitable node would come free"), "{text}");
        let busy = explanation(&nodes(0, &[("busy", 3)]));
        assert!(busy.contains("3 busy; it would wait"), "{busy}");
        assert!(explanation(&Nodes::default()).contains("there are no others"));
    }
}
