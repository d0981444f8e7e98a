"""httpx, its synchronous client."""

import concurrent.futures

import common
import httpx
from common import URL, task


def client(verify=None, **options):
    return httpx.Client(verify=verify or common.context(), timeout=common.TIMEOUT_S, trust_env=False, **options)


def fetch(url, **options):
    with client(**options) as made:
        return made.get(url).text


@task
def get():
    return common.seen(fetch(URL))["version"]


@task
def post():
    with client() as made:
        return made.post(URL + "/digest", content=common.UPLOAD).text


@task
def download():
    with client() as made, made.stream("GET", URL + "/large") as response:
        return common.digest(response.iter_bytes())


@task
def keep_alive():
    with client() as made:
        return common.connections(made.get(URL).text for _ in range(5))


@task
def unknown_authority():
    return common.failure(fetch, URL, verify=httpx.create_ssl_context())


@task
def wrong_host():
    return common.failure(fetch, common.SETTINGS["wrong_host"])


@task
def expired():
    return common.failure(fetch, common.SETTINGS["expired"])


@task
def not_verified():
    return common.seen(fetch(common.SETTINGS["expired"], verify=httpx.create_ssl_context(verify=False)))["version"]


@task
def client_certificate():
    return [common.seen(fetch(URL + "/client", verify=verify))["client"] for verify in (None, common.with_client())]


@task
def at_once():
    with client() as made, concurrent.futures.ThreadPoolExecutor(common.AT_ONCE) as threads:
        return sum(threads.map(lambda _: made.get(URL).status_code == 200, range(common.AT_ONCE)))


@task
def early_end():
    return common.failure(fetch, common.SETTINGS["early_end"])


@task
def no_answer():
    return common.failure(fetch, common.SETTINGS["no_answer"])


@task
def proxy():
    return common.seen(fetch(URL, proxy=common.SETTINGS["proxy"]))["version"]


@task
def tls_proxy():
    proxy = httpx.Proxy(common.SETTINGS["tls_proxy"], ssl_context=common.context())
    with client(proxy=proxy) as made, made.stream("GET", URL + "/large") as response:
        return common.digest(response.iter_bytes())


if __name__ == "__main__":
    common.main()
