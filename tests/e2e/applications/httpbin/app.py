"""httpbin as Debian has it."""

from httpbin import app

__all__ = ["app"]
