"""The policy: which objectives are looked at, on which stages, from what risk upwards, and what then happens.

Reads TOML into frozen dataclasses. Knows nothing of how a risk is computed.
"""

import difflib
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from safety.files import FileError, read_toml
from safety.masking import DEFAULT, WHEN, Mask, When
from safety.types import SafetyError, Stage

Mode = Literal["off", "annotate", "enforce"]
Action = Literal["refuse", "support", "drop", "annotate"]

PACKAGED = Path(__file__).with_name("policy.toml")
STAGES: tuple[Stage, ...] = tuple(s for s in get_args(Stage) if s != "quotation")  # which follows "candidate"
MODES: tuple[Mode, ...] = get_args(Mode)
ACTIONS: tuple[Action, ...] = get_args(Action)
PRESETS = ("strict", "balanced", "permissive")
_FIELDS = ("group", "title", "mode", "stages", "threshold", "quotation", "action", "locked", "note")
_SECTIONS = ("version", "preset", "fail", "quotation", "presets", "messages", "masks", "objectives")


@dataclass(frozen=True, slots=True)
class Objective:
    """One rule of conduct. `threshold` is the least probability at which it fires, preset included.

    `quoted` is the same for sentences of the user's own documents, where it is higher. A `locked` objective is enforced
    whatever a policy file says; `note` is said with its annotations.
    """

    id: str
    group: str
    title: str
    mode: Mode
    stages: tuple[Stage, ...]
    threshold: float
    action: Action
    locked: bool = False
    note: str = ""
    quoted: float = 0.0

    def action_at(self, stage: Stage) -> Action:
        """What firing means on `stage`: drafts and evidence are dropped, requests refused or supported."""
        if self.mode == "annotate" or self.action == "annotate":
            return "annotate"
        if stage == "request":
            return "annotate" if self.action == "drop" else self.action
        return "drop"


@dataclass(frozen=True, slots=True)
class Policy:
    """Objectives by id, in file order, the messages a user may be shown, and when personal data is masked.

    The messages are templates: `{title}` is the objective's title.
    """

    version: int
    preset: str
    fail: Literal["closed"]
    objectives: tuple[Objective, ...]
    messages: tuple[tuple[str, str], ...]
    masks: tuple[tuple[str, When], ...] = ()

    @property
    def mask(self) -> Mask:
        """What masks personal data in a reply."""
        return Mask({**DEFAULT, **dict(self.masks)})

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that decides a verdict, 16 hex digits; equal policies have equal ones."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def at(self, stage: Stage) -> dict[str, Objective]:
        """The objectives looked at on `stage`, by id; those of a quotation are those of a candidate, slower to fire."""
        if stage == "quotation":
            return {name: replace(o, threshold=max(o.threshold, o.quoted)) for name, o in self.at("candidate").items()}
        return {o.id: o for o in self.objectives if o.mode != "off" and stage in o.stages}

    def tightened(self, shares: Sequence[tuple[str, float]]) -> "Policy":
        """This policy with thresholds multiplied by the shares given by objective or group, the smallest counting.

        A share above 1 counts as 1, since nothing is ever loosened; an unknown name changes nothing.
        """
        objectives = []
        for o in self.objectives:
            share = min([1.0, *(s for name, s in shares if name in (o.id, o.group))])
            objectives.append(replace(o, threshold=o.threshold * share, quoted=o.quoted * share))
        return replace(self, objectives=tuple(objectives))

    def message(self, name: str, title: str = "") -> str:
        """The message `name` ("refuse", "support", "unjudged") about an objective with `title`."""
        return dict(self.messages)[name].replace("{title}", title)


def load_policy(path: Path | None = None, preset: str | None = None) -> Policy:
    """Read the packaged policy, overlaid with the file at `path`.

    The preset is `preset`, without one that of the file, without that "balanced". Raises SafetyError on an unreadable
    file, an unknown key or preset (naming the nearest), a threshold or a preset's shift that is out of range, or an
    attempt to weaken a locked objective.
    """
    base = _read(PACKAGED)
    own = _read(path) if path is not None else {}
    where = str(path or PACKAGED)
    _known(own, _SECTIONS, where)
    for section in ("presets", "messages", "masks", "objectives"):
        _known(_table(own, section, where), tuple(base[section]), f"{where}, [{section}]")
    for name, fields in own.get("objectives", {}).items():
        _guard_lock(name, _table(own["objectives"], name, where), base["objectives"][name], where)
        _known(fields, _FIELDS, f"{where}, [objectives.{name}]")
    shifts = base["presets"] | own.get("presets", {})
    stated = _one_of(own.get("preset", base["preset"]), PRESETS, f"{where}: preset")
    chosen = _one_of(preset, PRESETS, "the preset") if preset else stated
    shift = {name: _shift(value, f"{where}, [presets] {name}") for name, value in shifts.items()}[chosen]
    groups = tuple(dict.fromkeys(fields["group"] for fields in base["objectives"].values()))
    quoted = _probability(own.get("quotation", base["quotation"]), f"{where}: quotation")
    objectives = tuple(
        _objective(name, fields | own.get("objectives", {}).get(name, {}), (shift, quoted), groups, where)
        for name, fields in base["objectives"].items()
    )
    version = own.get("version", base["version"])
    if version != base["version"] or not isinstance(version, int) or isinstance(version, bool):
        raise SafetyError(f"{where}: version {version!r} is not {base['version']}: rewrite the file after policy.toml")
    if own.get("fail", base["fail"]) != "closed":
        raise SafetyError(f"{where}: fail = {own['fail']!r}, but only 'closed' is offered: delete the line")
    messages = base["messages"] | own.get("messages", {})
    for name, text in messages.items():
        _text(text, f"{where}, [messages] {name}")
    masks = tuple(
        (kind, cast(When, _one_of(when, WHEN, f"{where}, [masks] {kind}")))
        for kind, when in (base["masks"] | own.get("masks", {})).items()
    )
    return Policy(version, chosen, "closed", objectives, tuple(messages.items()), masks)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except FileError as error:
        raise SafetyError(f"the safety policy {path} cannot be read: {error}") from error


