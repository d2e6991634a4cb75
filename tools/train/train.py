"""Trains the tokenizer and the story model into a folder that export_onnx.py reads. A run can be resumed.

The folder holds tokenizer.json, checkpoint.pt and log.csv (step, tokens, epoch, minutes, lr, train and validation loss
in nats per token). The learning rate depends on the time spent, so that a run ends on time on a busy machine too.
"""

import argparse
import csv
import math
import os
import shutil
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from data import batches, encode_stories, read_held_out_stories, read_training_stories, split_validation, train_tokenizer
from model import Config, StoryModel

LOG_FIELDS = ("step", "tokens", "epoch", "minutes", "lr", "train_loss", "validation_loss")
WARMUP_SHARE = 0.02
FINAL_LR_SHARE = 0.02
WEIGHT_DECAY = 0.1
BETAS = (0.9, 0.95)
CLIP_NORM = 1.0


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tinystories-train-*.txt")
    parser.add_argument("--exclude", type=Path, help="held-out file; training stories that are also in it are dropped")
    parser.add_argument("--run", type=Path, required=True, help="folder for tokenizer, checkpoint and log")
    parser.add_argument("--minutes", type=float, required=True, help="training time; the schedule ends with it")
    parser.add_argument("--batch-tokens", type=int, default=8192)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--muon", action="store_true", help="Muon for the hidden matrices, AdamW for the rest")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fp32", action="store_true", help="train in float32 instead of bfloat16 autocast")
    parser.add_argument("--log-steps", type=int, default=50)
    parser.add_argument("--validate-steps", type=int, default=250)
    parser.add_argument("--keep-steps", type=int, default=1000, help="keep a separate checkpoint after every so many steps")
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args()


def load_stories(data: Path, exclude: Path | None) -> tuple[list[str], list[str]]:
    """Returns (training, validation) stories of the folder, without those that are in the held-out file too."""
    stories = read_training_stories(sorted(data.glob("tinystories-train-*.txt")))
    held_out = set(read_held_out_stories(exclude)) if exclude else set()
    return split_validation([story for story in stories if story not in held_out])


def learning_rate(progress: float, peak: float) -> float:
    """Linear warm-up, then a cosine down to FINAL_LR_SHARE of the peak. Progress goes from 0 to 1."""
    if progress < WARMUP_SHARE:
        return peak * max(progress, 1e-3) / WARMUP_SHARE
    rest = min(1.0, (progress - WARMUP_SHARE) / (1 - WARMUP_SHARE))
    return peak * (FINAL_LR_SHARE + (1 - FINAL_LR_SHARE) * 0.5 * (1 + math.cos(math.pi * rest)))


def make_optimizers(model: StoryModel, lr: float, muon: bool) -> list[torch.optim.Optimizer]:
    """AdamW with weight decay on the hidden matrices alone, or Muon for these, with updates as large as AdamW's."""
    hidden = [p for p in model.layers.parameters() if p.ndim == 2]
    rest = [model.embed_tokens.weight, *(p for p in model.parameters() if p.ndim == 1)]
    if muon:
        return [
            torch.optim.Muon(hidden, lr=lr, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=lr, betas=BETAS, weight_decay=0.0, fused=True),
        ]
    groups = [{"params": hidden, "weight_decay": WEIGHT_DECAY}, {"params": rest, "weight_decay": 0.0}]
    return [torch.optim.AdamW(groups, lr=lr, betas=BETAS, fused=True)]


@torch.no_grad()
def validation_loss(model: StoryModel, rows: list[Tensor]) -> float:
    """Returns the nats per token over the validation stories, in float32 and without dropout."""
    model.eval()
    nats, tokens = 0.0, 0
    for ids, targets in batches(rows, 8192, model.config.context_length, seed=None):
        count = int((targets >= 0).sum())
        nats += model.loss(ids, targets).item() * count
        tokens += count
    model.train()
    return nats / tokens


def save_checkpoint(path: Path, state: dict) -> None:
    """Writes a new file first and then replaces the old one, so that an interruption never leaves half a file."""
    torch.save(state, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.run.mkdir(parents=True, exist_ok=True)
    checkpoint_file, tokenizer_file = args.run / "checkpoint.pt", args.run / "tokenizer.json"

    config = Config()
    training, validation = load_stories(args.data, args.exclude)
    if not tokenizer_file.exists():
        train_tokenizer(training, config.vocab_size).save(str(tokenizer_file))
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    training_rows, validation_rows = encode_stories(tokenizer, training), encode_stories(tokenizer, validation)
    print(f"{len(training)} training stories, {sum(map(len, training_rows))} tokens; {len(validation)} for validation")

    model = StoryModel(config, args.dropout)
    optimizers = make_optimizers(model, args.lr, args.muon)
    at = {"step": 0, "tokens": 0, "epoch": 0, "batch": 0, "seconds": 0.0}
    if args.resume:
        saved = torch.load(checkpoint_file)
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        at = saved["at"]

    def checkpoint() -> None:
        states = [optimizer.state_dict() for optimizer in optimizers]
        options = {name: value for name, value in vars(args).items() if not isinstance(value, Path)}
        state = {"config": config.as_dict(), "options": options, "at": at}
        save_checkpoint(checkpoint_file, {**state, "model": model.state_dict(), "optimizers": states})

    log_file = (args.run / "log.csv").open("a" if args.resume else "w", newline="")
    log = csv.DictWriter(log_file, LOG_FIELDS)
    if not args.resume:
        log.writeheader()
    loss_of = torch.compile(model.loss, dynamic=True)
    recent: list[float] = []
    budget = args.minutes * 60
    while at["seconds"] < budget:
        epoch = list(batches(training_rows, args.batch_tokens, config.context_length, seed=args.seed + at["epoch"]))
        for ids, targets in epoch[at["batch"] :]:
            started = time.monotonic()
            lr = learning_rate(at["seconds"] / budget, args.lr)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = lr
            with torch.autocast("cpu", torch.bfloat16, enabled=not args.fp32):
                loss = loss_of(ids, targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
            recent.append(loss.item())
            at["step"] += 1
            at["batch"] += 1
            at["tokens"] += int((targets >= 0).sum())
            at["seconds"] += time.monotonic() - started
            finished = at["seconds"] >= budget
            if at["step"] % args.log_steps == 0 or finished:
                validate = at["step"] % args.validate_steps == 0 or finished
                started = time.monotonic()
                row = {
                    "step": at["step"],
                    "tokens": at["tokens"],
                    "epoch": round(at["epoch"] + at["batch"] / len(epoch), 3),
                    "minutes": round(at["seconds"] / 60, 2),
                    "lr": f"{lr:.3g}",
                    "train_loss": round(sum(recent) / len(recent), 4),
                    "validation_loss": round(validation_loss(model, validation_rows), 4) if validate else "",
                }
                log.writerow(row)
                log_file.flush()
                print(*row.values(), flush=True)
                recent.clear()
                if validate:
                    checkpoint()
                if validate and at["step"] % args.keep_steps == 0:
                    shutil.copyfile(checkpoint_file, args.run / f"checkpoint-{at['step']}.pt")
                at["seconds"] += time.monotonic() - started
            if finished:
                return
        at["epoch"] += 1
        at["batch"] = 0


if __name__ == "__main__":
    main()
