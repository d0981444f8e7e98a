"""Requests of the reactor's fuzzer, and many like them, to applications that look at all they are given: whatever comes, what
reaches Python is as the interface promises, the connection comes to its end, and the next client is answered.

What begins as a seed is changed at random, by numbers that are the same in every run.
"""

import pathlib
import random
import socket

import pytest
from server import is_sanitized

SEEDS = pathlib.Path(__file__).resolve().parents[1] / "fuzz/corpus/reactor"
APPLICATIONS = pathlib.Path(__file__).resolve().with_name("applications")
MUTANTS = 400 if is_sanitized() else 1000  # of each interface
LAST = b"\r\n\r\nGET /last HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"

# What makes a difference to who reads requests.
WORDS = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"%", b"%00", b"%2f", b"%zz", b"?", b"#", b"/", b"//", b"../", b"\xc3\xa9",
         b"\xff", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0", b"GET", b"post", b"Host: there\r\n", b"Content-Length: 3\r\n",
         b"Transfer-Encoding: chunked\r\n", b"Cookie: a=b\r\n", b"Cookie: c=d; e\r\n", b"X_Y: z\r\n", b"X-Y: z\r\n",
         b"Content-Type: text/\xe9\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"http://there/", b"*", b",", b";",
         b"Content-Length: 18446744073709551617\r\n", b"Proxy: http://evil/\r\n", b"a" * 5000]


def seeds():
    """What the fuzzer's seeds send: without what else their peers do."""
    for path in sorted(SEEDS.iterdir()):
        first, *others = path.read_bytes()[1:].split(b"\xff")
        yield first + b"".join(other[1:] for other in others)


def mutant(numbers, texts):
    """One of the texts, with a few changes."""
    text = bytearray(numbers.choice(texts))
    for _ in range(numbers.choice((0, 1, 1, 2, 3, 6))):
        at = numbers.randrange(len(text) + 1)
        end = at + numbers.choice((0, 0, 1, 2, 8))
        text[at:end] = numbers.choice((numbers.choice(WORDS), numbers.randbytes(1), b""))
    return bytes(text)


def exchange(port, text, cut):
    """All that is answered to a text, which is sent in two pieces."""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        answer = b""
        try:
            client.sendall(text[:cut])
            client.sendall(text[cut:])
            client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                answer += piece
        except OSError:
            pass  # refused before it was all sent
        return answer


@pytest.mark.parametrize("interface", ["wsgi", "asgi", "rsgi"])
def test_whatever_comes(serve, interface):
    numbers = random.Random(interface)
    texts = list(seeds())
    server = serve(f"suspicious:{interface}", "--interface", interface, "--workers", 1, "--working-dir", APPLICATIONS)
    before = server.workers()
    answered = 0
    for number in range(MUTANTS):
        text = (texts[number] if number < len(texts) else mutant(numbers, texts)) + LAST
        answer = exchange(server.port, text, numbers.randrange(len(text)))
        assert answer[:9] in (b"", b"HTTP/1.1 "), (text, answer)
        assert b"500 Doubtful" not in answer and b"500 Internal" not in answer, (text, answer)
        answered += b"HTTP/1.1 200" in answer
    assert answered > MUTANTS / 10
    with server.get("/last") as response:
        assert response.status == 200
    assert server.workers() == before
    assert "Traceback" not in server.log
