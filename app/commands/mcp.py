"""The command `candor mcp`: the tools ask, search and check for MCP clients, over stdin and stdout."""

from importlib.util import find_spec

import click

from app.commands.common import common, in_a_role, opened
from app.errors import SettingsError


@click.command()
@common
@in_a_role
@click.pass_context
def mcp(context: click.Context) -> None:
    """Serve the tools ask, search and check to an MCP client, over stdin and stdout."""
    if find_spec("mcp") is None:
        raise SettingsError("candor mcp needs mcp: pip install 'candor[mcp]'")
    if context.obj["json"]:
        raise click.UsageError("mcp speaks its own protocol on stdout", context)
    with opened(context, hosts=True) as bot:
        from app.api.tools import build

        build(bot).run("stdio")
