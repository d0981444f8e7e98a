"""Bodies that a server has coded, decoded by zlib and libzstd as they come.

    decoder = Decoder("zstd")
    decoder.take(b"...")      # all that can be read of it so far
    decoder.ended
"""

import ctypes
import zlib

CODINGS = ["gzip", "zstd"]
_ROOM = 1 << 17  # bytes


class _Buffer(ctypes.Structure):
    _fields_ = [("data", ctypes.c_void_p), ("size", ctypes.c_size_t), ("position", ctypes.c_size_t)]


def _library():
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_createDCtx.restype = ctypes.c_void_p
    library.ZSTD_decompressStream.restype = ctypes.c_size_t
    library.ZSTD_decompressStream.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer)]
    library.ZSTD_freeDCtx.argtypes = [ctypes.c_void_p]
    return library


class _Zstd:
    """A zlib.decompressobj for zstd."""

    def __init__(self):
        self._library = _library()
        self._context = self._library.ZSTD_createDCtx()
        self.eof = False

    def __del__(self):
        self._library.ZSTD_freeDCtx(self._context)

    def decompress(self, data):
        parts = []
        room = ctypes.create_string_buffer(_ROOM)
        source = ctypes.create_string_buffer(data, len(data) + 1)
        given = _Buffer(ctypes.cast(source, ctypes.c_void_p), len(data), 0)
        full = False
        while given.position < given.size or full:
            assert not self.eof, "there is more behind the end of the frame"
            taken = _Buffer(ctypes.cast(room, ctypes.c_void_p), _ROOM, 0)
            left = self._library.ZSTD_decompressStream(self._context, ctypes.byref(taken), ctypes.byref(given))
            assert not self._library.ZSTD_isError(ctypes.c_size_t(left)), "this is no zstd"
            parts.append(room.raw[:taken.position])
            self.eof = left == 0
            full = taken.position == _ROOM and not self.eof
        return b"".join(parts)


class Decoder:
    """Of one body."""

    def __init__(self, coding):
        self._decoder = zlib.decompressobj(31) if coding == "gzip" else _Zstd()

    def take(self, data):
        """What can be read, with this piece of the coded body."""
        return self._decoder.decompress(data)

    @property
    def ended(self):
        return self._decoder.eof


def decoded(answer):
    """The body of an answer, whole, as its Content-Encoding says."""
    coding = answer.get("Content-Encoding")
    if coding is None:
        return answer.body
    decoder = Decoder(coding)
    body = decoder.take(answer.body)
    assert decoder.ended, "the coded body has no end"
    return body
