"""Where limpet decides otherwise than OpenSSL, on purpose: of which case, what it answers, and why."""

import dataclasses

DECIDED = ("decision", "stage", "class", "verify_code", "alert")


@dataclasses.dataclass
class Deviation:
    """differs: what limpet answers and an ordinary Python does not; same: what is the same all the same."""

    reason: str
    differs: dict
    same: tuple = DECIDED


DEVIATIONS = {}
