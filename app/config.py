"""Settings: one frozen object, read once from flags, environment and a TOML file.

Knows nothing of what the settings configure, beyond their types and ranges.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Final

from app.errors import SettingsError
from safety.files import FileError, NoFile, read_toml
from safety.guards.sources import read_spec
from safety.policy import PRESETS
from safety.types import SafetyError

PREFIX: Final = "CANDOR_"
LIVE: Final = ("model", "candidates", "passages", "research_rounds")  # can be changed without a restart
SECRET: Final = ("api_key", "guard_key", "index_key", "database", "oidc_secret")
RANGES: Final = {
    "timeout": (5, 3600),
    "port": (0, 65535),
    "candidates": (1, 64),
    "passages": (1, 50),
    "rerank": (0, 200),
    "research_rounds": (0, 8),
    "context": (0, 10_000_000),
    "workers": (1, 256),
    "waiting": (0, 10_000),
    "grace": (0, 3600),
    "turns_per_minute": (0, 100_000),
    "turns_per_day": (0, 10_000_000),
    "retention": (0, 36_500),
}
TOOLS: Final = ("translator", "wiki", "searxng", "fetch_allow")
SWITCH: Final = ("on", "off")
DTYPES: Final = ("auto", "float32", "bfloat16")
JUDGES: Final = ("embedded", "generator")
_ORIGIN: Final = r"https?://[^/@\s,?#]+"
_INDEX: Final = r"faiss|milvus:(https?://[^/@\s]+(/[^@\s]*)?|(?!.*://).+\.db)"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("text", "json")
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "log_level": LOG_LEVELS,
    "log_format": LOG_FORMATS,
    "log_text": SWITCH,
    "dtype": DTYPES,
    "judges": JUDGES,
    "preset": PRESETS,
    "early_stop": SWITCH,
    "accounts": SWITCH,
}
ABOUT: Final = {  # one line each, from which docs/reference.md is made
    "data_dir": "the folder of documents, index and history",
    "model": "what writes the drafts; `auto` is `smollm2` where it is installed, and `quote` elsewhere",
    "database": (
        "the database of history and documents, `postgresql://USER:PASSWORD@HOST/NAME`; "
        "empty, it is a file in the data folder"
    ),
    "viewer": "the model that describes pictures, `hf:NAME`",
    "api_key": "the key of a model server; never shown",
    "timeout": "seconds that a model server has for a round of drafts",
    "role": "the role of new conversations",
    "host": "the address to listen on; it has to be a loopback address",
    "port": "the port to listen on; 0 takes a free one",
    "candidates": "drafts per round",
    "early_stop": "`on` writes no more drafts once one passes every check with room to spare; `off` writes them all",
    "passages": "passages found per question",
    "rerank": "passages read again together with the question, to order them; 0 keeps the order of the search",
    "reranker": "the cross-encoder that orders them instead of the packaged reader: `hf:NAME`, a folder or a hub model",
    "research_rounds": "how often a language model may look something up per question",
    "context": "tokens that a model reads and writes at most; 0 allows its whole window",
    "dtype": "the precision of a model; `auto` is `bfloat16` where the processor has it, and `float32` elsewhere",
    "encoder": (
        "what searches, a folder or a hub name of a sentence-transformers model; the judges keep the packaged one"
    ),
    "index": "the search index: `faiss`, or `milvus:URI` for more than one machine",
    "index_key": "the key of a Milvus server; never shown",
    "judges": (
        "`embedded`; `generator`, by which the model judges its own drafts; a classifier, `hf:NAME`; or a folder that "
        "`candor train judges --ratings` wrote"
    ),
    "guard": "a larger guard beside the rules and the classifier",
    "guard_key": "the key of a moderation server; never shown",
    "translator": "the model of the translator, `hf:NAME`",
    "wiki": "the `api.php` of a wiki that questions are sent to",
    "searxng": "the address of a SearXNG that questions are sent to",
    "fetch_allow": "networks that pages may be fetched from although they are not public, such as `10.1.0.0/16`",
    "policy": "a safety policy of your own; it may hold any part of `safety/policy.toml`",
    "preset": (
        "shifts the thresholds of the policy; empty, the policy file decides, and the packaged one says `balanced`"
    ),
    "accounts": "`on` serves those alone who log in or bring an API key; see `candor accounts`",
    "oidc": "the issuer of an OpenID Connect provider by which people log in, `https://HOST/...`",
    "oidc_client": "who this server is to that provider; it is told to come back to `/sign-on/back`",
    "oidc_secret": "the secret of this client; never shown",
    "turns_per_minute": "messages that an account may send per minute and process; 0 sets no bound",
    "turns_per_day": "messages that an account may send in 24 hours; 0 sets no bound",
    "retention": "days after which a conversation is deleted in which nothing was said; 0 keeps all",
    "log_level": "what is logged on stderr; `info` has a line for every request and every reply",
    "log_format": "`json` logs one JSON object per line",
    "log_text": "`on` logs what was asked and replied, from `info` on; `off` logs no text of a message",
    "workers": "replies that the server writes at a time; more than the processor's cores help a model server only",
    "waiting": "further replies that wait for that; what comes then is refused with 429",
    "grace": "seconds that replies on their way get to be finished when the server stops",
    "cors": "web sites, such as `https://chat.example.org`, whose pages may use the API; several with commas",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a user can set; `ABOUT` says what each setting is. A setting that is empty is off.

    `origins` says of each setting that was given by what: "flag", "environment" or "file"; "page" where it was changed
    since, see `changed`.
    """

    data_dir: Path = Path("candor-data")
    model: str = "auto"
    database: str = field(default="", repr=False)
    viewer: str = ""
    api_key: str = field(default="", repr=False)
    timeout: int = 120
    role: str = "candor"
    host: str = "127.0.0.1"
    port: int = 7860
    candidates: int = 8
    early_stop: str = "on"
    passages: int = 8
    rerank: int = 12
    reranker: str = ""
    research_rounds: int = 4
    context: int = 8192
    dtype: str = "auto"
    encoder: str = ""
    index: str = "faiss"
    index_key: str = field(default="", repr=False)
    judges: str = "embedded"
    guard: str = ""
    guard_key: str = field(default="", repr=False)
    translator: str = ""
    wiki: str = ""
    searxng: str = ""
    fetch_allow: str = ""
    policy: str = ""
    preset: str = ""
    accounts: str = "off"
    oidc: str = ""
    oidc_client: str = ""
    oidc_secret: str = field(default="", repr=False)
    turns_per_minute: int = 20
    turns_per_day: int = 0
    retention: int = 0
    log_level: str = "warning"
    log_format: str = "text"
    log_text: str = "off"
    workers: int = 2
    waiting: int = 30
    grace: int = 20
    cors: str = ""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def role_folder(self) -> Path:
        """Where the user's own roles are."""
        return self.data_dir / "roles"


