"""What an account may ask for, how long things are kept, and that a backup brings all of it back."""

import json
import stat
import tarfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from store_files import full, holding

from app.accounts.accounts import Accounts
from app.accounts.audit import Audit
from app.accounts.keys import Keys
from app.accounts.principal import AccountError, Unknown
from app.accounts.rights import delete_account, export_account
from app.commands.cli import run
from app.errors import InputError
from app.housekeeping import Housekeeping, expire
from app.store.backup import back_up, restore
from app.store.database import NAME, Database, open_database
from app.store.history import History
from app.store.opinions import Opinions, Rating
from app.store.tables import ConversationRow

PASSWORD = "correct horse battery"


def talked(database: Database, name: str, secret: str) -> str:
    """An account with a conversation, a rating, a key and entries in the log; return the conversation."""
    account = Accounts(database).add(name, password=PASSWORD)
    history = History(database, account.id)
    conversation = history.start()
    turn = history.begin(conversation, secret)
    history.finish(turn, full(secret))
    Opinions(database).rate(turn, Rating(False, "wrong", f"{secret} indeed"))
    Keys(database).make(name, f"key for {secret}")
    Audit(database).note("accounts add", detail=f"{name}, user")
    Audit(database).note("login", account.id, address="192.0.2.7")
    return conversation


def test_an_export_holds_what_is_ones_own_and_no_secret_of_the_server(database: Database) -> None:
    talked(database, "ada", "a secret of ada")
    talked(database, "bob", "a secret of bob")
    told = json.dumps(export_account(database, "ada"))
    assert "a secret of ada" in told
    assert "a secret of ada indeed" in told
    assert "192.0.2.7" in told
    assert "bob" not in told
    assert "argon2" not in told
    assert "sha256" not in told


def test_a_deleted_account_is_gone_from_every_file_and_others_are_not(tmp_path: Path) -> None:
    with closing(open_database(tmp_path)) as database:
        talked(database, "adalovelace", "a secret of her own")
        kept = talked(database, "bob", "what stays")
        account = Accounts(database).named("adalovelace").id
        upload = tmp_path / "uploads" / account / "a.txt"
        upload.parent.mkdir(parents=True)
        upload.write_text("a secret of her own")
        assert holding(tmp_path, "a secret of her own") != []
        delete_account(database, tmp_path, "adalovelace")
        for word in ("a secret of her own", "adalovelace", account):
            assert holding(tmp_path, word) == []
        assert not upload.parent.exists()
        assert [entry.action for entry in Audit(database).entries()].count("login") == 2
        assert History(database).conversation(kept).turns == 1
        with pytest.raises(AccountError):
            delete_account(database, tmp_path, "adalovelace")


def test_what_is_older_than_the_retention_is_deleted(database: Database) -> None:
    history = History(database)
    old, new = history.start("old"), history.start("new")
    with database.write() as session:
        then = datetime.now(UTC) - timedelta(days=31)
        session.execute(update(ConversationRow).where(ConversationRow.id == old).values(updated_at=then))
    assert expire(database, 0) == 0
    Housekeeping(database, 30).close()  # what is due is done at the start
    assert [row.id for row in history.conversations()] == [new]


def test_a_backup_brings_back_rows_and_files_under_the_folders_new_name(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    (before / "uploads").mkdir()
    (before / "uploads" / "a.txt").write_text("kept")
    (before / "uploads" / "unread").mkdir()
    (before / "uploads" / "unread" / "b.txt").touch()
    with closing(open_database(before)) as database, closing(open_database(after)) as other:
        conversation = talked(database, "ada", "what was said")
        back_up(database, before, tmp_path / "b.tar")
        assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
        with pytest.raises(InputError, match="is there already"):
            back_up(database, before, tmp_path / "b.tar")
        History(other).start("what goes")
        restore(tmp_path / "b.tar", other, after)
        assert [row.title for row in History(other).conversations()] == ["what was said"]
        assert History(other).export(conversation) == History(database).export(conversation)
        assert Accounts(other).check("ada", PASSWORD).name == "ada"
        assert (after / "uploads" / "a.txt").read_text() == "kept"
        assert not (after / "uploads" / "unread").exists()
        assert holding(after, "what goes") == []
        with pytest.raises(Unknown):
            Accounts(other).check("ada", "another password")


@pytest.mark.parametrize("content", ["", "no archive", "tar", "link"])
def test_what_is_no_backup_changes_nothing(tmp_path: Path, content: str) -> None:
    file = tmp_path / "b.tar"
    file.write_text("" if content == "" else "no archive" * 1000)
    if content in ("tar", "link"):
        with tarfile.open(file, "w") as archive:
            entry = tarfile.TarInfo("../outside" if content == "tar" else "uploads")
            entry.type, entry.linkname = (tarfile.REGTYPE, "") if content == "tar" else (tarfile.SYMTYPE, "/etc")
            archive.addfile(entry)
    with closing(open_database(tmp_path)) as database:
        History(database).start("what stays")
        with pytest.raises(InputError, match="is no backup that `candor backup` made"):
            restore(file, database, tmp_path)
        assert len(History(database).conversations()) == 1
    assert not (tmp_path.parent / "outside").exists()


def test_the_commands_make_a_key_that_opens_and_a_log_that_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--data-dir", str(tmp_path / "data")]
    assert run([*place, "accounts", "add", "ada", "--role", "rater", "--no-password"]) == 0
    capsys.readouterr()
    assert run([*place, "--json", "accounts", "keys", "make", "ada", "--scope", "ratings", "--days", "2"]) == 0
    made = json.loads(capsys.readouterr().out)
    with closing(open_database(tmp_path / "data")) as database:
        assert Keys(database).check(made["key"]).scopes == {"ratings"}
    assert run([*place, "accounts", "keys", "revoke", made["about"]["prefix"]]) == 0
    assert run([*place, "backup", str(tmp_path / "b.tar")]) == 0
    assert run([*place, "accounts", "delete", "ada", "--yes"]) == 0
    capsys.readouterr()
    assert run([*place, "accounts", "log"]) == 0
    assert "ada" not in capsys.readouterr().out
    assert run([*place, "restore", str(tmp_path / "b.tar"), "--yes"]) == 0
    capsys.readouterr()
    assert run([*place, "accounts", "list"]) == 0
    assert capsys.readouterr().out.startswith("ada ")
    assert run([*place, "accounts", "add", "a b", "--no-password"]) == 1
    assert "no name for an account" in capsys.readouterr().err
    assert run([*place, "database", "copy", "--to", "postgresql://x:secret@127.0.0.1:1/y"]) == 1
    told = capsys.readouterr().err
    assert "the server cannot be reached" in told
    assert "secret" not in told
    assert (tmp_path / "data" / NAME).exists()
