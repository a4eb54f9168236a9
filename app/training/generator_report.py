"""What a fine-tuned model can do on held-back dialogues, and whether that is better than before.

Knows losses, ratings and formats; nothing of how the model was trained.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final

from app.evaluation.metrics import Undefined, auroc, bootstrap, wilson
from app.training.generator_data import TrainingSequence
from app.training.generator_loop import Progress
from app.training.generator_model import Adapted, beginning, encode, losses, odds, precision, rating_row
from dialogue.prompts import SENTINEL
from dialogue.research import Lookup, format_step, parse_step

WRITTEN: Final = 32  # replies and steps of each format that are generated
NEW_TOKENS: Final = 96
BATCH: Final = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of one model, in the order of the examples.

    `losses` are means over an example's tokens in nats; `ratings` maps a discriminative example's place to P(1);
    `followed` says, by format, which of the first `WRITTEN` generations kept to it; `preferred`, of each example with a
    worse target, whether its own is likelier by token.
    """

    losses: tuple[float, ...]
    ratings: Mapping[int, float]
    followed: Mapping[str, tuple[bool, ...]]
    preferred: tuple[bool, ...] = ()


def measure(adapted: Adapted, held: Sequence[TrainingSequence], progress: Progress) -> Measured:
    """Return the figures of the model on held-back examples."""
    import torch

    rows = [encode(adapted, example) for example in held]
    lost: list[float] = []
    worse = [(place, row.worse) for place, row in enumerate(rows) if row.worse is not None]
    other: list[float] = []
    with torch.inference_mode(), precision(adapted):
        for start in range(0, len(rows), BATCH):
            lost += losses(adapted, rows[start : start + BATCH]).tolist()
            progress("measuring", min(start + BATCH, len(rows)), len(rows))
        for start in range(0, len(worse), BATCH):
            other += losses(adapted, [row for _, row in worse[start : start + BATCH]]).tolist()
        ratings = _ratings(adapted, held)
        followed = {kind: _followed(adapted, held, kind) for kind in ("generative", "research")}
    preferred = tuple(lost[place] < loss for (place, _), loss in zip(worse, other, strict=True))
    return Measured(tuple(lost), ratings, followed, preferred)


def compare(held: Sequence[TrainingSequence], before: Measured, after: Measured) -> dict[str, Any]:
    """Return every figure before and after with its 95 % interval, and whether the model has become better.

    It has when the held-back loss of some format, the AUROC of some attribute or the share of preferences that it
    follows improved, none got worse, each by an interval of the difference that leaves out zero, and no format is
    followed less often.
    """
    found: dict[str, Any] = {"loss": {}, "auroc": {}, "format": {}, "preference": {}}
    for kind in dict.fromkeys(example.kind for example in held):
        places = [place for place, example in enumerate(held) if example.kind == kind]
        pair = [[measured.losses[place] for place in places] for measured in (before, after)]
        found["loss"][kind] = _figures(_mean, pair, [], down=True)
    for name in dict.fromkeys(example.attribute for example in held if example.attribute):
        places = [place for place, example in enumerate(held) if example.attribute == name]
        labels = [held[place].label for place in places]
        pair = [[measured.ratings[place] for place in places] for measured in (before, after)]
        found["auroc"][name] = _figures(auroc, pair, [labels], down=False)
    for form, kept in after.followed.items():
        if kept:
            found["format"][form] = _shares(before.followed[form], kept)
    if after.preferred:
        found["preference"]["accuracy"] = _shares(before.preferred, after.preferred)
    changes = {f"{part} {name}": figures["change"] for part in found for name, figures in found[part].items()}
    worse = [name for name, change in changes.items() if change == "worse"]
    better = [name for name, change in changes.items() if change == "better"]
    found["better"] = bool(better) and not worse
    found["verdict"] = _verdict(better, worse)
    return found


def _verdict(better: Sequence[str], worse: Sequence[str]) -> str:
    if worse:
        return f"NOT better: {', '.join(worse)} got worse on the held-back rows"
    if not better:
        return "NOT better: no figure on the held-back rows improved by more than chance"
    return f"better on the held-back rows: {', '.join(better)}"


