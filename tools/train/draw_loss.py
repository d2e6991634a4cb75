"""Draws a run's log.csv as loss.svg: training and validation loss in nats per token over the tokens read."""

import argparse
import csv
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 56, 16, 20, 44
CURVES = (("train_loss", "training", "#2563eb"), ("validation_loss", "validation", "#d97706"))


def draw(rows: list[dict[str, str]]) -> str:
    """Returns the SVG text. The loss axis ends at 5 nats, because only the first steps are above."""
    end = max(int(row["tokens"]) for row in rows)
    losses = [float(row[name]) for row in rows for name, _, _ in CURVES if row[name]]
    low, high = int(min(losses) * 4) / 4, 5.0

    def x(tokens: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * tokens / end

    def y(loss: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (loss - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        "<title>Loss of tales-2m while it was trained</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    loss = low
    while loss <= high:
        parts.append(f'<path d="M{LEFT} {y(loss):.1f}H{WIDTH - RIGHT}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss:.2f}</text>')
        loss += 0.5
    step = max(1, round(end / 1e6 / 8))
    for millions in range(0, int(end / 1e6) + 1, step):
        at = x(millions * 1e6)
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{millions}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">million tokens read</text>')
    parts.append(f'<text x="14" y="{HEIGHT / 2}" transform="rotate(-90 14 {HEIGHT / 2})" text-anchor="middle">nats per token</text>')
    for i, (name, label, color) in enumerate(CURVES):
        points = [(int(row["tokens"]), float(row[name])) for row in rows if row[name] and float(row[name]) <= high]
        line = " ".join(f"{x(tokens):.1f},{y(value):.1f}" for tokens, value in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        parts.append(f'<text x="{WIDTH - RIGHT - 8}" y="{TOP + 14 + 18 * i}" text-anchor="end" fill="{color}">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, required=True, help="log.csv of a run")
    parser.add_argument("--out", type=Path, required=True, help="SVG file to write")
    args = parser.parse_args()
    with args.log.open(newline="") as file:
        args.out.write_text(draw(list(csv.DictReader(file))), encoding="utf-8")


if __name__ == "__main__":
    main()
