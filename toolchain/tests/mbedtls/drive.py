"""Runs the test server and its clients: drive.py SERVER-BINARY [NAME-OF-A-TEST...]. No pytest, so that the toolchain
can be tested before there is anything else."""

import inspect
import sys
import tempfile
import traceback
from pathlib import Path

import test_buffers
import test_key_update
import test_ocsp
import test_sessions
from peer import make_certificates

MODULES = [test_buffers, test_ocsp, test_key_update, test_sessions]


def tests() -> list[tuple[str, object]]:
    found = []
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if not name.startswith("test_"):
                continue
            versions = getattr(function, "versions", ())
            found += [(f"{name}[{version}]", function, (version,)) for version in versions] or [(name, function, ())]
    return found


def main() -> int:
    binary, chosen = Path(sys.argv[1]).resolve(), sys.argv[2:]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_certificates(folder)
        for label, function, arguments in tests():
            if chosen and not any(label.startswith(part) for part in chosen):
                continue
            try:
                function(binary, folder, *arguments)
                passed += 1
            except Exception:  # one that fails does not keep the others from running
                failed += 1
                print(f"FAILED {label}")
                traceback.print_exc(file=sys.stdout)
    print(f"mbedtls protocol: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
