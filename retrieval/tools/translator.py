"""The translator of the toolset: a sequence-to-sequence model asked for what a question wants in another language.

Works with checkpoints of Marian, M2M100, NLLB, mBART and T5, whichever languages they know; what a model has not
learnt, and what asks for no translation, gives nothing.
"""

import re
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from retrieval.text import clean
from retrieval.tools.toolset import stated
from retrieval.types import Evidence, RetrievalError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SOURCE: Final = "translator"
LONGEST: Final = 1000  # characters of a text to translate
LANGUAGES: Final = {  # English name: codes of ISO 639-1 and 639-3
    name: (one, three)
    for name, one, three in (
        row.split()
        for row in (
            "Afrikaans af afr,Albanian sq sqi,Arabic ar arb,Armenian hy hye,Basque eu eus,Bengali bn ben,"
            "Bulgarian bg bul,Catalan ca cat,Chinese zh zho,Croatian hr hrv,Czech cs ces,Danish da dan,Dutch nl nld,"
            "English en eng,Estonian et est,Finnish fi fin,French fr fra,Galician gl glg,Georgian ka kat,German de deu,"
            "Greek el ell,Gujarati gu guj,Hebrew he heb,Hindi hi hin,Hungarian hu hun,Icelandic is isl,"
            "Indonesian id ind,Irish ga gle,Italian it ita,Japanese ja jpn,Kannada kn kan,Korean ko kor,Latvian lv lvs,"
            "Lithuanian lt lit,Macedonian mk mkd,Malayalam ml mal,Marathi mr mar,Norwegian no nob,Persian fa pes,"
            "Polish pl pol,Portuguese pt por,Punjabi pa pan,Romanian ro ron,Russian ru rus,Serbian sr srp,"
            "Slovak sk slk,Slovenian sl slv,Spanish es spa,Swahili sw swh,Swedish sv swe,Tamil ta tam,Telugu te tel,"
            "Thai th tha,Turkish tr tur,Ukrainian uk ukr,Urdu ur urd,Vietnamese vi vie,Welsh cy cym"
        ).split(",")
    )
}

