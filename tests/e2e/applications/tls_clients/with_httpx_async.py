"""httpx, its asynchronous client, over anyio and asyncio."""

import asyncio

import common
import httpx
from common import URL, task


def client(verify=None, **options):
    return httpx.AsyncClient(verify=verify or common.context(), timeout=common.TIMEOUT_S, trust_env=False, **options)


async def fetch(url, **options):
    async with client(**options) as made:
        return (await made.get(url)).text


async def pieces(path, **options):
    async with client(**options) as made, made.stream("GET", URL + path) as response:
        return common.digest([piece async for piece in response.aiter_bytes()])


def run(coroutine):
    return asyncio.run(coroutine)


@task
def get():
    return common.seen(run(fetch(URL)))["version"]


@task
def post():
    async def send():
        async with client() as made:
            return (await made.post(URL + "/digest", content=common.UPLOAD)).text

    return run(send())


@task
def download():
    return run(pieces("/large"))


@task
def keep_alive():
    async def several():
        async with client() as made:
            return [(await made.get(URL)).text for _ in range(5)]

    return common.connections(run(several()))


@task
def unknown_authority():
    return run(common.failure_of(fetch(URL, verify=httpx.create_ssl_context())))


@task
def wrong_host():
    return run(common.failure_of(fetch(common.SETTINGS["wrong_host"])))


@task
def expired():
    return run(common.failure_of(fetch(common.SETTINGS["expired"])))


@task
def client_certificate():
    return [common.seen(run(fetch(URL + "/client", verify=verify)))["client"]
            for verify in (None, common.with_client())]


@task
def at_once():
    async def all_of_them():
        async with client() as made:
            return await asyncio.gather(*(made.get(URL) for _ in range(common.AT_ONCE)))

    return sum(answer.status_code == 200 for answer in run(all_of_them()))


@task
def early_end():
    return run(common.failure_of(fetch(common.SETTINGS["early_end"])))


@task
def no_answer():
    return run(common.failure_of(fetch(common.SETTINGS["no_answer"])))


@task
def proxy():
    return common.seen(run(fetch(URL, proxy=common.SETTINGS["proxy"])))["version"]


@task
def tls_proxy():
    proxy = httpx.Proxy(common.SETTINGS["tls_proxy"], ssl_context=common.context())
    return run(pieces("/large", proxy=proxy))


if __name__ == "__main__":
    common.main()
