"""The floor that GetItem is measured against: httptools, asyncio and apsw, and nothing else.

It parses the request as HTTP and JSON, reads one row by Alt's key for it from a SQLite file
that Alt wrote, and answers the row's text. Nothing is validated.
"""

from __future__ import annotations

import asyncio
import sys

import apsw
import httptools
import ujson
import uvloop

from alt.storage.model.keys import row_key


class Bare(asyncio.Protocol):
    def __init__(self, cursor: apsw.Cursor) -> None:
        self.cursor = cursor
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        key = ujson.loads(self.body)["Key"]
        self.body = b""
        pk, sk = key["pk"]["S"], key["sk"]["S"]
        item = self.cursor.execute(
            "SELECT CAST(item AS BLOB) FROM item WHERE slot = ? AND pk = ? AND sk = ?",
            row_key(pk, sk),
        ).get
        answer = b'{"Item":%b}' % item
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%b"
            % (len(answer), answer)
        )


async def main(path: str, port: int) -> None:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)
    cursor = connection.cursor()
    cursor.execute("PRAGMA mmap_size = 1073741824")
    server = await asyncio.get_running_loop().create_server(lambda: Bare(cursor), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
