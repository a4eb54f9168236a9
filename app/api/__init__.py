"""The HTTP API: OpenAI's routes and Candor's own, on the server of the page."""
