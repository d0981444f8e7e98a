"""Whom Python trusts by default, and whether that is enough for a server."""

import json
import ssl

import common

context = ssl.create_default_context()
counts = context.cert_store_stats()
loaded = len(context.get_ca_certs())
answer = common.failure(common.connect_by_default) if common.URL else None
paths = ssl.get_default_verify_paths()._asdict()
print(json.dumps({"counts": counts, "loaded": loaded, "failure": answer, "paths": paths}))