def listed(value: str) -> tuple[str, ...]:
    """Return the parts of a setting that stand with commas between them."""
    return tuple(part for part in (part.strip() for part in value.split(",")) if part)


def load_settings(flags: Mapping[str, object], env: Mapping[str, str], file: Path | None = None) -> Settings:
    """Merge the sources of settings: flag over ``CANDOR_*`` variable over `file` over default.

    A flag that is None and a variable that is empty count as not given. Raises SettingsError, one line
    that lists every problem.
    """
    problems: list[str] = []
    found: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, place, values in (
        ("file", str(file), _from_file(file) if file else {}),
        ("environment", "the environment", _from_env(env)),
        ("flag", "the command line", {key: value for key, value in flags.items() if value is not None}),
    ):
        for key, value in values.items():
            if key not in _DEFAULTS:
                problems.append(f"{place} sets {key!r}, which is no setting{_nearest(key)}")
                continue
            try:
                found[key] = _checked(key, value)
                origins[key] = origin
            except ValueError as error:
                told = str(value) if isinstance(value, Path) else value
                shown = "…" if key in SECRET or "://" in str(value) else repr(told)  # an address may hold a password
                problems.append(f"{key} = {shown} in {place}: {error}")
    if problems:
        raise SettingsError("; ".join(problems))
    return Settings(**found, origins=origins)  # type: ignore[arg-type]


def changed(settings: Settings, values: Mapping[str, object]) -> Settings:
    """Return the settings with other values, whose origin is "page". Raises SettingsError for one that cannot be."""
    found = {}
    for key, value in values.items():
        if key not in LIVE:
            raise SettingsError(f"{key!r} cannot be changed while candor runs: start it again with another one")
        try:
            found[key] = _checked(key, value)
        except ValueError as error:
            raise SettingsError(f"{key}: {error}") from None
    return replace(settings, **found, origins={**settings.origins, **dict.fromkeys(found, "page")})  # type: ignore[arg-type]