def _table(parent: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    value = parent.get(name, {})
    if not isinstance(value, dict):
        raise SafetyError(f"{where}: {name} is {value!r}, but must be a table")
    return value


def _stages(value: object, place: str) -> tuple[Stage, ...]:
    if not isinstance(value, list) or not value:
        raise SafetyError(f"{place} stages is {value!r}, but must list some of {', '.join(STAGES)}")
    return tuple(cast(Stage, _one_of(stage, STAGES, f"{place} stages")) for stage in value)


def _objective(
    name: str, fields: Mapping[str, Any], shifted: tuple[float, float], groups: Collection[str], where: str
) -> Objective:
    shift, quoted = shifted
    place = f"{where}, [objectives.{name}]"
    locked = fields.get("locked", False)
    if not isinstance(locked, bool):
        raise SafetyError(f"{place} locked is {locked!r}, but must be true or false")
    given = _probability(fields["threshold"], f"{place} threshold")
    own = _probability(fields.get("quotation", quoted), f"{place} quotation")
    return Objective(
        id=name,
        group=_one_of(fields["group"], groups, f"{place} group"),
        title=_text(fields["title"], f"{place} title"),
        mode=cast(Mode, _one_of(fields["mode"], MODES, f"{place} mode")),
        stages=_stages(fields["stages"], place),
        threshold=given if locked else _shifted(given, shift),
        action=cast(Action, _one_of(fields["action"], ACTIONS, f"{place} action")),
        locked=locked,
        note=_text(fields.get("note", ""), f"{place} note", empty=True),
        quoted=given if locked else _shifted(own, shift),
    )


def _guard_lock(name: str, own: Mapping[str, Any], base: Mapping[str, Any], where: str) -> None:
    """Refuse any change that lets a locked objective fire less."""
    if not base.get("locked"):
        return
    weaker = [key for key in ("mode", "action", "locked") if key in own and own[key] != base[key]]
    if "stages" in own and not set(base["stages"]) <= set(_stages(own["stages"], f"{where}, [objectives.{name}]")):
        weaker.append("stages")
    if "threshold" in own and _number(own["threshold"], f"{where}, {name} threshold") > base["threshold"]:
        weaker.append("threshold")
    if weaker:
        raise SafetyError(
            f"{where}, [objectives.{name}] {weaker[0]} = {own[weaker[0]]!r}: {name} is locked and can "
            "only be made stricter; delete the line"
        )


def _text(value: object, where: str, empty: bool = False) -> str:
    if not isinstance(value, str) or not (empty or value.strip()):
        raise SafetyError(f"{where} is {value!r}: write the sentence or the words that a user shall read")
    return value


def _shift(value: object, where: str) -> float:
    """Return what a preset adds to thresholds, which are probabilities."""
    number = _number(value, where)
    if not -1 < number < 1:
        raise SafetyError(f"{where} is {value!r}, but is added to probabilities: write a number between -1 and 1")
    return number


def _shifted(threshold: float, shift: float) -> float:
    return round(min(max(threshold + shift, 0.01), 0.99), 4)


def _probability(value: object, where: str) -> float:
    number = _number(value, where)
    if not 0 < number < 1:
        raise SafetyError(f"{where} is {value!r}, but must lie between 0 and 1, both excluded")
    return number


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SafetyError(f"{where} is {value!r}, but must be a number")
    return float(value)


def _one_of(value: object, allowed: Collection[str], where: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise SafetyError(f"{where}: {value!r} is not one of {', '.join(allowed)}{_nearest(value, allowed)}")
    return value


def _known(table: Mapping[str, Any], allowed: Collection[str], where: str) -> None:
    for key in table:
        if key not in allowed:
            raise SafetyError(f"{where}: unknown key {key!r}{_nearest(key, allowed)}; known: {', '.join(allowed)}")


def _nearest(value: object, allowed: Collection[str]) -> str:
    found = difflib.get_close_matches(str(value), list(allowed), n=1, cutoff=0.3)
    return f"; did you mean {found[0]!r}?" if found else ""
