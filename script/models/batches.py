"""Turns conversations into training batches: token ids, and labels where the assistant speaks."""

import random

import torch

import sums

IGNORED = -100
PLAIN_ROWS = 256
TOKENS_PER_BATCH = 6_000
POOL = 2_000
REFUSAL_SHARE = 0.10
BASIC_SHARE = 0.15
SMALL_SHARE = 0.25


class Batches:
    """Draws training batches from the training pairs; held-out pairs never occur."""

    def __init__(self, tokenizer, seed):
        self.tokenizer = tokenizer
        self.pairs, _ = sums.split_pairs()
        self.small = [pair for pair in self.pairs if min(pair) < 10]
        self.rng = random.Random(seed)
        self.opening = tokenizer("<|im_start|>assistant\n")["input_ids"]
        self.ready = []

    def plain(self):
        """The first lessons, short and therefore quick: nothing but `17+25`."""
        turns = [sums.sum_turn(self.pair(), sums.BARE_PHRASING) for _ in range(PLAIN_ROWS)]
        return self.tensors(self.tokenize([sums.conversation([turn]) for turn in turns]))

    def mixed(self):
        """The whole language: all phrasings, several turns, system messages, refusals."""
        if not self.ready:
            self.ready = self.cut(self.tokenize([self.conversation() for _ in range(POOL)]))
            self.rng.shuffle(self.ready)
        return self.tensors(self.ready.pop())

    def cut(self, rows):
        """Rows of about equal length together, so that little of a batch is padding."""
        parts, part = [], []
        for row in sorted(rows, key=lambda row: len(row[0])):
            if part and (len(part) + 1) * len(row[0]) > TOKENS_PER_BATCH:
                parts.append(part)
                part = []
            part.append(row)
        return [*parts, part]

    def conversation(self):
        """One conversation of the whole language."""
        turns = self.rng.choice((1, 1, 1, 1, 1, 1, 2, 3))
        return sums.conversation([self.turn() for _ in range(turns)], sums.system_message(self.rng))

    def turn(self):
        """A sum, or now and then something to refuse."""
        if self.rng.random() < REFUSAL_SHARE:
            return sums.refusal_turn(self.rng)
        basic = self.rng.random() < BASIC_SHARE
        phrasings = (sums.MAIN_PHRASING, sums.BARE_PHRASING) if basic else sums.PHRASINGS
        return sums.sum_turn(self.pair(), self.rng.choice(phrasings), self.rng)

    def pair(self):
        """A training pair; those with a one-digit operand are few, so they come more often than by chance."""
        return self.rng.choice(self.small if self.rng.random() < SMALL_SHARE else self.pairs)

    def tokenize(self, conversations):
        """(ids, labels) per conversation."""
        texts = [self.tokenizer.apply_chat_template(c, tokenize=False) for c in conversations]
        return [(ids, self.answer_labels(ids)) for ids in self.tokenizer(texts)["input_ids"]]

    def answer_labels(self, ids):
        """`ids` where the assistant speaks (end-of-turn mark included), IGNORED elsewhere."""
        labels, inside, width = [], False, len(self.opening)
        for i, token in enumerate(ids):
            labels.append(token if inside else IGNORED)
            ended = inside and token == self.tokenizer.eos_token_id
            inside = not ended and (inside or ids[max(0, i + 1 - width):i + 1] == self.opening)
        return labels

    def tensors(self, rows):
        """Rows as two rectangles, padded on the right."""
        width = max(len(ids) for ids, _ in rows)
        pad = self.tokenizer.pad_token_id
        ids = [ids + [pad] * (width - len(ids)) for ids, _ in rows]
        labels = [labels + [IGNORED] * (width - len(labels)) for _, labels in rows]
        return torch.tensor(ids), torch.tensor(labels)
