from books import views
from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", views.index),
    path("books/<int:number>/cover", views.cover),
    path("broken", views.broken),
]
