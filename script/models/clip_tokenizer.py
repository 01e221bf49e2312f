"""The picture model's tokenizer: CLIP's byte-pair encoding with merges learnt from its own prompts."""

import json
import pathlib
import tempfile

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizerFast
from transformers.models.clip.tokenization_clip import bytes_to_unicode

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
LENGTH = 32
LARGEST_VOCABULARY = 1_000
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def build(prompts):
    """A tokenizer that pads and cuts to LENGTH tokens, with the end token as padding, as Stable Diffusion does."""
    merges = learnt_merges(prompts)
    letters = list(bytes_to_unicode().values())
    tokens = letters + [letter + WORD_END for letter in letters] + ["".join(pair) for pair in merges] + [START, END]
    with tempfile.TemporaryDirectory() as folder:
        vocabulary, rules = pathlib.Path(folder, "vocab.json"), pathlib.Path(folder, "merges.txt")
        vocabulary.write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
        rules.write_text("#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges))
        return CLIPTokenizerFast(
            str(vocabulary), str(rules), model_max_length=LENGTH, bos_token=START, eos_token=END, unk_token=END, pad_token=END,
        )


def learnt_merges(prompts):
    """Pairs of tokens to join, most frequent first; every word of the prompts ends up as one token."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    trainer = trainers.BpeTrainer(
        vocab_size=LARGEST_VOCABULARY, min_frequency=2, end_of_word_suffix=WORD_END,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False,
    )
    tokenizer.train_from_iterator(prompts, trainer)
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def token_ids(tokenizer, prompts):
    """`[n, LENGTH]` ids."""
    return tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt").input_ids
