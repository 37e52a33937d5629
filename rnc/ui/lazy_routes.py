"""Routes whose modules are loaded when one of them is first requested, so that the server listens before libraries are loaded."""

from asyncio import to_thread
from collections.abc import Callable, Sequence
from typing import Any

from starlette.routing import BaseRoute, Match, Router

from rnc.ui.random_addresses import add_base_path


class LazyRoutes(BaseRoute):
    """All routes below one folder of the server's addresses."""

    def __init__(self, folder: str, load: Callable[[], Sequence[BaseRoute]]) -> None:
        """Answer addresses below `folder` with the routes that `load` returns; it is called once, by the first request."""
        self.path = add_base_path(f"{folder}/")
        self._load = load
        self._router: Router | None = None

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """Return whether an ASGI `scope` asks for an address below the folder."""
        is_below = scope["type"] == "http" and scope["path"].startswith(self.path)
        return (Match.FULL if is_below else Match.NONE), {}

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request; other requests are answered while the modules are loaded."""
        if self._router is None:
            self._router = Router(await to_thread(self._load))
        await self._router(scope, receive, send)
