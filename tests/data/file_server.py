"""A real HTTP server on loopback that serves one file, well or badly."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves the same bytes under every path, and remembers what it was asked for.

    Args:
        content: The file.
        breaks_off_after: In the first answer, hang up after that many bytes.
        knows_ranges: Whether a Range header is honoured.
        says_length: Whether answers carry a Content-Length.
        status: Answer only this, when it is not 200.
        tags: Headers that tell the version of the file, such as ETag.
        minds_if_range: Whether an If-Range header is honoured.
    """

    def __init__(
        self,
        content: bytes,
        *,
        breaks_off_after: int | None = None,
        knows_ranges: bool = True,
        says_length: bool = True,
        status: int = 200,
        tags: dict[str, str] | None = None,
        minds_if_range: bool = True,
    ) -> None:
        self.content, self.status = content, status
        self.breaks_off_after, self.knows_ranges = breaks_off_after, knows_ranges
        self.says_length = says_length
        self.ranges: list[str | None] = []  # the Range header of each request
        self.tags, self.minds_if_range = tags or {}, minds_if_range
        self.if_ranges: list[str | None] = []  # the If-Range header of each request
        self.url = ""

    @contextlib.contextmanager
    def running(self, path: str = "photos.zip") -> Iterator[FileServer]:
        """Listen on a free port until the block ends."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.answer(self)

            def log_message(self, *words: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_port}/{path}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.ranges.append(wanted)
        request.close_connection = True
        if self.status != 200:
            request.send_error(self.status)
            return
        known = request.headers.get("If-Range")
        self.if_ranges.append(known)
        if known and self.minds_if_range and known not in self.tags.values():
            wanted = None  # another version than the one asked for
        start = int(re.sub(r"\D", "", wanted)) if wanted and self.knows_ranges else 0
        if start >= len(self.content) and start:
            request.send_error(416)
            return
        body = self.content[start:]
        request.send_response(206 if start else 200)
        if self.says_length:
            request.send_header("Content-Length", str(len(body)))
        for name, value in self.tags.items():
            request.send_header(name, value)
        request.end_headers()
        if self.breaks_off_after is not None:
            body, self.breaks_off_after = body[: self.breaks_off_after], None
        with contextlib.suppress(ConnectionError):
            request.wfile.write(body)
