"""The page: what is on it and which event calls what. Gradio wiring only; the handlers are in `handlers`.

What may be called over HTTP, and with what, stands in `events`.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI

from app.bot import MESSAGE_LIMIT
from app.web import panels, render
from app.web.documents import drop
from app.web.events import Calls
from app.web.failures import telling
from app.web.handlers import Handlers

HERE = Path(__file__).parent


def _html(value: str, name: str) -> gr.HTML:
    return gr.HTML(value, elem_id=name, js_on_load=None, apply_default_css=False)


def build(page: Handlers) -> gr.Blocks:
    """Lay out the page and wire its events."""
    script = "".join((HERE / name).read_text(encoding="utf-8") for name in ("bridge.js", "documents.js"))
    with gr.Blocks(title="Candor", analytics_enabled=False, fill_width=True, fill_height=True) as blocks:
        identity = gr.Textbox("", visible="hidden", elem_id="conversation")
        bridge = gr.HTML(
            {},
            html_template="",
            js_on_load=script,
            apply_default_css=False,
            visible="hidden",
            elem_id="bridge",
        )
        with gr.Row(elem_id="shell"):
            with gr.Column(elem_id="nav", min_width=0):
                _html(render.nav_head(), "nav-head")
                rows = _html("", "rows")
                _html(render.nav_foot(), "nav-foot")
            with gr.Column(elem_id="main", min_width=0):
                header = _html(render.header("New conversation", True), "header")
                with gr.Column(elem_id="scroll", min_width=0):
                    log, live = _html("", "log"), _html("", "live")
                _html(render.composer(page.bot.notice, MESSAGE_LIMIT), "dock")
            with gr.Column(elem_id="side", min_width=0):
                _html(render.side_tabs(), "side-tabs")
                sources, why = (
                    _html(panels.sources(None), "pane-sources"),
                    _html(panels.why(None), "pane-why"),
                )
                with gr.Column(elem_id="pane-documents", min_width=0):
                    _html(drop(), "drop")
                    documents = _html("", "documents")
        view = [identity, bridge, header, log, live, rows, sources, why]
        _wire(page, blocks, view, documents)
    blocks.queue(max_size=256, default_concurrency_limit=8)
    return blocks


def _wire(page: Handlers, blocks: gr.Blocks, view: list[Any], documents: gr.HTML) -> None:
    identity, bridge, rows, sources, why = view[0], view[1], view[5], view[6], view[7]
    quick: dict[str, Any] = {
        "queue": False,
        "show_progress": "hidden",
        "api_visibility": "private",
        "trigger_mode": "multiple",
    }
    slow: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None}
    loaded = blocks.load(telling(page.load), None, [*view, documents], **quick)
    begun = (
        loaded,
        bridge.do_open(telling(page.open), None, view, **quick),
        bridge.do_role(telling(page.choose), None, view, **quick),
        bridge.do_send(telling(page.send), identity, view, **quick),
        bridge.do_retry(telling(page.retry), identity, view, **quick),
        bridge.do_change(telling(page.change), identity, view, **quick),
        bridge.do_earlier(telling(page.earlier), identity, view, **quick),
    )
    for event in begun:
        event.then(telling(page.follow), identity, view, **slow)
    bridge.do_stop(telling(page.stop), identity, bridge, **quick)
    bridge.do_find(telling(page.find), identity, rows, **quick)
    bridge.do_show(telling(page.show), identity, [sources, why], **quick)
    bridge.do_document(telling(page.document), identity, sources, **quick)
    listed = bridge.do_list(telling(page.documents), None, documents, **quick)
    bridge.do_remove(telling(page.remove), identity, [bridge, documents], **quick)
    for event in (loaded, listed):
        event.then(telling(page.follow_uploads), None, documents, **slow)


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
        css=(HERE / "style.css").read_text(encoding="utf-8"),
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
