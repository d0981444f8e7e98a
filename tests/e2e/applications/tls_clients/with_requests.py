"""requests, over urllib3."""

import concurrent.futures

import common
import requests
from common import URL, task

CA = common.file("root")


def fetch(path="/", session=requests, **options):
    options.setdefault("verify", CA)
    return session.get(URL + path, timeout=common.TIMEOUT_S, **options)


@task
def get():
    return common.seen(fetch().text)["version"]


@task
def post():
    return requests.post(URL + "/digest", common.UPLOAD, verify=CA, timeout=common.TIMEOUT_S).text


@task
def download():
    with fetch("/large", stream=True) as response:
        return common.digest(response.iter_content(50_000))


@task
def keep_alive():
    with requests.Session() as session:
        return common.connections(fetch(session=session).text for _ in range(5))


@task
def unknown_authority():
    return common.failure(fetch, verify=common.file("other"))


@task
def wrong_host():
    return common.failure(requests.get, common.SETTINGS["wrong_host"], verify=CA, timeout=common.TIMEOUT_S)


@task
def expired():
    return common.failure(requests.get, common.SETTINGS["expired"], verify=CA, timeout=common.TIMEOUT_S)


@task
def not_verified():
    requests.packages.urllib3.disable_warnings()
    return requests.get(common.SETTINGS["expired"], verify=False, timeout=common.TIMEOUT_S).status_code


@task
def client_certificate():
    return [common.seen(fetch("/client", cert=cert).text)["client"]
            for cert in (None, (common.file("client"), common.file("client-key")))]


@task
def at_once():
    with concurrent.futures.ThreadPoolExecutor(common.AT_ONCE) as pool:
        return sum(pool.map(lambda _: fetch().status_code == 200, range(common.AT_ONCE)))


@task
def early_end():
    return common.failure(requests.get, common.SETTINGS["early_end"], verify=CA, timeout=common.TIMEOUT_S)


@task
def no_answer():
    return common.failure(requests.get, common.SETTINGS["no_answer"], verify=CA, timeout=common.TIMEOUT_S)


@task
def proxy():
    return common.seen(fetch(proxies={"https": common.SETTINGS["proxy"]}).text)["version"]


@task
def tls_proxy():
    return common.seen(fetch(proxies={"https": common.SETTINGS["tls_proxy"]}).text)["version"]


if __name__ == "__main__":
    common.main()
