"""The page: what is on it and which event calls what. Gradio wiring only; the handlers are in `handlers`.

What may be called over HTTP, and with what, stands in `events`.
"""

from pathlib import Path
from typing import Any, Final

import gradio as gr
from fastapi import FastAPI

from app.web.events import Calls
from app.web.failures import telling
from app.web.handlers import Handlers
from app.web.parts import frame, sources, why

HERE: Final = Path(__file__).parent
SCRIPT: Final = (  # in this order, as one script
    *(
        "base",
        "dialogs",
        "looks",
        "panels",
        "menu",
        "pictures",
        "composer",
        "turns",
        "documents",
        "acts",
        "keys",
        "reachable",
    ),
    *("signal",),
)
STYLE: Final = ("base", "nav", "chat", "side", "library", "why", "above", "small")


def _html(value: str, name: str) -> gr.HTML:
    return gr.HTML(value, elem_id=name, js_on_load=None, apply_default_css=False)


def _joined(folder: str, names: tuple[str, ...], ending: str) -> str:
    return "\n".join((HERE / folder / f"{name}.{ending}").read_text(encoding="utf-8") for name in names)


def build(page: Handlers) -> gr.Blocks:
    """Lay out the page and wire its events."""
    head, foot, box, tabs, drop = page.frame()
    with gr.Blocks(title="Candor", analytics_enabled=False, fill_width=True, fill_height=True) as blocks:
        identity = gr.Textbox("", visible="hidden", elem_id="conversation")
        bridge = gr.HTML(
            {},
            html_template="",
            js_on_load=_joined("script", SCRIPT, "js"),
            apply_default_css=False,
            visible="hidden",
            elem_id="bridge",
        )
        with gr.Row(elem_id="shell"):
            with gr.Column(elem_id="nav", min_width=0):
                still = [_html(head, "nav-head")]
                rows = _html("", "rows")
                still.append(_html(foot, "nav-foot"))
            with gr.Column(elem_id="main", min_width=0):
                header = _html(frame.header("New conversation", True), "header")
                with gr.Column(elem_id="scroll", min_width=0):
                    log, live, following = _html("", "log"), _html("", "live"), _html("", "next")
                still.append(_html(box, "dock"))
            with gr.Column(elem_id="side", min_width=0):
                still.append(_html(tabs, "side-tabs"))
                beside = [
                    _html(sources.sources("", "", None), "pane-sources"),
                    _html(why.why("", "", None), "pane-why"),
                ]
                with gr.Column(elem_id="pane-documents", min_width=0):
                    still.append(_html(drop, "drop"))
                    documents = _html("", "documents")
                    opened = _html("", "opened")
                settings = _html("", "pane-settings")
        view = [identity, bridge, header, log, live, rows, *beside]
        _wire(page, blocks, view, [documents, opened, settings, following], still)
    blocks.queue(max_size=256, default_concurrency_limit=8)
    return blocks


def _wire(page: Handlers, blocks: gr.Blocks, view: list[Any], more: list[Any], still: list[Any]) -> None:
    identity, bridge, log, rows, sources, why = view[0], view[1], view[3], view[5], view[6], view[7]
    documents, opened, settings, following = more
    private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    quick: dict[str, Any] = {**private, "queue": False, "trigger_mode": "multiple"}
    slow: dict[str, Any] = {**private, "concurrency_limit": None}

    def on(handler: Any) -> Any:  # noqa: ANN401, a handler as Gradio takes it
        return telling(handler, page.told, page.owns)

    loaded = blocks.load(on(page.load), None, [*view, documents, settings, *still], **quick)
    begun = (
        loaded,
        bridge.do_open(on(page.open), None, view, **quick),
        bridge.do_role(on(page.choose), None, [*view, settings], **quick),
        bridge.do_send(on(page.send), identity, view, **quick),
        bridge.do_retry(on(page.retry), identity, view, **quick),
        bridge.do_turn(on(page.turn), identity, view, **quick),
        bridge.do_change(on(page.change), identity, view, **quick),
        bridge.do_earlier(on(page.earlier), identity, view, **quick),
    )
    for event in begun:
        event.then(on(page.follow), identity, view, **slow).then(on(page.suggest), identity, following, **slow)
    bridge.do_tune(on(page.tune), identity, [bridge, settings], **quick)
    bridge.do_stop(on(page.stop), identity, bridge, **quick)
    bridge.do_find(on(page.find), identity, rows, **quick)
    bridge.do_show(on(page.show), identity, [sources, why], **quick)
    bridge.do_document(on(page.document), identity, sources, **quick)
    listed = bridge.do_list(on(page.list_documents), None, documents, **quick)
    changed = bridge.do_source(on(page.source), identity, [bridge, documents, opened], **quick)
    for event in (loaded, listed, changed):  # each is followed: an earlier one may end on what it saw before
        event.then(on(page.follow_uploads), None, [documents, log], **slow, trigger_mode="multiple")


def mount(api: FastAPI, page: Handlers, calls: Calls) -> FastAPI:
    """Put the page on `api` at ``/``, with everything off that would talk to others or keep copies.

    `calls` learns which events there are.
    """
    blocks = build(page)
    calls.learn(blocks)
    return gr.mount_gradio_app(  # type: ignore[no-any-return]
        api,
        blocks,
        path="/",
        css=_joined("style", STYLE, "css"),
        theme=gr.themes.Base(font=[gr.themes.Font("system-ui")], font_mono=[gr.themes.Font("monospace")]),
        footer_links=[],
        run_history=False,
        show_error=False,
        enable_monitoring=False,
        max_file_size=0,  # documents come by a route of their own
        mcp_server=False,
        pwa=False,
        ssr_mode=False,
    )
