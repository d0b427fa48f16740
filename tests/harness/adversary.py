"""A caller of a watched endpoint who says something private in whatever a caller can say, and keeps every answer."""

import json
import re
from contextlib import suppress

import httpx
from harness.canaries import Net
from harness.upstream import AZURE_KEY, ENTRA_TOKEN, OPENAI_KEY, RESOURCE, SILENT
from harness.watched import PAGE, Watched
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

ADDRESS = "127.66.55.44"
_ID, _ODD = re.compile(r"vs_[0-9a-f]{32}"), re.compile(r"(stumble-)?[0-9a-f]{32}")


class Adversary:
    """A caller, and which answers there were: the status of each method and path."""

    def __init__(self, watched: Watched, net: Net) -> None:
        self.watched, self.cloud, self.net = watched, watched.cloud, net
        net.know("caller's address", ADDRESS)
        self.said = {
            "User-Agent": net.make("user agent"),
            "Referer": f"https://{net.make('referer')}.example/",
            "X-Forwarded-For": net.know("forwarded address", "203.0.113.77"),
            "X-Odd": net.make("odd header"),
        }
        self.query = f"note={net.make('query')}"
        tool = {"type": "function", "name": "look", "description": net.make("tool")}
        self.session = {"type": "realtime", "instructions": net.make("instructions"), "tools": [tool]}
        self.sdp = f"v=0\r\ns=-\r\na=ice-pwd:{net.make('offer')}\r\n"
        self.echo = f"{net.make('upstream text')} {AZURE_KEY} {ENTRA_TOKEN} {OPENAI_KEY} {RESOURCE}"
        self.seen: set[tuple[str, int]] = set()
        self.handed_out: set[str] = set()
        transport = httpx.AsyncHTTPTransport(local_address=ADDRESS)
        self.http = httpx.AsyncClient(base_url=watched.url, transport=transport, timeout=20)

    def key(self, app: str) -> dict[str, str]:
        """Show an app's key."""
        return {"Authorization": f"Bearer {self.watched.keys[app]}"}

    @property
    def cookie(self) -> dict[str, str]:
        """Be signed in to the owner's site, on its page."""
        return {"Cookie": f"sid={self.watched.own['cookie']}", "Origin": PAGE}

    def strange(self) -> dict[str, str]:
        """Come from a page that nobody knows."""
        return {"Origin": f"https://{self.net.make('origin')}.example"}

    async def ask(
        self, path: str, headers: dict | None = None, body: object = None, method: str = "", **more
    ) -> httpx.Response:
        """Send a GET, or a POST where there is a body, with all that is private."""
        method = method or ("GET" if body is None and not more else "POST")
        more |= {} if body is None else {"json": body}
        path += f"{'&' if '?' in path else '?'}{self.query}"
        response = await self.http.request(method, path, headers=self.said | (headers or {}), **more)
        place = f"{method} {_ODD.sub('odd', _ID.sub('{id}', response.url.path))}"
        self.seen.add((place, response.status_code))
        self.net.catch(f"answer {place}", response.headers.multi_items(), response.text)
        return response

    async def start(self, provider: str | None = None, app: str = "shop", **body) -> httpx.Response:
        """Ask for a session, by default with an offer."""
        given = {"provider": provider, "session": self.session, "sdp": self.sdp} | body
        response = await self.ask("/v1/sessions", self.key(app), given)
        self.take(response)
        return response

    def take(self, ticket: httpx.Response) -> None:
        """Take note of a secret that was handed out."""
        if token := ticket.json().get("token"):
            self.handed_out.add(self.net.know("ephemeral secret handed out", token))

    async def tell(self, response: httpx.Response, step: str, app: str, **body) -> httpx.Response:
        """Ask for the next step of a session that was started."""
        return await self.ask(f"{response.headers['location']}/{step}", self.key(app), body)

    async def ticket(self) -> str:
        """Ask for a session by one WebSocket; returns the address."""
        answer = await self.ask("/api/voice-agent", self.cookie, {})
        assert answer.status_code == 200, answer.text
        return self.net.know("ticket", answer.json()["client_secret"]["value"])

    async def open(self, address: str) -> ClientConnection | int:
        """Open a socket; returns the status where it is refused."""
        headers = {name: value for name, value in self.said.items() if name != "User-Agent"}
        try:
            return await connect(
                f"{address}&{self.query}",
                origin=PAGE,
                additional_headers=headers | {"Cookie": self.cookie["Cookie"]},
                user_agent_header=self.said["User-Agent"],
                proxy=None,
                logger=SILENT,
                local_addr=(ADDRESS, 0),
            )
        except InvalidStatus as error:
            self.net.catch(
                "answer socket", list(error.response.headers.raw_items()), error.response.body or b""
            )
            return error.response.status_code

    async def say(self, page: ClientConnection, message: str | bytes, as_text: bool | None = None) -> None:
        """Send text or bytes, or bytes as though they were text; a socket that is closed hears nothing."""
        with suppress(ConnectionClosed):
            await page.send(message, text=as_text)

    async def hear(self, page: ClientConnection, until: str) -> None:
        """Take what comes on a socket until an event of this type, or its end."""
        try:
            async for message in page:
                self.net.catch("socket", message)
                if json.loads(message)["type"] == until:
                    return
        except ConnectionClosed as error:
            self.net.catch("socket", str(error))
