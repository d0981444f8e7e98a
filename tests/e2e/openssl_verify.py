"""What OpenSSL says of a chain: its X509_verify_cert, set up as its own TLS does, by ctypes."""

import ctypes
import ctypes.util

_LIBRARY = ctypes.CDLL(ctypes.util.find_library("crypto") or "libcrypto.so.3")


def _function(name, *arguments, result=ctypes.c_void_p):
    function = getattr(_LIBRARY, name)
    function.argtypes, function.restype = arguments, result
    return function


_P, _I, _L, _S = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p
_store_new = _function("X509_STORE_new")
_store_free = _function("X509_STORE_free", _P, result=None)
_store_load_file = _function("X509_STORE_load_file", _P, _S, result=_I)
_store_load_path = _function("X509_STORE_load_path", _P, _S, result=_I)
_d2i = _function("d2i_X509", _P, _P, _L)
_x509_free = _function("X509_free", _P, result=None)
_stack_new = _function("OPENSSL_sk_new_null")
_stack_push = _function("OPENSSL_sk_push", _P, _P, result=_I)
_stack_num = _function("OPENSSL_sk_num", _P, result=_I)
_stack_free = _function("OPENSSL_sk_free", _P, result=None)
_context_new = _function("X509_STORE_CTX_new")
_context_free = _function("X509_STORE_CTX_free", _P, result=None)
_context_init = _function("X509_STORE_CTX_init", _P, _P, _P, _P, result=_I)
_context_default = _function("X509_STORE_CTX_set_default", _P, _S, result=_I)
_context_parameters = _function("X509_STORE_CTX_get0_param", _P)
_context_error = _function("X509_STORE_CTX_get_error", _P, result=_I)
_context_depth = _function("X509_STORE_CTX_get_error_depth", _P, result=_I)
_context_chain = _function("X509_STORE_CTX_get0_chain", _P)
_verify = _function("X509_verify_cert", _P, result=_I)
_set_level = _function("X509_VERIFY_PARAM_set_auth_level", _P, _I, result=None)
_set_flags = _function("X509_VERIFY_PARAM_set_flags", _P, ctypes.c_ulong, result=_I)
_set_time = _function("X509_VERIFY_PARAM_set_time", _P, ctypes.c_int64, result=None)
_set_host = _function("X509_VERIFY_PARAM_set1_host", _P, _S, ctypes.c_size_t, result=_I)
_set_address = _function("X509_VERIFY_PARAM_set1_ip_asc", _P, _S, result=_I)
_set_host_flags = _function("X509_VERIFY_PARAM_set_hostflags", _P, ctypes.c_uint, result=None)
_text = _function("X509_verify_cert_error_string", _L, result=_S)
_clear = _function("ERR_clear_error", result=None)

_number = _function("OpenSSL_version_num", result=ctypes.c_ulong)()
VERSION = _number >> 28 & 0xf, _number >> 20 & 0xff, _number >> 4 & 0xffff


def text(code):
    return _text(code).decode()


def _read(der):
    buffer = ctypes.create_string_buffer(der, len(der))
    pointer = ctypes.c_void_p(ctypes.addressof(buffer))
    certificate = _d2i(None, ctypes.byref(pointer), len(der))
    return certificate


def verify(chain, *, trust=None, folder=None, flags=0, level=0, host=None, host_flags=0, now, client=False):
    """(code, depth, how many are in the path): chain as DER, the peer's own first; trust: a PEM file.
    None: OpenSSL does not take one of the certificates."""
    certificates = [_read(der) for der in chain]
    if not all(certificates):
        for certificate in filter(None, certificates):
            _x509_free(certificate)
        _clear()
        return None
    store, stack, context = _store_new(), _stack_new(), _context_new()
    try:
        if trust is not None:
            assert _store_load_file(store, str(trust).encode()) == 1, f"{trust}: OpenSSL does not take this"
        if folder is not None:
            assert _store_load_path(store, str(folder).encode()) == 1
        for certificate in certificates:
            _stack_push(stack, certificate)
        assert _context_init(context, store, certificates[0], stack) == 1
        parameters = _context_parameters(context)
        _set_level(parameters, level)
        _context_default(context, b"ssl_client" if client else b"ssl_server")
        _set_flags(parameters, flags)
        _set_time(parameters, now)
        _set_host_flags(parameters, host_flags)
        if host is not None and not _set_address(parameters, host.encode()):
            assert _set_host(parameters, host.encode(), 0) == 1
        good = _verify(context) == 1
        code = _context_error(context)
        assert good == (code == 0)
        path = _context_chain(context)
        return code, _context_depth(context) if code else 0, _stack_num(path)
    finally:
        _context_free(context)
        _stack_free(stack)
        for certificate in certificates:
            _x509_free(certificate)
        _store_free(store)
        _clear()