_NAMES = "|".join(LANGUAGES)
_QUOTED = r"[\"“”‘'«»]"
_FORMS: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        rf"(?:please )?translate(?: (?:this|the following))?(?: from (?P<source>{_NAMES}))? (?:in)?to "
        rf"(?P<target>{_NAMES})"
        r"\s*[:,]\s*(?P<text>.+)",
        rf"(?:(?:can|could) you |please )*translate (?P<text>.+?)(?: from (?P<source>{_NAMES}))? (?:in)?to "
        rf"(?P<target>{_NAMES})[.?!]*",
        rf"how (?:do|would|can) (?:you|i|we|they) (?:say|write) (?P<text>.+?) in (?P<target>{_NAMES})[.?!]*",
        rf"what(?: is|'s|’s) (?:the (?P<target>{_NAMES}) (?:word |translation )?(?:for|of) (?P<text>.+?)|"
        rf"{_QUOTED}(?P<said>.+?){_QUOTED} in (?P<into>{_NAMES}))[.?!]*",
        rf"(?P<text>(?!(?:who|what|when|where|why|how|which|is|are|was|did|do|does)\b)(?:\S+ ){{0,4}}?\S+) in "
        rf"(?P<target>{_NAMES})[.?!]*",
    )
)
_TAG = re.compile(r"__[a-z]{2,3}__|[a-z]{3}_[A-Z][a-z]{3}|[a-z]{2}_[A-Z]{2}|>>[a-zA-Z_]{2,8}<<")
_PAIR = re.compile(r"opus-mt-(?:tc-big-)?(?P<source>[a-z]{2,3})-(?P<target>[a-z]{2,3})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wish:
    """A text, the language it is in, and the one it is wanted in, by their English names."""

    text: str
    source: str
    target: str


def read_wish(query: str) -> Wish | None:
    """Read ``translate to French: good morning``, ``hello in French`` and the like; None for any other text."""
    for form in _FORMS:
        match = form.fullmatch(clean(query).strip())
        if match is None:
            continue
        found: Mapping[str, str | None] = match.groupdict()
        text = (found.get("said") or found.get("text") or "").strip().strip("\"“”‘’'«»").strip()
        target, source = (found.get("target") or found.get("into") or ""), (found.get("source") or "English")
        wish = Wish(text, source.capitalize(), target.capitalize())
        return wish if 0 < len(text) <= LONGEST and wish.source != wish.target else None
    return None


@dataclass(frozen=True, eq=False)
class Translator:
    """A Tool that translates with one model. Thread-safe: one text at a time.

    `tags` are the tokens that name a language to a multilingual model; `pair` the codes of a model of two.
    """

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    name: str
    tags: Mapping[str, int]
    pair: tuple[str, str]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def look_up(self, query: str) -> tuple[Evidence, ...]:
        """Return the translation asked for as one sentence, () when there is none or the model cannot make it."""
        wish = read_wish(query)
        if wish is None:
            return ()
        with self._lock:
            translated = self.translate(wish)
        if not translated:
            return ()
        return (stated(f"In {wish.target}, “{wish.text}” is “{translated}”.", SOURCE, "Translator"),)

    def translate(self, wish: Wish) -> str:
        """Return the translation, empty where the model does not know both languages."""
        import torch

        steered = self._steered(wish)
        if steered is None:
            return ""
        text, options = steered
        encoded = self.tokenizer(text, return_tensors="pt", truncation=True, max_length=512).to(self.model.device)
        encoded.pop("token_type_ids", None)
        room = min(2 * int(encoded["input_ids"].shape[1]) + 32, 512)
        with torch.inference_mode():
            made = self.model.generate(**encoded, **options, max_new_tokens=room, do_sample=False)
        special = set(self.tags.values())  # the first is the language; not every tokenizer takes it for special
        words = [number for number in made[0].tolist() if number not in special]
        return " ".join(clean(str(self.tokenizer.decode(words, skip_special_tokens=True))).split())

    def _steered(self, wish: Wish) -> tuple[str, dict[str, Any]] | None:
        """The text as the model takes it and what else names the languages; None when it does not know both."""
        prefix = self._prefix(wish)
        if prefix is not None:
            return prefix + wish.text, {}
        source, target = self._tag(wish.source), self._tag(wish.target)
        if target.startswith(">>"):
            return f"{target} {wish.text}", {}
        if source and target:
            self.tokenizer.src_lang = source.strip("_") if source.startswith("__") else source
            return wish.text, {"forced_bos_token_id": self.tags[target]}
        fits = all(code in LANGUAGES[name] for code, name in zip(self.pair, (wish.source, wish.target), strict=True))
        return (wish.text, {}) if fits and not self.tags else None

    def _prefix(self, wish: Wish) -> str | None:
        """The words in which T5 was trained to be asked."""
        tasks = getattr(self.model.config, "task_specific_params", None) or {}
        task = tasks.get(f"translation_{LANGUAGES[wish.source][0]}_to_{LANGUAGES[wish.target][0]}") or {}
        prefix = task.get("prefix")
        return prefix if isinstance(prefix, str) else None

    def _tag(self, name: str) -> str:
        one, three = LANGUAGES[name]
        wanted = (f"__{one}__", f">>{three}<<", f">>{one}<<")
        begun = (f"{three}_", f"{one}_")
        exact = next((tag for tag in wanted if tag in self.tags), "")
        return exact or next((tag for tag in sorted(self.tags) if tag.startswith(begun)), "")


def load_translator(spec: str) -> Translator:
    """Load ``hf:NAME``, a folder or a hub model, on a GPU where there is one.

    Safetensors only, and no code of it is run. Raises RetrievalError when it cannot be loaded or cannot translate.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer

    door, _, name = spec.strip().partition(":")
    if door != "hf" or not name:
        raise RetrievalError(f"there is no translator {spec!r}: use hf:FOLDER-OR-HUB-NAME")
    folder = Path(name).expanduser()
    place = str(folder) if folder.is_dir() else name
    try:
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
        with warnings.catch_warnings(action="ignore"):  # a recommendation of sacremoses
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
        model = AutoModelForSeq2SeqLM.from_pretrained(
            place, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, TypeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise RetrievalError(
            f"the translator {name!r} cannot be loaded: {reason}; name a sequence-to-sequence model with safetensors "
            "weights, and for Marian and M2M100: pip install 'candor[translate]'"
        ) from error
    known = {**tokenizer.get_vocab(), **getattr(tokenizer, "lang_token_to_id", {})}  # M2M100 keeps its tags apart
    tags = {tag: number for tag, number in known.items() if _TAG.fullmatch(tag)}
    named = _PAIR.search(str(getattr(config, "_name_or_path", "")) or name) or _PAIR.search(name)
    own = (getattr(tokenizer, "source_lang", None) or "", getattr(tokenizer, "target_lang", None) or "")
    pair = own if all(own) else (named["source"], named["target"]) if named else ("", "")
    if not tags and not all(pair) and not getattr(config, "task_specific_params", None):
        raise RetrievalError(f"nothing in {name!r} says which languages it translates: name another translator")
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return Translator(model, tokenizer, folder.resolve().name if folder.is_dir() else name, tags, pair)
