"""Reading averages: conditions, ranges and waiting."""

import json
import threading

import pytest

from harness import HTTP2, PATIENCE, SAFETENSORS, Request, eventually, wait_until_read
from models import assert_same, decode
from ordinary import EXPECTED, UNIFORM
from ordinary import ORDINARY as MODEL


# Reading: conditions and ranges.
def test_an_etag_names_incarnation_revision_format_and_type(session):
    answer, state = session.average(), session.state()
    assert answer["ETag"] == f'"{state["incarnation"]}-2-safetensors-stored"' or \
        answer["ETag"].startswith(f'"{state["incarnation"]}-2-safetensors-')
    assert answer["Content-Type"] == SAFETENSORS
    assert answer["Polyak-Revision"] == "2" and answer["Polyak-Average-Counter"] == "2"
    assert_same(answer.model(), EXPECTED)
    _, metadata = decode(answer.body)
    assert all(isinstance(value, str) for value in metadata.values())
    assert metadata["session"] == session.name and metadata["average"] == "main"
    assert metadata["revision"] == "2"


def test_an_etag_stays_while_the_average_does(session):
    etag = session.average()["ETag"]
    assert session.report(1, 1).status == 200
    assert session.average()["ETag"] == etag, "a report changes no tensor"
    session.fold(MODEL)
    assert session.average()["ETag"] != etag


@pytest.mark.parametrize("form", ["{etag}", 'W/{etag}', '"x", {etag}', "*"])
def test_if_none_match_answers_304(session, form):
    etag = session.average()["ETag"]
    answer = session.average(headers={"If-None-Match": form.format(etag=etag)})
    assert (answer.status, answer.body, answer["ETag"]) == (304, b"", etag)
    assert session.average(headers={"If-None-Match": '"other"'}).status == 200


def test_if_match_answers_412_unless_it_is_the_same(session):
    etag = session.average()["ETag"]
    for form in (etag, f'"x", {etag}', "*"):
        assert session.average(headers={"If-Match": form}).status == 200
    for form in ('"x"', "W/" + etag):
        session.average(headers={"If-Match": form}).problem(412, "precondition-failed")


def test_head_tells_what_get_would(session, client):
    for path in ("averages/main", "averages/main/tensors/bias", ""):
        target = f"{session.path}/{path}".rstrip("/")
        got, head = client.get(target), client.request("HEAD", target)
        assert head.status == 200 and head.body == b""
        for field in ("Content-Length", "Content-Type", "ETag", "Polyak-Revision"):
            assert head[field] == got[field], field
        assert int(head["Content-Length"]) == len(got.body)


def ranges(length):
    return [("0-0", 0, 1), ("0-7", 0, 8), ("8-", 8, length), ("-5", length - 5, length),
            (f"{length - 1}-", length - 1, length), (f"0-{length * 2}", 0, length),
            (f"-{length * 2}", 0, length), (f"3-{length - 2}", 3, length - 1)]


@pytest.mark.parametrize("what,headers", [
    ("averages/main", {}), ("averages/main?dtype=F16", {}), ("averages/main/tensors/bias", {}),
    ("averages/main/tensors/bias", {"Accept": "application/octet-stream"})])
def test_one_range_is_206(session, client, what, headers):
    path = f"{session.path}/{what}"
    whole = client.get(path, headers)
    assert whole["Accept-Ranges"] == "bytes"
    for text, begin, end in ranges(len(whole.body)):
        answer = client.get(path, {**headers, "Range": f"bytes={text}"})
        assert answer.status == 206, (text, answer)
        assert answer.body == whole.body[begin:end], text
        assert answer["Content-Range"] == f"bytes {begin}-{end - 1}/{len(whole.body)}"
        assert answer["ETag"] == whole["ETag"]
    for text in (f"{len(whole.body)}-", "-0"):
        answer = client.get(path, {**headers, "Range": f"bytes={text}"})
        assert answer.status == 416 and answer["Content-Range"] == f"bytes */{len(whole.body)}"
    for text in ("bytes=0-1,4-5", "items=0-1", "bytes=5-2", "bytes=x-", "bytes=-"):
        answer = client.get(path, {**headers, "Range": text})
        assert (answer.status, answer.body) == (200, whole.body), text


def test_if_range_gives_the_part_only_of_the_same_revision(session):
    whole = session.average()
    part = {"Range": "bytes=0-7"}
    assert session.average(headers={**part, "If-Range": whole["ETag"]}).status == 206
    for other in ('"x"', "W/" + whole["ETag"], "Sun, 06 Nov 1994 08:49:37 GMT"):
        answer = session.average(headers={**part, "If-Range": other})
        assert (answer.status, answer.body) == (200, whole.body)