def _figures(
    statistic: Callable[..., float], pair: Sequence[Sequence[float]], columns: Sequence[Sequence[Any]], down: bool
) -> dict[str, Any]:
    """A figure before and after; `down` says that less is better. Undefined figures are None, with the reason."""
    one, two = pair
    n = len(one)
    try:
        before, after = statistic(*columns, one), statistic(*columns, two)
        low, high = bootstrap(lambda *rows: statistic(*rows[:-2], rows[-1]) - statistic(*rows[:-1]), *columns, one, two)
    except Undefined as reason:
        return {"before": None, "after": None, "n": n, "change": f"undetermined: {reason}"}
    change = "better" if (high < 0 if down else low > 0) else "worse" if (low > 0 if down else high < 0) else "same"
    interval = [round(low, 4), round(high, 4)]
    return {"before": round(before, 4), "after": round(after, 4), "difference": interval, "n": n, "change": change}


def _shares(before: Sequence[bool], after: Sequence[bool]) -> dict[str, Any]:
    """Shares that kept to a format; a fall counts when the two intervals do not meet."""
    one, two = (wilson(sum(kept), len(kept)) for kept in (before, after))
    change = "worse" if two[1] < one[0] else "better" if two[0] > one[1] else "same"
    interval = [round(two[0], 4), round(two[1], 4)]
    shares = {"before": round(fmean(before), 4), "after": round(fmean(after), 4)}
    return {**shares, "interval": interval, "n": len(after), "change": change}


def _mean(values: Sequence[float]) -> float:
    return fmean(map(float, values))


def _ratings(adapted: Adapted, held: Sequence[TrainingSequence]) -> dict[int, float]:
    """P(1) of each discriminative example, by its place."""
    found: dict[int, float] = {}
    places = [place for place, example in enumerate(held) if example.attribute]
    for start in range(0, len(places), BATCH):
        part = places[start : start + BATCH]
        pairs = [rating_row(adapted, held[place]) for place in part]
        values = odds(adapted, [row for row, _ in pairs], [other for _, other in pairs]).tolist()
        labels = [held[place].label for place in part]
        found.update(zip(part, [p if label else 1 - p for p, label in zip(values, labels, strict=True)], strict=True))
    return found


def _followed(adapted: Adapted, held: Sequence[TrainingSequence], kind: str) -> tuple[bool, ...]:
    """Write greedily after the prompts of a format and say which texts keep to it."""
    chosen = [example for example in held if example.kind == kind][:WRITTEN]
    return tuple(follows(kind, text, ended) for text, ended in write(adapted, [example.prompt for example in chosen]))


def write(adapted: Adapted, prompts: Sequence[str]) -> list[tuple[str, bool]]:
    """Return the greedy continuation of each prompt and whether the model ended it by itself."""
    import torch

    model, tokenizer = adapted.model, adapted.tokenizer
    rows = [beginning(adapted, prompt)[-adapted.longest :] for prompt in prompts]
    end, found = tokenizer.eos_token_id, []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        width = max(map(len, part))
        given = torch.tensor([[end] * (width - len(row)) + row for row in part], device=model.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in part], device=model.device)
        made = model.generate(
            input_ids=given,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=NEW_TOKENS,
            eos_token_id=end,
            pad_token_id=end,
            use_cache=True,
        )
        for new in made[:, width:].tolist():
            ended = end in new
            found.append((tokenizer.decode(new[: new.index(end)] if ended else new), ended))
    return found


def follows(kind: str, text: str, ended: bool) -> bool:
    """Say whether a text ends, holds something and no sentinel and, as a step of research, names its recipient."""
    text = text.strip()
    sound = ended and bool(text) and SENTINEL not in text and "\n" not in text
    if kind != "research" or not sound:
        return sound
    step = parse_step(text)
    return format_step(step) == text and bool(step.query if isinstance(step, Lookup) else step.text)
