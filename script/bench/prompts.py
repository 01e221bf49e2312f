"""The prompt that every engine reads, as token ids: nothing but numbers, so that no tokenizer is measured."""

# The first ids of a vocabulary are special ones.
SPECIAL = 3


def prompt(tokens: int, vocabulary: int) -> list[int]:
    """The upper bits of Knuth's linear congruential generator (MMIX) from seed 0; executor/benches/text.rs makes the same."""
    ids, state = [], 0
    for _ in range(tokens):
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        ids.append(SPECIAL + (state >> 33) % (vocabulary - SPECIAL))
    return ids
