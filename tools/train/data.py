"""From text files to training batches: stories, the validation split, the tokenizer, batches of similar length."""

import hashlib
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import Tensor

END_OF_TEXT = "<|endoftext|>"
HELD_OUT_SEPARATOR = "\n\n\n"
VALIDATION_SHARE = 0.01


def read_training_stories(files: Sequence[Path]) -> list[str]:
    """Returns the distinct stories of the files, in order, without a last story that has no end mark."""
    stories: dict[str, None] = {}
    for file in files:
        *complete, _rest = file.read_text(encoding="utf-8").split(END_OF_TEXT)
        stories.update(dict.fromkeys(story.strip() for story in complete))
    stories.pop("", None)
    return list(stories)


def read_held_out_stories(file: Path) -> list[str]:
    """Returns the stories of a held-out file, which are separated by three newlines."""
    parts = file.read_text(encoding="utf-8").split(HELD_OUT_SEPARATOR)
    return [story for part in parts if (story := part.strip())]


def split_validation(stories: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns (training, validation). The hash of a story decides, so the split does not depend on the order."""
    limit = int(VALIDATION_SHARE * 2**32)
    parts: tuple[list[str], list[str]] = ([], [])
    for story in stories:
        digest = hashlib.sha256(story.encode()).digest()
        parts[int.from_bytes(digest[:4]) < limit].append(story)
    return parts


def train_tokenizer(stories: Sequence[str], vocab_size: int) -> Tokenizer:
    """Trains a byte-level BPE tokenizer whose template puts END_OF_TEXT (id 0) before every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(stories, trainer)
    end = tokenizer.token_to_id(END_OF_TEXT)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} $A",
        pair=f"{END_OF_TEXT} $A {END_OF_TEXT}:1 $B:1",
        special_tokens=[(END_OF_TEXT, end)],
    )
    return tokenizer


def encode_stories(tokenizer: Tokenizer, stories: Sequence[str]) -> list[Tensor]:
    """Returns one int64 tensor for each story: END_OF_TEXT, the story, END_OF_TEXT."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    return [torch.tensor([*encoding.ids, end]) for encoding in tokenizer.encode_batch(list(stories))]


def pad_batch(rows: Sequence[Tensor], context_length: int) -> tuple[Tensor, Tensor]:
    """Returns (ids, targets), each [rows, longest]. Padding is id 0 with target -100, so no story sees another."""
    rows = [row[: context_length + 1] for row in rows]
    longest = max(len(row) for row in rows) - 1
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    targets = torch.full_like(ids, -100)
    for i, row in enumerate(rows):
        ids[i, : len(row) - 1] = row[:-1]
        targets[i, : len(row) - 1] = row[1:]
    return ids, targets


def batches(
    rows: Sequence[Tensor], tokens: int, context_length: int, seed: int | None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields an epoch in batches of about `tokens` positions. Stories of similar length share a batch: little padding.

    A seed shuffles the stories before they are sorted, and the batches afterwards. Without one the order is fixed.
    """
    order = list(rows)
    rng = random.Random(seed)
    if seed is not None:
        rng.shuffle(order)
        # Half of the crops of a long story start at its beginning; the others let training see later parts too.
        order = [crop(row, context_length, rng) for row in order]
    order.sort(key=len)
    groups: list[list[Tensor]] = [[]]
    for row in order:
        width = min(len(row), context_length)
        if groups[-1] and (len(groups[-1]) + 1) * width > tokens:
            groups.append([])
        groups[-1].append(row)
    if seed is not None:
        rng.shuffle(groups)
    for group in groups:
        yield pad_batch(group, context_length)


def crop(row: Tensor, context_length: int, rng: random.Random) -> Tensor:
    """Returns at most context_length + 1 tokens of a story: its start, or a window from anywhere in it."""
    spare = len(row) - (context_length + 1)
    start = rng.randint(0, spare) if spare > 0 and rng.random() < 0.5 else 0
    return row[start : start + context_length + 1]
