"""Waiting room: so many at once, the others in the order they came, and each knows how many are before it.

For threads: what answers a question waits here in its own thread, and can say meanwhile how long the queue is.
"""

import threading
from collections import deque
from types import TracebackType

from rag.errors import InputError


class BusyError(InputError):
    """So many wait already that nobody else is let in."""


class WaitingRoom:
    """Lets `places` in at once; up to `most` others wait, first come first served."""

    def __init__(self, places: int, most: int) -> None:
        """Open an empty room.

        Raises:
            InputError: There would be no place, or less than nobody could wait.
        """
        if places < 1 or most < 0:
            raise InputError(f"A waiting room needs a place and no debts; it was given {places} and {most}.")
        self.places = places
        self.most = most
        self._lock = threading.Lock()
        self._inside = 0
        self._queue: deque[Ticket] = deque()

    def enter(self) -> "Ticket":
        """Return a ticket, to be closed by whoever took it (`with room.enter() as ticket:`).

        Raises:
            BusyError: `most` wait already.
        """
        with self._lock:
            if self._inside < self.places:  # then nobody waits: a place that is left goes to the first of the queue
                self._inside += 1
                return Ticket(self, admitted=True)
            if len(self._queue) >= self.most:
                raise BusyError(
                    f"Too many questions at once: {len(self._queue)} are waiting already. Ask again in a minute.",
                    f"提问的人太多：已有 {len(self._queue)} 个问题在等待。请过一会儿再问。",
                )
            ticket = Ticket(self, admitted=False)
            self._queue.append(ticket)
            return ticket

    def _ahead(self, ticket: "Ticket") -> int:
        with self._lock:
            return self._queue.index(ticket) if ticket in self._queue else 0

    def _leave(self, ticket: "Ticket") -> None:
        with self._lock:
            if ticket._closed:
                return
            ticket._closed = True
            if not ticket._admitted.is_set():
                self._queue.remove(ticket)
            elif self._queue:
                self._queue.popleft()._admitted.set()  # takes the place that is left
            else:
                self._inside -= 1


class Ticket:
    """A place in the queue, and then in the room. Made by `WaitingRoom.enter`."""

    def __init__(self, room: WaitingRoom, admitted: bool) -> None:
        """Belong to a room, with a place in it or not yet."""
        self._room = room
        self._admitted = threading.Event()
        self._closed = False  # changed by the room, under its lock
        if admitted:
            self._admitted.set()

    @property
    def ahead(self) -> int:
        """How many wait before this one; 0 for the next one and for one that may go."""
        return self._room._ahead(self)

    def wait(self, seconds: float) -> bool:
        """Wait for a place, not longer than so many seconds; say whether there is one. False once it is closed."""
        return self._admitted.wait(seconds) and not self._closed

    def close(self) -> None:
        """Give the place, in the room or in the queue, to the next. Does nothing the second time."""
        self._room._leave(self)

    def __enter__(self) -> "Ticket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