def test_a_header_is_read_by_two_range_requests_and_keeps_its_length(session):
    lengths = set()
    for _ in range(12):
        first = session.average(headers={"Range": "bytes=0-7"})
        length = int.from_bytes(first.body, "little")
        answer = session.average(headers={"Range": f"bytes=8-{length + 7}"})
        header = json.loads(answer.body)
        assert set(header) - {"__metadata__"} == set(MODEL)
        lengths.add(length)
        session.fold(MODEL)
    assert len(lengths) == 1


def test_a_range_does_not_change_a_304(session):
    etag = session.average()["ETag"]
    answer = session.average(headers={"Range": "bytes=0-7", "If-None-Match": etag})
    assert answer.status == 304


# Reading: waiting.
def wait_for(session, etag, seconds=60):
    return {"If-None-Match": etag, "Prefer": f"wait={seconds}"}


def test_a_long_poll_is_woken_by_an_upload(service, session):
    etag = session.average()["ETag"]
    with service.wire() as wire:
        wire.open(Request("GET", f"{session.path}/averages/main", b"",
                          f"If-None-Match: {etag}", "Prefer: wait=60"))
        session.fold(MODEL)
        answer = wire.answer()
        assert answer.status == 200 and answer["Polyak-Revision"] == "3"
        assert answer["ETag"] != etag and decode(answer.body)


def test_a_long_poll_without_news_ends_with_304(session):
    etag = session.average()["ETag"]
    answer = session.average(headers=wait_for(session, etag, 1))
    assert answer.status == 304 and answer["ETag"] == etag


def test_many_long_polls_are_all_woken(service, session):
    etag, found = session.average()["ETag"], []

    def poll():
        with service.client() as mine:
            answer = mine.get(f"{session.path}/averages/main", wait_for(session, etag))
            found.append(answer["Polyak-Revision"])

    threads = [threading.Thread(target=poll) for _ in range(20)]
    for thread in threads:
        thread.start()
    session.fold(MODEL)
    for thread in threads:
        thread.join(PATIENCE)
    assert found == ["3"] * 20


def test_a_long_poll_waits_for_the_beginning_of_averaging_in_vain_without_an_etag(client):
    with client.session({"strategy": "nta", "epochs": 9}) as session:
        session.average(headers={"Prefer": "wait=20"}).problem(404, "averaging-not-started")


def test_sigterm_ends_a_long_poll(start_service):
    service = start_service()
    with service.client() as client:
        session = client.session(UNIFORM)
        session.fold(MODEL)
        etag = session.average()["ETag"]
        with service.wire() as wire:
            wire.open(Request("GET", f"{session.path}/averages/main", b"",
                              f"If-None-Match: {etag}", "Prefer: wait=60"))
            # Else it may be closed as a connection without a request.
            wait_until_read(wire.socket)
            service.process.terminate()
            assert wire.answer().status in (304, 503)
    assert service.process.wait(PATIENCE) == 0


def long_poll(session, etag, seconds=60):
    return Request("GET", f"{session.path}/averages/main", b"", f"If-None-Match: {etag}",
                   f"Prefer: wait={seconds}")


def is_taken(service, session, etag):
    """Whether the only place for a long poll is taken; free, it is taken for a second."""
    with service.wire() as wire:
        answer = wire.ask(long_poll(session, etag, 1))
    assert answer.status == 304 or answer.problem(429, "quota-exceeded")
    return answer.status == 429


def waiting(service, session, etag):
    """A connection whose long poll has taken the place, which is free."""
    wire = service.wire()
    wire.open(long_poll(session, etag))
    wait_until_read(wire.socket)

    def has_place():
        if wire.is_answered:
            # The one that looks had come before it, or its time is over.
            assert wire.answer().status in (304, 429)
            wire.open(long_poll(session, etag))
        return is_taken(service, session, etag)

    eventually(has_place, "nobody waits")
    return wire


LEAVING = {
    "connection reset": lambda wire: wire.reset(),
    "half closed, then reset": lambda wire: (wire.finish(), wire.reset()),
    **({"stream reset": lambda wire: wire.cancel()} if HTTP2 else {}),
}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_a_client_that_has_gone_gives_its_place_back(start_service, leave):
    """Else the place would be taken for the 60 s that its long poll asked for."""
    service = start_service("--waiters", 1)
    with service.client() as client, client.session(UNIFORM) as session:
        session.fold(MODEL)
        etag = session.average()["ETag"]
        for _ in range(3):
            gone = waiting(service, session, etag)
            leave(gone)
            eventually(lambda: not is_taken(service, session, etag), "the place is taken",
                       seconds=30)
            gone.close()
        with waiting(service, session, etag) as wire:
            session.fold(MODEL)
            assert wire.answer()["Polyak-Revision"] == "2"


def test_a_client_that_has_said_all_it_says_still_gets_its_answer(service, session):
    etag = session.average()["ETag"]
    with service.wire() as wire:
        wire.open(long_poll(session, etag))
        wait_until_read(wire.socket)
        wire.finish()
        session.fold(MODEL)
        assert wire.answer()["Polyak-Revision"] == "3"
