"""Writes the golden vectors of generation: what transformers' logits processors keep of random logits, and what its beam
search finds in random tables of logits.

Usage: make_generation_vectors.py [--output tests/vectors/text]
"""

import argparse
import itertools
import pathlib

import torch
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from vector_file import FOLDER, write

VOCABULARY = 48
TABLE_VOCABULARY = 12
STRIDE = 5
DIGITS = 5
PROMPT = [3, 7, 7, 11]

NARROWED = (
    {"temperature": 0.7},
    {"temperature": 3.0},
    {"top_k": 1},
    {"top_k": 7},
    {"top_p": 0.0},
    {"top_p": 0.3},
    {"top_p": 0.9},
    {"min_p": 0.05},
    {"min_p": 0.5},
    {"min_p": 1.0},
    {"typical_p": 0.2},
    {"typical_p": 0.9},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.5},
    {"temperature": 1.5, "top_k": 20, "top_p": 0.9},
    {"top_k": 20, "min_p": 0.02, "typical_p": 0.8},
    {"repetition_penalty": 1.2, "temperature": 0.8, "top_k": 30, "top_p": 0.95, "min_p": 0.01, "typical_p": 0.9},
)
LENGTH_PENALTIES = (1.0, 0.0, 2.0, -1.0)
STOPPING = (False, True, "never")
ENDS = ([], [0], [0, 5])
PENALTIES = (1.0, 1.4)


class TableModel(PreTrainedModel, GenerationMixin):
    """A model whose logits are a row of a table, which depends on the last token and its position.

    Without the position, sequences that go through the same pairs of tokens in another order would be equally probable."""

    config_class = PretrainedConfig

    def __init__(self, table):
        super().__init__(PretrainedConfig(vocab_size=table.shape[1]))
        self.table = torch.nn.Parameter(table, requires_grad=False)

    def forward(self, input_ids, **_):
        """The logits after each token."""
        positions = torch.arange(input_ids.shape[1])
        return CausalLMOutput(logits=self.table[(input_ids + STRIDE * positions) % len(self.table)])


def main():
    """Writes both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=pathlib.Path, default=FOLDER)
    output = parser.parse_args().output
    torch.manual_seed(4)
    write(output / "narrowed.json", [narrowed(settings, scale) for settings in NARROWED for scale in (1.0, 4.0)])
    write(output / "beams.json", list(searches()))


def narrowed(settings, scale):
    """Random logits, and what transformers makes of them before it draws; null where a token is dropped."""
    logits = random(VOCABULARY, scale=scale)
    logits[13] = -torch.inf
    model = TableModel(torch.zeros(1, VOCABULARY))
    config = GenerationConfig(do_sample=True, **({"top_k": 0} | settings))
    model._prepare_special_tokens(config)
    processors = model._get_logits_processor(config, input_ids_seq_length=len(PROMPT))
    kept = processors(torch.tensor([PROMPT]), logits.double().unsqueeze(0))[0]
    return {"settings": settings, "prompt": PROMPT, "logits": numbers(logits, DIGITS), "kept": numbers(kept)}


def random(*shape, scale):
    """Normally distributed numbers that are short in decimal."""
    return torch.round(torch.randn(*shape) * scale, decimals=DIGITS)


def numbers(tensor, digits=None):
    """A list with null for minus infinity, rounded if digits are given."""
    shown = [round(number, digits) if digits and number > -torch.inf else number for number in tensor.tolist()]
    return [None if number == -torch.inf else number for number in shown]


def searches():
    """Beam searches with every combination of the settings, the tables and lengths in turn."""
    combinations = itertools.product(LENGTH_PENALTIES, STOPPING, ENDS, PENALTIES)
    for number, (length_penalty, early_stopping, ends, penalty) in enumerate(combinations):
        yield search(2 + number % 4, 3 + number % 7, length_penalty, early_stopping, ends, penalty)


def search(beams, most_tokens, length_penalty, early_stopping, ends, penalty):
    """One beam search by transformers' generate, all of its beams."""
    table = random(TABLE_VOCABULARY, TABLE_VOCABULARY, scale=2.0)
    settings = {"length_penalty": length_penalty, "early_stopping": early_stopping, "repetition_penalty": penalty}
    found = TableModel(table).generate(
        torch.tensor([PROMPT]), num_beams=beams, num_return_sequences=beams, max_new_tokens=most_tokens,
        do_sample=False, use_cache=False, eos_token_id=ends or None, pad_token_id=TABLE_VOCABULARY,
        return_dict_in_generate=True, output_scores=True, **settings,
    )
    sequences = [[token for token in row if token != TABLE_VOCABULARY] for row in found.sequences[:, len(PROMPT):].tolist()]
    return {
        "prompt": PROMPT, "table": [numbers(row, DIGITS) for row in table], "num_beams": beams, "max_new_tokens": most_tokens, "end_tokens": ends,
        **settings, "sequences": sequences, "scores": found.sequences_scores.tolist(),
    }


if __name__ == "__main__":
    main()
