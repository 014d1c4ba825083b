"""Decoding of chunked bodies as they arrive."""

from __future__ import annotations

import itertools

import pytest
from gunicorn.config import Config
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from hypothesis import given, settings
from hypothesis import strategies as st

from urfmp.servers.gunicorn.chunks import ChunkDecoder
from urfmp.servers.gunicorn.incoming import BodyTooLargeError, IncomingRequest
from urfmp.servers.gunicorn.limits import Limits

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\nX-Kept: yes\r\n\r\n"

pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=12)
LIMITS = Limits()
ENDS = st.sampled_from([b"\r\n", b"Expires: never\r\n\r\n", b"A: b\r\nC: d\r\n\r\n"])
EXTENSIONS = st.sampled_from([b"", b";a=b", b' ; a="b\\"c"', b";a"])


def encode(parts: list[bytes], extension: bytes = b"", end: bytes = b"\r\n") -> bytes:
    chunks = b"".join(b"%X%s\r\n%s\r\n" % (len(part), extension, part) for part in parts)
    return chunks + b"0" + extension + b"\r\n" + end


def split(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[one:two] for one, two in itertools.pairwise(bounds)]


def decode(arriving: list[bytes]) -> tuple[bytes, ChunkDecoder]:
    body = bytearray()
    decoder = ChunkDecoder(body.extend)
    surplus = b""
    for data in arriving:
        if decoder.is_complete:
            surplus += data
        else:
            decoder.feed(data)
    decoder.surplus += surplus
    return bytes(body), decoder


@settings(max_examples=300, deadline=None)
@given(
    pieces, EXTENSIONS, ENDS, st.lists(st.integers(0, 10_000), max_size=8), st.binary(max_size=9)
)
def test_decoder_joins_chunks_however_they_arrive(parts, extension, end, places, next_request):
    sent = encode(parts, extension, end) + next_request
    body, decoder = decode(split(sent, places))
    assert decoder.is_complete
    assert (body, decoder.surplus) == (b"".join(parts), next_request)


def reference(sent: bytes) -> bytes | None:
    """Return the body as gunicorn's own reader decodes it; None if it is invalid."""
    request = Request(Config(), IterUnreader([CHUNKED]), ("127.0.0.1", 1))
    try:
        return ChunkedReader(request, IterUnreader([sent])).read(1_000_000)
    except (ParseException, OSError):
        return None


@settings(max_examples=500, deadline=None)
@given(
    pieces,
    EXTENSIONS,
    st.integers(0, 500),
    st.sampled_from([b"", b"\r", b"\n", b"\0", b"x", b"-", b"+", b"0x", b" ", b"_", b";", b"ff"]),
    st.integers(0, 3),
    st.lists(st.integers(0, 1_000), max_size=4),
)
def test_damaged_encoding_is_judged_as_by_gunicorn(
    parts, extension, place, inserted, removed, places
):
    sent = encode(parts, extension)
    place %= len(sent) + 1
    sent = sent[:place] + inserted + sent[place + removed :]
    expected = reference(sent)
    try:
        body, decoder = decode(split(sent, places))
    except ParseException:
        assert expected is None
        return
    # An incomplete body waits for its end; gunicorn's reader has seen the end of the connection.
    assert (body if decoder.is_complete else None) == expected


def receive(sent: bytes, step: int = 10_000, limits: Limits = LIMITS) -> IncomingRequest:
    incoming = IncomingRequest(Config(), limits, ("127.0.0.1", 1), 1)
    for start in range(0, len(sent), step):
        incoming.feed(sent[start : start + step])
    return incoming


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_application_sees_a_body_of_known_length(step):
    sent = CHUNKED + encode([b"one,", b"two"], end=b"Expires: x\r\n\r\n") + b"GET /"
    end = len(sent) - len(b"GET /")
    incoming = receive(sent[:end], step)
    assert incoming.is_complete
    headers = dict(incoming.request.headers)
    assert headers == {"HOST": "a", "X-KEPT": "yes", "CONTENT-LENGTH": "7"}
    assert incoming.request.body.read() == b"one,two"
    assert receive(sent).surplus == b"GET /"


@pytest.mark.parametrize("size", [1, 16, 4096, 65_536])
def test_chunks_of_any_usual_size_are_accepted(size):
    count = 200_000 // size if size > 1 else 1_000
    incoming = receive(CHUNKED + encode([b"x" * size] * count))
    assert incoming.is_complete
    assert incoming.body.received == size * count


@pytest.mark.parametrize("kind", [b"application/json", b"multipart/form-data; boundary=x"])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_size_limit_is_the_same_for_both_framings(kind, is_chunked):
    limits = Limits(max_body_bytes=1_000, max_upload_bytes=2_000)
    limit = 2_000 if kind.startswith(b"multipart") else 1_000
    head = HEAD + b"Content-Type: " + kind + b"\r\n"

    def request(size: int) -> bytes:
        if is_chunked:
            return (
                head + b"Transfer-Encoding: chunked\r\n\r\n" + encode([b"x" * 100] * (size // 100))
            )
        return head + b"Content-Length: %d\r\n\r\n" % size + b"x" * size

    assert receive(request(limit), 64, limits).is_complete
    with pytest.raises(BodyTooLargeError):
        receive(request(limit + 100), 64, limits)


def test_expectation_is_answered_before_the_body_only():
    head = HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    waiting = receive(head)
    assert [waiting.continue_if_expected(), waiting.continue_if_expected()] == [True, False]
    assert not receive(head + b"ab").continue_if_expected()
    assert not receive(CHUNKED + encode([b"a"])).continue_if_expected()
