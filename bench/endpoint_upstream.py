"""The voice service's stand-in, a process of its own: answers offers after a delay, takes hang-ups, shows proofs.

    python endpoint_upstream.py DELAY_SECONDS

Prints its port. Raw asyncio, so that it costs far less than what is measured.
"""

import asyncio
import base64
import hashlib
import itertools
import json
import sys

ANSWER = (
    b"v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + b"a=fmtp:111 minptime=10;useinbandfec=1\r\n" * 40
)
EVENT = json.dumps(
    {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "item_1"}
).encode()
SECRET = json.dumps(
    {"id": "sess_1", "client_secret": {"value": "ek_bench", "expires_at": 4102444800}}
).encode()
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

calls = itertools.count()


async def serve(delay: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            await reader.readexactly(int(fields.get(b"content-length", 0)))
            path = head.split(b" ", 2)[1]
            if b"upgrade" in fields:
                await show_proof(head, reader, writer)
                return
            if path.endswith(b"/hangup"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                continue
            await asyncio.sleep(delay)
            kind, body = (
                (b"application/sdp", ANSWER) if path.endswith(b"/calls") else (b"application/json", SECRET)
            )
            location = b"/v1/realtime/calls/rtc_%d" % next(calls)
            lines = (b"HTTP/1.1 201 Created", b"Content-Type: " + kind, b"Location: " + location)
            writer.write(b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body)))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def show_proof(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tell an observer that the caller speaks, and close with it (RFC 6455)."""
    key = next(
        line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    writer.write(b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n\x81" + bytes([len(EVENT)]) + EVENT)
    await reader.read(64)
    writer.write(b"\x88\x02\x03\xe8")


async def main() -> None:
    """Serve until standard input closes."""
    delay = float(sys.argv[1])
    server = await asyncio.start_server(lambda *streams: serve(delay, *streams), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
