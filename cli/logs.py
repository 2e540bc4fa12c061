"""The log of a server: lines of text, or an object of JSON a line."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Literal

import ujson

LogFormat = Literal["text", "json"]

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Json(logging.Formatter):
    """What a record says in members; `fields`, where a record has them, are members of their own."""

    def format(self, record: logging.LogRecord) -> str:
        members = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        fields = getattr(record, "fields", None)
        members |= {"message": record.getMessage()} if fields is None else fields
        if record.exc_info:
            members["exception"] = self.formatException(record.exc_info)
        return ujson.dumps(members, ensure_ascii=False, escape_forward_slashes=False)


def log_to_stderr(level: str, form: LogFormat) -> None:
    """Begin the log of this process."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler])
