"""Averages an earlier and the last checkpoint of a run and flattens the logits, by the validation loss.

After several epochs over little text, the last weights fit the training stories too closely, and their predictions are
too confident. A mean with earlier weights mends the first; a smaller final norm, which is a temperature folded into the
norm's scale, mends the second. Neither needs another step of training or a change of the graph. The share of the last
weights and the scale are the best ones on the validation split.
"""

import argparse
import shutil
from itertools import product
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from data import encode_stories
from model import Config, StoryModel
from train import load_stories, validation_loss

LAST_SHARES = (1.0, 0.85, 0.75, 0.65, 0.55)
NORM_SCALES = (1.0, 0.92, 0.88, 0.84, 0.8)


def mix(early: dict[str, Tensor], last: dict[str, Tensor], share: float, scale: float) -> dict[str, Tensor]:
    """share * last + (1 - share) * early, with the final norm's weights times scale."""
    state = {name: torch.lerp(early[name], tensor, share) for name, tensor in last.items()}
    state["norm.weight"] = state["norm.weight"] * scale
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with tinystories-train-*.txt")
    parser.add_argument("--exclude", type=Path, help="held-out file, as for train.py")
    parser.add_argument("--run", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--early", type=Path, required=True, help="an earlier checkpoint that train.py kept")
    parser.add_argument("--out", type=Path, required=True, help="run folder to write, for export_onnx.py")
    args = parser.parse_args()

    early, last = torch.load(args.early), torch.load(args.run / "checkpoint.pt")
    _training, validation = load_stories(args.data, args.exclude)
    rows = encode_stories(Tokenizer.from_file(str(args.run / "tokenizer.json")), validation)
    model = StoryModel(Config(**last["config"]))

    losses: dict[tuple[float, float], float] = {}
    for share, scale in product(LAST_SHARES, NORM_SCALES):
        model.load_state_dict(mix(early["model"], last["model"], share, scale))
        losses[share, scale] = validation_loss(model, rows)
        print(f"share of the last weights {share}, norm scale {scale}: {losses[share, scale]:.4f}", flush=True)
    share, scale = min(losses, key=losses.__getitem__)
    print(f"picked {share} and {scale}: {losses[share, scale]:.4f}")

    args.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(args.run / "tokenizer.json", args.out / "tokenizer.json")
    kept = {name: last[name] for name in ("config", "options", "at")}
    torch.save({**kept, "model": mix(early["model"], last["model"], share, scale)}, args.out / "checkpoint.pt")


if __name__ == "__main__":
    main()
