"""Makes the tokenizer of the model: byte-level BPE over the model's own small language, digits always alone."""

import random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

import sums

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
VOCABULARY = 512
CORPUS_SEED = 7
CORPUS_TURNS = 20_000

CHAT_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def corpus():
    """Text to learn the merges from: questions, answers, roles and system messages."""
    rng = random.Random(CORPUS_SEED)
    training, _ = sums.split_pairs()
    for _ in range(CORPUS_TURNS):
        yield from sums.sum_turn(rng.choice(training), rng.choice(sums.PHRASINGS), rng)
        yield sums.fixed(rng)
        yield sums.templated(rng)
        yield sums.near_miss(rng)
        yield sums.REFUSAL
        yield "system\nuser\nassistant\n" + (sums.system_message(rng) or "")


def build():
    """The tokenizer with its chat template. Any UTF-8 text can be encoded: all 256 bytes are in the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return wrap(tokenizer)


def wrap(tokenizer):
    """The tokenizer as transformers saves it, with special tokens and chat template."""
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START, END],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
