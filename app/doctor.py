"""Checks a data folder and says what is wrong with it.

Looks only; at most it puts a damaged index aside, to be built again. Works beside a running server and on
folders that cannot be opened.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from sqlalchemy import func, or_, select, text

from app.config import Settings
from app.errors import AppError, OlderSchema
from app.library.checksums import damaged_sources
from app.library.library import INDEX, index_state
from app.library.lock import holder, is_locked
from app.store.database import LOST, NAME, Database, open_database, read_meta
from app.store.history import damaged_turns
from app.store.sqlite import SqliteDatabase, broken_link, lost
from app.store.tables import TurnRow
from app.store.upgrade import copies
from retrieval.types import RetrievalError

LOW_SPACE = 500 * 2**20  # bytes
NO_SPACE = 20 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """One examined thing; `advice` says what to do about it, empty when it is well."""

    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    advice: str = ""


def examine(settings: Settings, encoder: str = "") -> list[Finding]:
    """Examine the data folder and the parts that the settings name; failures are findings, never raised.

    `encoder` is the fingerprint of the encoder in use, when it is loaded already.
    """
    folder = settings.data_dir
    findings = list(_folder(folder))
    if folder.is_dir():
        findings += _locked(folder)
        findings += _database(settings, encoder)
    findings += _weights(encoder)
    findings += _encoder(settings, encoder)
    findings += _model(settings)
    findings += _viewer(settings)
    findings += _policy(settings)
    findings += _guard(settings)
    findings += _tools(settings)
    findings += _roles(settings)
    return findings


def _folder(folder: Path) -> Iterator[Finding]:
    if reason := broken_link(folder):
        yield Finding("data folder", "fail", *reason.split(": ", 1))
    elif not folder.exists():
        above = next((parent for parent in folder.absolute().parents if parent.exists()), Path("/"))
        if not os.access(above, os.W_OK):
            yield Finding("data folder", "fail", f"{folder} cannot be made", "name another with --data-dir")
        else:
            yield Finding("data folder", "warn", f"{folder} is not there yet", "run `candor ingest PATH`")
    elif not folder.is_dir():
        yield Finding("data folder", "fail", f"{folder} is a file", "name another with --data-dir")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data folder", "fail", f"{folder} cannot be written", "change its permissions")
    else:
        yield Finding("data folder", "ok", str(folder))
        mode = folder.stat().st_mode
        if mode & 0o002:
            yield Finding("permissions", "warn", "everybody can write to it", f"run: chmod o-w {folder}")
        free = shutil.disk_usage(folder).free
        state: Literal["ok", "warn", "fail"] = "ok"
        if free < LOW_SPACE:
            state = "fail" if free < NO_SPACE else "warn"
        advice = "" if state == "ok" else "free some space on its disk"
        yield Finding("disk space", state, f"{free / 2**30:.1f} GiB free", advice)


def _locked(folder: Path) -> Iterator[Finding]:
    detail = f"in use by {holder(folder)}" if is_locked(folder) else "not in use"
    yield Finding("lock", "ok", detail)


def _database(settings: Settings, encoder: str) -> Iterator[Finding]:
    folder = settings.data_dir
    if not settings.database and not (folder / NAME).exists() and not (folder / NAME).is_symlink():
        yield Finding("database", "warn", "there is none yet", "run `candor ingest PATH` or `candor ask`")
        return
    try:
        database = open_database(folder, False, settings.database)
    except OlderSchema as error:
        yield Finding("database", "warn", *str(error).split(": ", 1))
        return
    except AppError as error:
        yield Finding("database", "fail", str(error), "follow the message, or restore it from a backup")
        return
    try:
        yield from _content(database, folder)
        yield from _stored(database)
        yield from _index(settings, database, encoder)
    except AppError as error:
        yield Finding("database", "fail", str(error), "restore it from a backup")
    finally:
        database.close()


def _content(database: Database, folder: Path) -> Iterator[Finding]:
    problems = database.problems()
    alive = database.holders() if database.number is not None else frozenset()
    with database.read() as session:
        schema = session.scalar(text("SELECT version_num FROM alembic_version"))
        turns = session.scalar(select(func.count()).select_from(TurnRow))
        cut_off = or_(TurnRow.holder.is_(None), TurnRow.holder.not_in(alive))
        pending = session.scalar(select(func.count()).where(TurnRow.state == "pending", cut_off)) or 0
        damaged = [] if problems else damaged_sources(session)
    if damaged:
        advice = "remove them and ingest them again, or restore the database from a backup"
        yield Finding("sources", "fail", f"{len(damaged)} are damaged: {', '.join(damaged[:5])}", advice)
    if problems:
        yield Finding("database", "fail", problems[0], "restore it from a backup")
    else:
        yield Finding("database", "ok", f"whole; schema {schema}, {turns} turns")
    if pending and not is_locked(folder):
        advice = "the next start marks them as interrupted"
        yield Finding("turns", "warn", f"{pending} turns were cut off", advice)


def _stored(database: Database) -> Iterator[Finding]:
    """Compare the history with its checksums, and with what was acknowledged."""
    with database.read() as session:
        damaged = damaged_turns(session)
        before = read_meta(session, LOST)
    if damaged:
        detail = f"{len(damaged)} have turns that are not as they were stored: {', '.join(damaged[:5])}"
        yield Finding("conversations", "fail", detail, "restore the database from a backup, or delete them")
    if isinstance(database, SqliteDatabase) and database.missing:
        advice = "restore a backup, or go on without them with any command that writes"
        yield Finding("log", "fail", lost(database.path, database.missing), advice)
    if before:
        yield Finding(
            "log", "warn", f"acknowledged writes were found missing: {before}", "restore a backup that has them"
        )
    for copy in copies(database.path.resolve()) if isinstance(database, SqliteDatabase) else ():
        yield Finding("copy", "ok", f"{copy} is the database before its last migration; the first deletion removes it")


def _index(settings: Settings, database: Database, encoder: str) -> Iterator[Finding]:
    from retrieval.index.generation import open_current

    state = index_state(database)
    if not state.passages:
        yield Finding("index", "warn", "no passages yet", "run `candor ingest PATH`")
        return
    rebuild = "run `candor sources rebuild`, or any command that asks or ingests"
    if settings.index != "faiss":
        yield _milvus(settings, database, encoder or state.encoder, rebuild)
        return
    try:
        generation = open_current(settings.data_dir / INDEX, encoder or state.encoder)
    except RetrievalError as error:
        yield Finding("index", "fail", str(error), rebuild)
        return
    if generation is None or state.published != state.naming(generation.id):
        yield Finding("index", "warn", "it is behind the stored passages", rebuild)
    elif generation.count < state.passages:
        detail = f"{generation.count} passages, the database has {state.passages}"
        yield Finding("index", "fail", detail, rebuild)
    else:
        yield Finding("index", "ok", f"{generation.count} passages, generation {generation.id}")


def _milvus(settings: Settings, database: Database, encoder: str, rebuild: str) -> Finding:
    """Ask Milvus for the collection of this folder; Milvus Lite answers one process at a time."""
    from app.library.milvus import TOP, fed_collection
    from retrieval.index.milvus import Milvus

    name, _ = fed_collection(database)
    server = None
    try:
        server = Milvus(settings.index.removeprefix("milvus:"), settings.index_key)
        collection = server.open(name, encoder) if name else None
        count = collection.count(0, TOP) if collection else 0
    except RetrievalError as error:
        return Finding("index", "fail", str(error), "mend it, or leave the setting index out")
    finally:
        if server:
            server.close()
    state = index_state(database)
    if state.published != f"{state.version}:{name}" or count != state.passages:
        detail = f"{settings.index} holds {count} of {state.passages} passages"
        return Finding("index", "warn", detail, rebuild)
    return Finding("index", "ok", f"{count} passages, collection {name} in {settings.index}")


def _weights(encoder: str) -> Iterator[Finding]:
    """Compare every model file that ships with its SHA-256; the guard proves itself, unless it has for an open bot."""
    from dialogue.judges.shipped import SHIPPED as JUDGES
    from dialogue.models.smollm2 import SHIPPED as TUNED
    from retrieval.encoder.adapters import load_reader
    from retrieval.encoder.embed import MEND, load_encoder, minilm_files
    from retrieval.weights import REINSTALL, read_bytes
    from retrieval.weights import SHIPPED as READERS
    from safety.guards.embedded import SHIPPED, WEIGHTS, EmbeddedGuard
    from safety.policy import load_policy
    from safety.types import SafetyError

    advice = "until then candor does not start"
    try:
        theirs = minilm_files()
    except RetrievalError as error:
        yield Finding("weights", "fail", str(error), advice)
        theirs = {}
    whole = 0
    for files, mend in (({**SHIPPED, **READERS, **JUDGES, **TUNED}, REINSTALL), (theirs, MEND)):
        for path in files:
            try:
                read_bytes(path, files, mend)
                whole += 1
            except RetrievalError as error:
                yield Finding("weights", "fail", str(error), advice)
    yield Finding("weights", "ok", f"{whole} files are those that ship")
    if encoder:
        return
    try:
        EmbeddedGuard(load_reader(load_encoder(), WEIGHTS, SHIPPED), load_policy()).prove()
        yield Finding("safety classifier", "ok", "tells what is unsafe from what is not")
    except (RetrievalError, SafetyError) as error:
        yield Finding("safety classifier", "fail", str(error), advice)


def _encoder(settings: Settings, encoder: str) -> Iterator[Finding]:
    from retrieval.encoder.embed import load_encoder

    try:
        yield Finding("encoder", "ok", encoder or load_encoder(settings.encoder).fingerprint)
    except (RetrievalError, OSError, ImportError) as error:
        advice = "name another" if settings.encoder else "reinstall it: pip install --force-reinstall candor"
        yield Finding("encoder", "fail", str(error), advice)


def _model(settings: Settings) -> Iterator[Finding]:
    from dialogue.models import AUTO, DOORS, chosen
    from dialogue.models.smollm2 import INSTALL

    spec = chosen(settings.model)
    by = "auto: " if settings.model.strip() == AUTO else ""
    door, _, name = spec.partition(":")
    if door == "quote" and not name:
        told = (
            f"the language model in the box is not installed: type {INSTALL}" if by else "no language model is loaded"
        )
        yield Finding("model", "ok", f"{by}quote: {told}")
    elif door == "smollm2" and not name:
        yield _boxed(settings, by)
    elif door == "gguf" and name:
        yield _planned(settings, name if name.endswith(".gguf") else f"{name}.gguf")
    elif door == "scripted" and not Path(name).is_file():
        yield Finding("model", "fail", f"there is no script {name!r}", "name another with --model")
    elif door == "hf" and name:
        yield _planned(settings, name)
    elif door == "scripted" and name:
        yield Finding("model", "ok", spec)
    elif door.lower() in ("http", "https"):
        yield _served(settings)
    else:
        advice = f"use one of {DOORS}"
        yield Finding("model", "fail", f"there is no model {spec!r}", advice)


def _boxed(settings: Settings, by: str) -> Finding:
    """Say whether the packaged model is there and fits."""
    from dialogue.models.smollm2 import INSTALL, packaged

    path = packaged()
    if path is None:
        return Finding("model", "fail", "smollm2 is not installed", f"type {INSTALL}")
    found = _planned(settings, str(path))
    return replace(found, detail=f"{by}smollm2, the language model in the box: {found.detail}")


def _planned(settings: Settings, name: str) -> Finding:
    """Work out whether a model fits into memory, without loading it."""
    from dialogue.models.checkpoints import plan_checkpoint
    from dialogue.models.checkpoints.plan import Needs
    from dialogue.types import ModelError

    try:
        plan = plan_checkpoint(name, needs=Needs(settings.context, settings.candidates, dtype=settings.dtype))
    except ModelError as error:
        return Finding("model", "fail", str(error), "name another with --model")
    if plan.fits:
        return Finding("model", "ok", f"{settings.model} (not loaded by this examination): {plan.describe()}")
    return Finding("model", "fail", f"{settings.model} does not fit: {plan.describe()}", plan.advice())


def _viewer(settings: Settings) -> Iterator[Finding]:
    """Say whether what looks at pictures can, without loading it; nothing where none is named."""
    from dialogue.models.vision import sees

    door, _, name = settings.viewer.strip().partition(":")
    if not settings.viewer:
        return
    if door == "hf" and name and sees(name):
        yield Finding("viewer", "ok", f"{settings.viewer} (not loaded by this examination)")
    else:
        detail = f"{settings.viewer!r} names no model that reads pictures"
        yield Finding("viewer", "fail", detail, "name one with --viewer hf:FOLDER-OR-HUB-NAME")


def _served(settings: Settings) -> Finding:
    """Ask a model server which models it has; secrets in its address are not shown."""
    from dialogue.models.server.remote import open_remote
    from dialogue.types import ModelError, Unavailable

    try:
        remote = open_remote(settings.model, settings.api_key)
        remote.look()
    except Unavailable as error:
        return Finding("model", "warn", str(error), "until then quote answers in its place")
    except ModelError as error:
        return Finding("model", "fail", str(error), "name another with --model")
    return Finding("model", "ok", f"{remote.name} answers")


def _tools(settings: Settings) -> Iterator[Finding]:
    """Say which tools beyond the calculator are set, and whether they are there; translators are not loaded."""
    from retrieval.tools.addresses import read_networks
    from retrieval.tools.web import Engine, MediaWiki, SearXNG
    from retrieval.types import Unreachable

    name = settings.translator.removeprefix("hf:")
    if name and (Path(name).expanduser().is_dir() or not name.startswith((".", "/", "~"))):
        yield Finding("translator", "ok", f"{settings.translator} (not loaded by this examination)")
    elif name:
        yield Finding("translator", "fail", f"there is no folder {name!r}", "name another, or leave the setting out")
    engines: list[tuple[str, Engine]] = [("wiki", MediaWiki(settings.wiki)), ("searxng", SearXNG(settings.searxng))]
    for setting, engine in engines:
        if url := engine.url:
            try:
                engine.find("candor")
                yield Finding(setting, "ok", f"{url} answers; questions are sent to it")
            except Unreachable as error:
                yield Finding(setting, "warn", str(error), "until then replies rest on the documents alone")
    if networks := read_networks(settings.fetch_allow):
        yield Finding("fetching", "ok", f"pages may come from {', '.join(map(str, networks))} too")


def _roles(settings: Settings) -> Iterator[Finding]:
    from dialogue.roles import load_role, role_names
    from dialogue.types import DialogueError

    names = role_names(settings.role_folder)
    for name in dict.fromkeys([*names, settings.role]):
        try:
            load_role(name, settings.role_folder)
        except DialogueError as error:
            state: Literal["warn", "fail"] = "fail" if name == settings.role else "warn"
            yield Finding("role", state, str(error), f"mend it, or remove the file from {settings.role_folder}")
            names = [other for other in names if other != name]
    yield Finding("roles", "ok", ", ".join(names))


def _policy(settings: Settings) -> Iterator[Finding]:
    from safety.policy import load_policy
    from safety.types import SafetyError

    try:
        policy = load_policy(Path(settings.policy) if settings.policy else None, settings.preset or None)
        yield Finding("policy", "ok", f"{settings.policy or 'packaged'}, preset {policy.preset}")
    except SafetyError as error:
        yield Finding("policy", "fail", str(error), "mend the policy file, or leave it out")


def _guard(settings: Settings) -> Iterator[Finding]:
    """Say whether the larger guard is there; nothing where none is named."""
    from safety.guards.sources import look_at
    from safety.types import SafetyError

    if not settings.guard:
        return
    try:
        yield Finding("guard", "ok", look_at(settings.guard, settings.guard_key))
    except SafetyError as error:
        yield Finding(
            "guard", "fail", str(error), "mend it, or leave the setting out: what it cannot judge counts as unsafe"
        )
