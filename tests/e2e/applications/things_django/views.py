"""Asynchronous views, and one that is not."""

import asyncio
import hashlib
import threading

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

done, tasks = [], set()


@require_http_methods(["GET", "HEAD"])
async def page(request):
    return HttpResponse("<h1>Thïngs</h1>")


async def thing(request, number):
    return JsonResponse({"number": number, "q": request.GET.get("q")})


@csrf_exempt
@require_http_methods(["POST"])
async def form(request):
    response = redirect("hello", request.POST["name"])
    response.status_code = 303
    return response


async def hello(request, name):
    return HttpResponse(f"Hello, {name}", content_type="text/plain")


@csrf_exempt
async def upload(request):
    digest, size = hashlib.sha256(), 0
    file = request.FILES["file"] if request.method == "POST" else request
    while piece := file.read(1 << 16):
        digest.update(piece)
        size += len(piece)
    name = {"name": file.name} if request.method == "POST" else {}
    return JsonResponse({**name, "size": size, "sha256": digest.hexdigest()})


async def stream(request):
    async def pieces():
        for number in range(1000):
            yield f"{number}\n"

    return StreamingHttpResponse(pieces(), content_type="text/plain")


async def visits(request):
    count = int(request.COOKIES.get("visits", 0)) + 1
    response = JsonResponse({"visits": count})
    response.set_cookie("visits", count)
    return response


async def broken(request):
    raise RuntimeError("a thing fell apart")


async def teapot(request):
    return HttpResponse(status=418)


async def rendered(request):
    return render(request, "page.html", {"name": request.GET["name"]})


async def background(request):
    async def later():
        await asyncio.sleep(0.01)
        done.append("async")

    task = asyncio.create_task(later())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return JsonResponse(list(done), safe=False)


async def state(request):
    return JsonResponse(request.scope["state"])


def threaded(request):
    return JsonResponse({"main": threading.current_thread() is threading.main_thread()})


urlpatterns = [
    path("", page), path("things/<int:number>", thing, name="thing"), path("form", form),
    path("hello/<path:name>", hello, name="hello"), path("upload", upload), path("stream", stream),
    path("visits", visits), path("broken", broken), path("teapot", teapot), path("rendered", rendered),
    path("background", background), path("state", state), path("threaded", threaded)]
