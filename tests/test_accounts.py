"""Accounts: who is told by a password, a key or a cookie, and who is not."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select, update
from store_files import holding

from app.accounts.accounts import Accounts
from app.accounts.audit import Audit
from app.accounts.keys import Keys
from app.accounts.limits import COUNTED, Buckets, Limits
from app.accounts.logins import Logins
from app.accounts.principal import AccountError, Forbidden, Limited, Unknown
from app.store.database import Database
from app.store.history import History
from app.store.tables import AccountRow, KeyRow, LoginRow

PASSWORD = "correct horse battery"


def test_a_password_tells_who_it_is_and_is_stored_as_an_argon2_hash(database: Database, tmp_path: Path) -> None:
    accounts = Accounts(database)
    added = accounts.add("Ada", "rater", PASSWORD)
    who = accounts.check(" ada ", PASSWORD)
    assert (who.account, who.name, who.role) == (added.id, "ada", "rater")
    assert who.may("ratings")
    assert not who.may("admin")
    assert holding(tmp_path, PASSWORD) == []
    with database.read() as session:
        assert str(session.scalar(select(AccountRow.password))).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong horse battery"), ("eve", PASSWORD), ("\0", "\ud800")])
def test_a_wrong_name_and_a_wrong_password_are_told_alike(database: Database, name: str, password: str) -> None:
    Accounts(database).add("ada", password=PASSWORD)
    with pytest.raises(Unknown, match=r"^the name or the password is wrong$"):
        Accounts(database).check(name, password)


@pytest.mark.parametrize("name", ["", "a b", "../x", "-a", "a" * 65, "a\0", "<b>"])
def test_a_name_that_could_be_taken_for_something_else_is_refused(database: Database, name: str) -> None:
    with pytest.raises(AccountError, match="no name for an account"):
        Accounts(database).add(name, password=PASSWORD)


def test_names_are_unique_and_passwords_not_too_short(database: Database) -> None:
    accounts = Accounts(database)
    accounts.add("ada", password=PASSWORD)
    with pytest.raises(AccountError, match="there is an account 'ada' already"):
        accounts.add("ADA", password=PASSWORD)
    with pytest.raises(AccountError, match="10 to 1000 characters, not 5"):
        accounts.add("bob", password="short")
    assert [account.name for account in accounts.all()] == ["ada"]


def test_another_password_and_a_disabled_account_end_logins(database: Database) -> None:
    accounts, logins = Accounts(database), Logins(database)
    accounts.add("ada", password=PASSWORD)
    word = logins.begin(accounts.check("ada", PASSWORD))
    assert logins.check(word).name == "ada"
    accounts.set_password("ada", "another horse battery")
    with pytest.raises(Unknown):
        logins.check(word)
    word = logins.begin(accounts.check("ada", "another horse battery"))
    accounts.change("ada", disabled=True)
    with pytest.raises(Unknown):
        logins.check(word)
    with pytest.raises(Unknown):
        accounts.check("ada", "another horse battery")


def test_a_login_ends_when_it_is_ended_and_after_its_time(database: Database) -> None:
    accounts, logins = Accounts(database), Logins(database)
    accounts.add("ada", password=PASSWORD)
    first, second = (logins.begin(accounts.check("ada", PASSWORD)) for _ in range(2))
    logins.end(first)
    with pytest.raises(Unknown):
        logins.check(first)
    with database.write() as session:
        session.execute(update(LoginRow).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    with pytest.raises(Unknown):
        logins.check(second)


def test_a_key_is_shown_once_and_opens_what_its_scopes_say(database: Database, tmp_path: Path) -> None:
    accounts, keys = Accounts(database), Keys(database)
    accounts.add("ada", password=PASSWORD)
    word, key = keys.make("ada", "laptop", ["chat", "admin"], days=30)
    assert re.fullmatch(r"candor_[\w-]{43}", word)
    assert word.startswith(key.prefix)
    assert holding(tmp_path, word) == []
    who = keys.check(word)
    assert (who.name, who.key) == ("ada", key.id)
    assert who.scopes == {"chat"}  # a user is no admin, whatever the key says
    with pytest.raises(Forbidden, match="needs the scope 'sources', which the key lacks"):
        who.require("sources")
    [listed] = keys.all("ada")
    assert listed.used_at is not None


def test_a_key_that_is_unknown_revoked_ended_or_of_a_disabled_account_opens_nothing(database: Database) -> None:
    accounts, keys = Accounts(database), Keys(database)
    accounts.add("ada", password=PASSWORD)
    revoked, about = keys.make("ada")
    ended, _ = keys.make("ada", days=1)
    mine, _ = keys.make("ada")
    keys.revoke(about.prefix)
    with database.write() as session:
        past = datetime.now(UTC) - timedelta(seconds=1)
        session.execute(update(KeyRow).where(KeyRow.expires_at.is_not(None)).values(expires_at=past))
    assert keys.check(mine).name == "ada"
    for word in (revoked, ended, "candor_", "", mine.lower(), mine[:-1], "\ud800"):
        with pytest.raises(Unknown, match="the API key is not valid"):
            keys.check(word)
    accounts.change("ada", disabled=True)
    with pytest.raises(Unknown):
        keys.check(mine)


def test_a_key_of_another_account_cannot_be_revoked(database: Database) -> None:
    accounts, keys = Accounts(database), Keys(database)
    ada, bob = accounts.add("ada"), accounts.add("bob")
    word, key = keys.make("ada")
    with pytest.raises(AccountError, match="there is no key"):
        keys.revoke(key.id, bob.id)
    assert keys.check(word).account == ada.id


def test_a_bucket_fills_again_with_time() -> None:
    now = 0.0
    buckets = Buckets(2, lambda: now)
    assert [buckets.take("ada") for _ in range(3)] == [0, 0, 30]
    assert buckets.take("bob") == 0
    now = 30.0
    assert [buckets.take("ada") for _ in range(2)] == [0, 30]
    assert [buckets.take("eve", 0) for _ in range(9)] == [0] * 9


def test_the_turns_of_a_day_are_counted_per_account(database: Database) -> None:
    accounts, limits = Accounts(database), Limits(database, 0, 2)
    accounts.add("ada", password=PASSWORD)
    ada = accounts.check("ada", PASSWORD)
    history = History(database).of(ada.account)
    for _ in range(2):
        limits.turn(ada)
        history.begin(history.start(), "One?")
    History(database).begin(History(database).start(), "Another's?")
    with pytest.raises(Limited, match="the 2 messages of 24 hours are used up"):
        limits.turn(ada)
    accounts.change("ada", per_day=3)
    limits.turn(accounts.check("ada", PASSWORD))


def test_far_from_its_bound_an_account_takes_a_hundredth_of_what_is_left_without_a_count(database: Database) -> None:
    now = 0.0
    ada, others = Accounts(database).add("ada"), History(database)
    who = replace(Keys(database).check(Keys(database).make("ada")[0]), per_day=205)
    history, limits = others.of(ada.id), Limits(database, 0, 0, lambda: now)
    limits.turn(who)  # counted: of 205 that are left two need no count
    for _ in range(205):  # taken through another process
        history.begin(str(uuid4()), "One?", role="candor")
    for _ in range(2):
        limits.turn(who)
    with pytest.raises(Limited, match="the 205 messages"):
        limits.turn(who)
    who = replace(who, per_day=500)
    limits.turn(who)
    who = replace(who, per_day=206)
    limits.turn(who)  # one is left: each is counted
    history.begin(str(uuid4()), "One?", role="candor")
    with pytest.raises(Limited):
        limits.turn(who)
    who = replace(who, per_day=500)
    for _ in range(300):
        history.begin(str(uuid4()), "One?", role="candor")
    limits.turn(who)  # the two hundredths that were left
    now = COUNTED
    with pytest.raises(Limited):
        limits.turn(who)


def test_the_audit_log_names_who_did_what(database: Database) -> None:
    audit = Audit(database)
    ada = Accounts(database).add("ada")
    audit.note("accounts add", detail="ada")
    audit.note("login", ada.id, address="192.0.2.7")
    assert [(e.account, e.action, e.detail, e.address) for e in audit.entries()] == [
        ("ada", "login", "", "192.0.2.7"),
        ("", "accounts add", "ada", ""),
    ]
