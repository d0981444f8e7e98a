from django.http import FileResponse
from django.shortcuts import get_object_or_404, render

from books.models import Book


def index(request):
    return render(request, "books/index.html", {"books": Book.objects.order_by("title")})


def cover(request, number):
    return FileResponse(get_object_or_404(Book, pk=number).cover.open())


def broken(request):
    raise RuntimeError("a shelf has fallen over")
