//! Requests that share passes.

use std::collections::BTreeMap;

use super::{Decoder, Generated, Request, TextTokenizer, generate};
use crate::{error::ExecutorError, model::ModelConfig};

/// Runs requests of any lengths. Those whose prompts have the same number of tokens share passes.
///
/// `on_text` is called with the index of the request, the index of the sequence and each piece of its text. When a
/// shared pass fails, its requests are run one by one, and text that was given out is not given out again.
pub fn generate_all<D: Decoder>(
    decoder: &mut D,
    tokenizer: &TextTokenizer,
    config: &ModelConfig,
    requests: &[Request<'_>],
    mut on_text: impl FnMut(usize, u32, &str),
) -> Vec<Result<Vec<Generated>, ExecutorError>> {
    let mut groups = BTreeMap::<usize, Vec<usize>>::new();
    for (index, request) in requests.iter().enumerate() {
        groups.entry(request.prompt.len()).or_default().push(index);
    }
    let mut results = BTreeMap::new();
    for members in groups.into_values() {
        let mut group = Group { members: &members, requests, given: BTreeMap::new(), on_text: &mut on_text };
        let together = group.run(decoder, tokenizer, config, &members);
        let each = match together {
            Err(_) if members.len() > 1 => group.run_one_by_one(decoder, tokenizer, config),
            Err(error) => vec![Err(error)],
            Ok(each) => each,
        };
        results.extend(members.iter().copied().zip(each));
    }
    results.into_values().collect()
}

/// Requests whose prompts are equally long.
struct Group<'a, F> {
    /// Their positions among all requests.
    members: &'a [usize],
    requests: &'a [Request<'a>],
    /// Bytes of each sequence's text that were given out.
    given: BTreeMap<(usize, u32), usize>,
    on_text: &'a mut F,
}

impl<F: FnMut(usize, u32, &str)> Group<'_, F> {
    /// Runs some of the group together. What was given out before is passed over.
    fn run<D: Decoder>(
        &mut self,
        decoder: &mut D,
        tokenizer: &TextTokenizer,
        config: &ModelConfig,
        members: &[usize],
    ) -> Result<Vec<Result<Vec<Generated>, ExecutorError>>, ExecutorError> {
        let requests: Vec<_> = members.iter().map(|index| self.requests[*index]).collect();
        let mut seen = BTreeMap::<(usize, u32), usize>::new();
        generate(decoder, tokenizer, config, &requests, |member, sequence, text| {
            let key = (members[member], sequence);
            let (seen, given) = (seen.entry(key).or_default(), self.given.entry(key).or_default());
            let known = given.saturating_sub(*seen).min(text.len());
            *seen += text.len();
            *given = (*given).max(*seen);
            if let Some(fresh) = text.get(known..).filter(|fresh| !fresh.is_empty()) {
                (self.on_text)(key.0, sequence, fresh);
            }
        })
    }

    fn run_one_by_one<D: Decoder>(
        &mut self,
        decoder: &mut D,
        tokenizer: &TextTokenizer,
        config: &ModelConfig,
    ) -> Vec<Result<Vec<Generated>, ExecutorError>> {
        let alone = self.members.iter().map(|index| {
            let mut results = self.run(decoder, tokenizer, config, &[*index])?;
            results.pop().unwrap_or_else(|| Ok(Vec::new()))
        });
        alone.collect()
    }
}
