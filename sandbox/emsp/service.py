"""Put the parts together: one aiohttp application, started and stopped as a whole."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from sandbox.emsp.client import Client, PeerError
from sandbox.emsp.config import Settings
from sandbox.emsp.faults import Faults
from sandbox.emsp.hub import Hub
from sandbox.emsp.inspection import Inspection
from sandbox.emsp.messages import MessageLog
from sandbox.emsp.ocpi import OcpiServer
from sandbox.emsp.orders import Orders
from sandbox.emsp.pages import Pages
from sandbox.emsp.peer import Peer, Violations
from sandbox.emsp.receiver import Receiver
from sandbox.emsp.registration import Registration
from sandbox.emsp.sender import Tokens
from sandbox.emsp.store import Store
from sandbox.emsp.wire import MAX_BODY

logger = logging.getLogger("sandbox.emsp")
_SHUTDOWN_SECONDS = 0.5
_PUSH_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """Run the eMSP in the current event loop."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.faults = Faults()
        self.violations = Violations(store)
        self.peer = Peer(store, settings.own_token_a, settings.offered)
        self.log = MessageLog(store, self.peer)
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, then register in the background if the settings say with whom."""
        listening = socket.create_server((self.settings.host, self.settings.port))
        port = listening.getsockname()[1]
        self.url = self.settings.public_url.rstrip("/") or f"http://{self.settings.host}:{port}"
        self._assemble()
        self._runner = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()
        logger.info("eMSP %s listens at %s", self.settings.name, self.url)
        if self.peer.registered and self.settings.token_a:
            logger.warning(
                "Already registered with %s since %s; the token was not used. Unregister at %s/,"
                " or delete %s.",
                self.peer.registration["versions_url"],
                self.peer.registration["at"],
                self.url,
                self.settings.database,
            )
        elif self.settings.versions_url or self.settings.token_a_file:
            self._spawn(self.registration.register_when_possible())

    async def stop(self) -> None:
        """Stop listening, cancel what is under way, close connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()
        await self.client.close()
        # Transports close themselves in the next turn of the loop.
        await asyncio.sleep(0)

    def _assemble(self) -> None:
        self.tokens = Tokens(self.store, self.settings, self.violations, self.peer, self.url)
        receiver = Receiver(
            store=self.store,
            settings=self.settings,
            peer=self.peer,
            violations=self.violations,
            public_url=self.url,
        )
        self.client = Client(
            store=self.store,
            settings=self.settings,
            peer=self.peer,
            log=self.log,
            violations=self.violations,
            receiver=receiver,
        )
        self.orders = Orders(
            store=self.store,
            settings=self.settings,
            peer=self.peer,
            client=self.client,
            violations=self.violations,
            public_url=self.url,
        )
        self.hub = Hub(
            store=self.store, settings=self.settings, client=self.client, public_url=self.url
        )
        self.registration = Registration(
            settings=self.settings,
            peer=self.peer,
            client=self.client,
            violations=self.violations,
            public_url=self.url,
            on_registered=self._registered,
        )
        self.ocpi = OcpiServer(
            settings=self.settings,
            peer=self.peer,
            violations=self.violations,
            log=self.log,
            faults=self.faults,
            registration=self.registration,
            receiver=receiver,
            tokens=self.tokens,
            hub=self.hub,
            public_url=self.url,
        )
        self.inspection = Inspection(
            store=self.store,
            server=self.ocpi,
            client=self.client,
            orders=self.orders,
            hub=self.hub,
            registration=self.registration,
            tokens=self.tokens,
            faults=self.faults,
        )
        self.pages = Pages(
            store=self.store,
            settings=self.settings,
            peer=self.peer,
            server=self.ocpi,
            tokens=self.tokens,
            faults=self.faults,
            inspection=self.inspection,
        )

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=MAX_BODY, middlewares=[_same_origin])
        add = application.router.add_route
        add("*", "/ocpi/{path:.*}", self.ocpi.handle)
        add("GET", "/inspect/{name}", self.inspection.get)
        add("POST", "/inspect/{name}", self.inspection.post)
        add("POST", "/actions/{name}", self.pages.action)
        add("GET", "/static/{name}", self.pages.static)
        add("GET", "/cdrs/{country_code}/{party_id}/{id}", self.pages.cdr)
        add("GET", "/{name:[a-z]*}", self.pages.page)
        return application

    def _spawn(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _registered(self) -> None:
        if self.settings.push_tokens:
            self._spawn(self._push_tokens())

    async def _push_tokens(self) -> None:
        # When the CPO started, it learns its token from an answer still on its way: retry.
        for pause in _PUSH_PAUSES:
            try:
                count = await self.client.put_tokens()
            except PeerError as error:
                logger.info("tokens not sent yet, next attempt in %.1f s: %s", pause, error)
                await asyncio.sleep(pause)
            else:
                logger.info("%d tokens sent", count)
                return
        logger.warning("tokens not sent: use the button")


@web.middleware
async def _same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse buttons pressed by a foreign page: the pages know no login."""
    origin = request.headers.get("Origin", "")
    foreign = bool(origin) and urlsplit(origin).netloc != request.host
    if foreign and request.method == "POST" and not request.path.startswith("/ocpi/"):
        raise web.HTTPForbidden(text="foreign origin")
    return await handler(request)
