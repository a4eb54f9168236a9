"""The page for raters in a real browser, by the keyboard alone; and what it refuses."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from test_ratings import held
from web_fixture import chromium

from app.store.annotations import Annotations
from app.store.database import Database, open_database
from app.store.history import History
from app.web.rating import build_rating
from app.web.server import server_config

HOSTILE = "It is <img src=x onerror=alert(1)> high."


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path)
    history = History(database)
    talk = history.start("candor")
    for question, reply in (("How high is K2?", "K2 is 8,611 metres high."), ("And Everest?", HOSTILE)):
        held(history, talk, question, reply)
    yield database
    database.close()


@pytest.fixture
def url(stored: Database) -> Iterator[str]:
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = uvicorn.Server(server_config(build_rating(stored, Annotations(stored).sample(9, 0))))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        server.should_exit = True
        thread.join(10)


@pytest.mark.slow
def test_a_rater_answers_by_the_keyboard_alone_and_comes_back_to_what_is_left(url: str, stored: Database) -> None:
    with chromium(1000, 800) as context:
        page, faults = context.new_page(), []
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        page.keyboard.type("Ada")
        page.keyboard.press("Enter")
        page.wait_for_url("**/turn/1")
        for key in "ynxyx":  # not specific, so whether it is interesting is not asked
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.wait_for_url("**/turn/2")
        assert "Reply 2 of 2 · 1 rated · Ada" in page.inner_text("header")
        page.goto(url)  # as somebody who comes back
        page.wait_for_url("**/turn/2")
        page.keyboard.press("b")
        page.wait_for_url("**/turn/1")
        assert page.is_checked("#specific input[value=no]")
        page.goto(url)
        for key in "nyy":
            page.keyboard.press(key)
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('All 2 are rated')")
        page.goto(f"{url}summary")
        assert "2 of 2 replies rated, by Ada (2)" in page.inner_text("main")
        assert faults == []
    turns = Annotations(stored).sample(9, 0)
    first, second = (Annotations(stored).by("Ada")[turn].answers for turn in turns)
    assert first == {
        "sensible": True, "specific": False, "interesting": False, "grounded": None, "safe": True, "helpful": None,
    }  # fmt: skip
    assert (second["sensible"], second["specific"], second["interesting"], second["safe"]) == (
        False,
        False,
        False,
        True,
    )


def test_forms_work_without_a_script_and_bad_ones_are_refused(stored: Database) -> None:
    with TestClient(build_rating(stored, [1, 2]), base_url="http://127.0.0.1") as client:
        assert "Your name" in client.get("/turn/1").text
        assert client.post("/rater", data={"rater": " "}).status_code == 400
        assert "Reply 1 of 2" in client.post("/rater", data={"rater": "Bo Ö."}).text
        assert client.post("/turn/1", data={"sensible": "yes"}).status_code == 400
        kept = client.post("/turn/1", data={"sensible": "yes", "specific": "yes", "safe": "yes", "grounded": "none"})
        assert "Reply 2 of 2 · 1 rated · Bo Ö." in kept.text
        assert "<img" not in kept.text
        assert "All 2 are rated" in client.post("/turn/2", data={"sensible": "no", "safe": "no"}).text
        assert "Bo Ö. (2)" in client.get("/summary").text
        assert client.post("/turn/1", content="a=" + "b" * 9000).status_code == 400
        assert client.get("/", headers={"host": "evil.test"}).status_code == 403
        assert client.post("/rater", data={"rater": "Eve"}, headers={"origin": "http://evil.test"}).status_code == 403
