"""urllib3: pools, a proxy, TLS inside TLS."""

import concurrent.futures

import common
import urllib3
from common import URL, task

CA = common.file("root")


def manager(**options):
    options.setdefault("ca_certs", CA)
    return urllib3.PoolManager(retries=False, timeout=common.TIMEOUT_S, **options)


def fetch(url, **options):
    with manager(**options) as pool:
        return pool.request("GET", url).data.decode()


@task
def get():
    return common.seen(fetch(URL))["version"]


@task
def post():
    with manager() as pool:
        return pool.request("POST", URL + "/digest", body=common.UPLOAD).data.decode()


@task
def download():
    with manager() as pool:
        return common.digest(pool.request("GET", URL + "/large", preload_content=False).stream(50_000))


@task
def keep_alive():
    with manager() as pool:
        return common.connections(pool.request("GET", URL).data.decode() for _ in range(5))


@task
def versions():
    """The oldest and the newest that are allowed."""
    return [common.seen(fetch(URL, ssl_minimum_version=version, ssl_maximum_version=version))["version"]
            for version in (urllib3.util.ssl_.TLSVersion.TLSv1_2, urllib3.util.ssl_.TLSVersion.TLSv1_3)]


@task
def unknown_authority():
    return common.failure(fetch, URL, ca_certs=common.file("other"))


@task
def wrong_host():
    return common.failure(fetch, common.SETTINGS["wrong_host"])


@task
def other_name():
    """The pool is told which name the certificate has."""
    return common.seen(fetch(common.SETTINGS["wrong_host"], assert_hostname="elsewhere.test"))["version"]


@task
def fingerprint():
    good = common.SETTINGS["fingerprint"]
    bad = "0" * len(good)
    return [common.seen(fetch(URL, assert_fingerprint=good, cert_reqs="CERT_NONE"))["version"],
            common.failure(fetch, URL, assert_fingerprint=bad, cert_reqs="CERT_NONE")]


@task
def expired():
    return common.failure(fetch, common.SETTINGS["expired"])


@task
def client_certificate():
    return [common.seen(fetch(URL + "/client", **more))["client"] for more in (
        {}, {"cert_file": common.file("client"), "key_file": common.file("client-key")},
        {"cert_file": common.file("client"), "key_file": common.file("client-locked"), "key_password": "secret"})]


@task
def at_once():
    with manager(maxsize=common.AT_ONCE) as pool, concurrent.futures.ThreadPoolExecutor(common.AT_ONCE) as threads:
        return sum(threads.map(lambda _: pool.request("GET", URL).status == 200, range(common.AT_ONCE)))


@task
def early_end():
    return common.failure(fetch, common.SETTINGS["early_end"])


@task
def no_answer():
    return common.failure(fetch, common.SETTINGS["no_answer"])


def through(proxy):
    with urllib3.ProxyManager(proxy, ca_certs=CA, retries=False, timeout=common.TIMEOUT_S) as pool:
        large = common.digest(pool.request("GET", URL + "/large", preload_content=False).stream(50_000))
        return [common.seen(pool.request("GET", URL).data.decode())["version"], large]


@task
def proxy():
    return through(common.SETTINGS["proxy"])


@task
def tls_proxy():
    return through(common.SETTINGS["tls_proxy"])


if __name__ == "__main__":
    common.main()
