"""The tools ask, search and check for MCP clients, such as assistants and editors, over the official SDK."""

from typing import TYPE_CHECKING, Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from app.api.shapes import citation_of, evidence_of
from app.bot import MESSAGE_LIMIT, USER_ERRORS, checked_message
from app.checking import claims_in_library, claims_of, judged
from app.store.jsonform import to_json

if TYPE_CHECKING:
    from app.bot import Bot

ABOUT = (
    "Answers questions from the user's own documents. Every sentence of a reply is checked against its source; where "
    "no document answers, the outcome is `abstained`, and that is to be told rather than filled in."
)
Words = Annotated[str, Field(min_length=1, max_length=MESSAGE_LIMIT)]
Result = dict[str, Any]


def build(bot: "Bot") -> MCPServer[Any]:
    """Return a server of the tools, not running yet; an error fit for a user is a failed call with its words."""
    server: MCPServer[Any] = MCPServer("candor", title="Candor", instructions=ABOUT, log_level="WARNING")

    @server.tool()
    def ask(
        question: Words,
        conversation: Annotated[str, Field(description="the id of a conversation to continue")] = "",
    ) -> Result:
        """Answer a question from the documents, with the sentence behind each statement."""
        try:
            reply = bot.ask(question, conversation or None)
        except USER_ERRORS as error:
            raise ToolError(str(error)) from None
        return {
            "text": reply.text,
            "outcome": reply.outcome,
            "citations": [citation_of(citation) for citation in reply.citations],
            "conversation": reply.conversation,
        }

    @server.tool()
    def search(query: Words, limit: Annotated[int, Field(ge=1, le=50)] = 8) -> Result:
        """Find the passages of the documents that are nearest to a query in meaning and words."""
        try:
            found = bot.responder.retriever.search([query], limit)
        except USER_ERRORS as error:
            raise ToolError(str(error)) from None
        return {"passages": [evidence_of(item) for item in found]}

    @server.tool()
    def check(
        text: Words,
        evidence: Annotated[list[str] | None, Field(description="texts to check against; else the documents")] = None,
    ) -> Result:
        """Say of each sentence of a text whether the evidence, or else the documents, support it."""
        try:
            words = checked_message(text)
            claims = (
                claims_in_library(bot.responder, words) if evidence is None else claims_of(bot.judge, words, evidence)
            )
        except USER_ERRORS as error:
            raise ToolError(str(error)) from None
        found: Result = to_json(judged(claims))
        return found

    return server
