"""hashlib.pbkdf2_hmac, which CPython has from OpenSSL alone, over the HMAC that is built in.

Django hashes passwords with it unless told otherwise. A million rounds of SHA-256 take about 1.5 s, five times OpenSSL's.
"""

import _hmac


def pbkdf2_hmac(hash_name, password, salt, iterations, dklen=None):
    """Derive a key from a password (RFC 8018); see hashlib's documentation."""
    if not isinstance(hash_name, str):
        raise TypeError(f"pbkdf2_hmac() argument 'hash_name' must be str, not {type(hash_name).__name__}")
    try:
        start = _hmac.new(bytes(memoryview(password)), digestmod=hash_name.lower())
    except ValueError:
        raise ValueError(f"unsupported hash type {hash_name}") from None
    if iterations < 1:
        raise ValueError("iteration value must be greater than 0.")
    if dklen is None:
        dklen = start.digest_size
    if dklen < 1:
        raise ValueError("key length must be greater than 0.")
    salt = bytes(memoryview(salt))
    blocks = -(-dklen // start.digest_size)
    return b"".join(_block(start, salt + i.to_bytes(4), iterations) for i in range(1, blocks + 1))[:dklen]


def _block(start, message, iterations, number=int.from_bytes):
    """One block of the key: the exclusive or of so many HMACs, each that of the one before it."""
    copy = start.copy
    key = 0
    for _ in range(iterations):
        code = copy()
        code.update(message)
        message = code.digest()
        key ^= number(message)
    return key.to_bytes(start.digest_size)