def _from_file(file: Path) -> dict[str, object]:
    try:
        return read_toml(file)
    except NoFile as error:
        raise SettingsError(f"there is no settings file {str(file)!r} ({error})") from None
    except FileError as error:
        raise SettingsError(f"the settings file {str(file)!r} cannot be read: {error}") from error


def _from_env(env: Mapping[str, str]) -> dict[str, object]:
    """Settings among the variables; another CANDOR_ name counts only when it looks like a slip of the pen."""
    found: dict[str, object] = {}
    for name, value in env.items():
        key = name.removeprefix(PREFIX).lower()
        if name.startswith(PREFIX) and value and (key in _DEFAULTS or _near(key)):
            found[key] = value
    return found


def _checked(key: str, value: object) -> object:
    """Return `value` as the type of the setting `key`. Raises ValueError saying what is allowed."""
    default = _DEFAULTS[key]
    if isinstance(default, int):
        low, high = RANGES[key]
        if isinstance(value, str) and value.strip().isdecimal() and len(value.strip()) < 10:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return value
    if not isinstance(value, str | Path):
        raise ValueError("must be text")
    if "\0" in str(value):
        raise ValueError("must not hold a NUL character")
    if isinstance(default, Path):
        if not str(value).strip():
            raise ValueError("must not be empty")
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise ValueError("names the home of a user who is not known here") from None
    _check_choice(key, str(value))
    if key in ("model", "role", "host") and not str(value).strip():
        raise ValueError("must not be empty")
    return str(value)


def _check_choice(key: str, value: str) -> None:
    """Raise ValueError when a setting with few values has another; classifiers are named as ``hf:NAME``."""
    if key == "index" and not re.fullmatch(_INDEX, value):
        raise ValueError("must be faiss, milvus:http://HOST:PORT with the key in index_key, or milvus:PATH.db")
    if key == "database" and value and not re.match(r"postgres(ql)?(\+psycopg)?://", value):
        raise ValueError("must be postgresql://USER:PASSWORD@HOST/NAME, or empty")
    if key == "oidc" and value and not re.match(r"https://|http://(127\.0\.0\.1|localhost)[:/]", value):
        raise ValueError("must be https://HOST/..., or empty")
    if key in TOOLS and value:
        _check_tool(key, value)
    if key == "reranker" and value and (not value.startswith("hf:") or value == "hf:"):
        raise ValueError("must be hf:FOLDER-OR-HUB-NAME, or empty")
    if key == "guard" and value:
        try:
            read_spec(value)
        except SafetyError as error:
            raise ValueError(str(error)) from None
    if key == "cors" and not all(re.fullmatch(_ORIGIN, origin) for origin in listed(value)):
        raise ValueError("must be origins such as https://chat.example.org, without a path, with commas between them")
    allowed = _CHOICES.get(key)
    if allowed is None or value in allowed or (key == "preset" and not value):
        return
    if key == "judges":
        if (value.startswith("hf:") and value != "hf:") or Path(value).is_dir():
            return
        allowed = (*allowed, "hf:FOLDER-OR-HUB-NAME", "a folder of candor train judges --ratings")
    near = difflib.get_close_matches(value, allowed, n=1, cutoff=0.4)
    raise ValueError(f"must be one of {', '.join(allowed)}" + (f" (did you mean {near[0]!r}?)" if near else ""))


def _check_tool(key: str, value: str) -> None:
    """Raise ValueError when a setting of the toolset names no model, no address or no network."""
    from retrieval.tools.addresses import Refused, checked, read_networks

    if key == "fetch_allow":
        read_networks(value)
    elif key == "translator":
        if not value.startswith("hf:") or value == "hf:":
            raise ValueError("must be hf:FOLDER-OR-HUB-NAME")
    else:
        try:
            parts = checked(value)
        except Refused as error:
            raise ValueError(str(error)) from None
        if parts.query or parts.fragment:
            raise ValueError("must be an address without a query")


def _near(key: str) -> list[str]:
    return difflib.get_close_matches(key, _DEFAULTS, n=1, cutoff=0.75)


def _nearest(key: str) -> str:
    near = difflib.get_close_matches(key, _DEFAULTS, n=1, cutoff=0.4)
    return f" (did you mean {near[0]!r}?)" if near else f" (known: {', '.join(_DEFAULTS)})"


_DEFAULTS: Final = {field.name: field.default for field in fields(Settings) if field.default is not MISSING}
