"""Server-sent events (WHATWG HTML, section 9.2): lines in, events out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Optional

from ._errors import Unavailable

#: Longest event, in bytes. A line of a history has a few hundred.
MAX_EVENT_BYTES = 64 * 1024


@dataclass(frozen=True)
class Event:
    """Something happened to a job."""

    #: Its number; a stream is taken up again after it.
    id: Optional[str]
    #: What happened, such as ``job_accepted``.
    name: str
    #: More about it, as JSON.
    data: str


def events(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events in lines that end with a line feed. An event without data is none."""
    name, size = "", 0
    data: list[str] = []
    last_id: Optional[str] = None
    for raw in lines:
        size += len(raw)
        if size > MAX_EVENT_BYTES:
            raise Unavailable(f"an event has more than {MAX_EVENT_BYTES} bytes")
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            if data:
                yield Event(last_id, name, "\n".join(data))
            name, data, size = "", [], 0
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id" and "\0" not in value:
            last_id = value
