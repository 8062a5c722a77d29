"""The waiting room: so many at once, the others in their order."""

import random
import threading
import time

import pytest

from rag.errors import InputError
from rag.page.waiting import BusyError, WaitingRoom


def test_as_many_as_there_are_places_go_at_once():
    room = WaitingRoom(places=2, most=5)
    first, second, third = room.enter(), room.enter(), room.enter()
    assert (first.wait(0), second.wait(0), third.wait(0)) == (True, True, False)
    assert len(room._queue) == 1


def test_each_knows_how_many_are_before_it_and_they_go_in_their_order():
    room = WaitingRoom(places=1, most=5)
    inside, *waiting = (room.enter() for _ in range(4))
    assert [ticket.ahead for ticket in (inside, *waiting)] == [0, 0, 1, 2]
    inside.close()
    assert [ticket.wait(0) for ticket in waiting] == [True, False, False]
    assert [ticket.ahead for ticket in waiting] == [0, 0, 1]


def test_one_who_leaves_the_queue_lets_the_others_up():
    room = WaitingRoom(places=1, most=5)
    inside, first, second = room.enter(), room.enter(), room.enter()
    first.close()
    assert (second.ahead, len(room._queue)) == (0, 1)
    inside.close()
    assert second.wait(0)
    assert not first.wait(0)


def test_closing_twice_gives_one_place_only():
    room = WaitingRoom(places=1, most=5)
    inside, first, second = room.enter(), room.enter(), room.enter()
    inside.close()
    inside.close()
    assert (first.wait(0), second.wait(0)) == (True, False)


def test_a_ticket_closed_in_the_queue_never_goes_and_takes_no_place():
    room = WaitingRoom(places=1, most=1)
    inside = room.enter()
    for _ in range(3):
        with room.enter() as waiting:
            assert not waiting.wait(0)
    inside.close()
    with room.enter() as ticket:
        assert ticket.wait(0)


def test_where_too_many_wait_the_next_is_told_so_in_both_languages():
    room = WaitingRoom(places=1, most=2)
    kept = [room.enter() for _ in range(3)]
    with pytest.raises(BusyError, match="2 are waiting already") as raised:
        room.enter()
    assert "已有 2 个问题在等待" in raised.value.said("zh")
    assert isinstance(raised.value, InputError)
    kept[1].close()
    assert room.enter().ahead == 1


def test_a_room_without_a_place_is_refused():
    with pytest.raises(InputError, match="needs a place"):
        WaitingRoom(places=0, most=3)


def test_the_next_wakes_as_soon_as_a_place_is_left():
    room = WaitingRoom(places=1, most=1)
    inside, waiting = room.enter(), room.enter()
    threading.Timer(0.05, inside.close).start()
    began = time.monotonic()
    assert waiting.wait(5)
    assert time.monotonic() - began < 2


def test_an_error_gives_the_place_back():
    room = WaitingRoom(places=1, most=0)
    with pytest.raises(ZeroDivisionError), room.enter():
        _ = 1 / 0
    assert room.enter().wait(0)


def test_many_threads_never_exceed_the_places_and_all_get_in_or_are_told():
    room = WaitingRoom(places=3, most=20)
    lock = threading.Lock()
    now, highest, served, left, refused = 0, 0, 0, 0, 0

    def visit(seed: int) -> None:
        nonlocal now, highest, served, left, refused
        chance = random.Random(seed)
        for _ in range(30):
            try:
                ticket = room.enter()
            except BusyError:
                with lock:
                    refused += 1
                continue
            with ticket:
                if not ticket.wait(chance.choice((0, 0.0005, 5))):
                    with lock:
                        left += 1
                    continue
                with lock:
                    now += 1
                    highest = max(highest, now)
                time.sleep(chance.random() / 2000)
                with lock:
                    now -= 1
                    served += 1
                if chance.random() < 0.5:
                    ticket.close()

    threads = [threading.Thread(target=visit, args=(seed,)) for seed in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert (now, len(room._queue)) == (0, 0)
    assert highest == 3
    assert served + left + refused == 900
    assert min(served, left, refused) > 0
    free = [room.enter() for _ in range(3)]
    assert all(ticket.wait(0) for ticket in free)
    assert not room.enter().wait(0)
