"""Measures an exported folder with ONNX Runtime: bits per byte on a held-out file, and sample stories.

Each story counts by itself: END_OF_TEXT, then the story's tokens. Bits per byte are the sum of the negative
log-likelihoods of the story's tokens (without the end mark after them), divided by ln 2 and by the story's UTF-8 bytes.
A story that is longer than the context is read in windows that move by half a context; each token is scored once.
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from data import END_OF_TEXT, read_held_out_stories

CONTEXT_LENGTH = 512
DEFAULT_PROMPTS = ("Once upon a time", "A small robot named Pip lived in a lighthouse.")


class ExportedModel:
    """The folder's graph and tokenizer. The shapes of the caches come from the graph."""

    def __init__(self, folder: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=providers)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.end = self.tokenizer.token_to_id(END_OF_TEXT)
        self.caches = {
            node.name: (node.shape[1], node.shape[3])
            for node in self.session.get_inputs()
            if node.name.startswith("past_key_values.")
        }

    def empty_cache(self) -> list[np.ndarray]:
        return [np.zeros((1, heads, 0, size), dtype=np.float32) for heads, size in self.caches.values()]

    def logits(self, ids: list[int], past: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Returns the logits [positions, vocab] of the new ids after the cached ones, and the cache after them."""
        total = past[0].shape[2] + len(ids)
        feeds = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, total), dtype=np.int64)}
        logits, *present = self.session.run(None, {**feeds, **dict(zip(self.caches, past, strict=True))})
        return logits[0], present


def story_nats(model: ExportedModel, ids: list[int]) -> float:
    """Returns the negative log-likelihood of ids[1:], each scored once, after half a context if there is so much."""
    stride = CONTEXT_LENGTH // 2
    nats, scored = 0.0, 0
    for start in range(0, max(1, len(ids) - 1 - stride), stride):
        window = ids[start : start + CONTEXT_LENGTH + 1]
        logits, _cache = model.logits(window[:-1], model.empty_cache())
        logits = logits.astype(np.float64)
        top = logits.max(axis=-1)
        log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=-1))
        each = log_sum - logits[np.arange(len(window) - 1), window[1:]]
        nats += float(each[scored - start :].sum())
        scored = start + len(window) - 1
    return nats


def bits_per_byte(model: ExportedModel, stories: list[str]) -> dict[str, float]:
    """Returns the totals over the stories, and nats / bytes / ln 2."""
    encoded = [model.tokenizer.encode(story).ids for story in stories]
    nats = sum(story_nats(model, ids) for ids in encoded)
    size = sum(len(story.encode()) for story in stories)
    tokens = sum(len(ids) - 1 for ids in encoded)
    per_byte = nats / size / math.log(2)
    return {"stories": len(stories), "bytes": size, "tokens": tokens, "nats": nats, "bits_per_byte": per_byte}


def generate(model: ExportedModel, prompt: str, temperature: float, seed: int) -> Iterator[int]:
    """Yields new token ids until the story ends or the context is full. Temperature 0 is greedy."""
    rng = np.random.default_rng(seed)
    ids = model.tokenizer.encode(prompt).ids
    past = model.empty_cache()
    new, length = ids, len(ids)
    while length < CONTEXT_LENGTH:
        logits, past = model.logits(new, past)
        last = logits[-1].astype(np.float64)
        if temperature == 0:
            token = int(last.argmax())
        else:
            weights = np.exp((last - last.max()) / temperature)
            token = int(rng.choice(len(weights), p=weights / weights.sum()))
        if token == model.end:
            return
        yield token
        new, length = [token], length + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="exported folder")
    parser.add_argument("--text", type=Path, help="held-out file, three newlines between its stories")
    parser.add_argument("--prompt", action="append", help="opening to continue; may be given several times")
    parser.add_argument("--temperature", type=float, action="append", help="0 is greedy; may be given several times")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    model = ExportedModel(args.model, args.threads)
    if args.text:
        for name, number in bits_per_byte(model, read_held_out_stories(args.text)).items():
            print(f"{name}: {number:.4f}" if isinstance(number, float) else f"{name}: {number}")
    for prompt in args.prompt or DEFAULT_PROMPTS:
        for temperature in args.temperature or (0.0, 0.6):
            how = "greedy" if temperature == 0 else f"temperature {temperature}, seed {args.seed}"
            story = model.tokenizer.decode(list(generate(model, prompt, temperature, args.seed)))
            print(f"\n[{how}] {prompt}|{story}")


if __name__ == "__main__":
    main()
