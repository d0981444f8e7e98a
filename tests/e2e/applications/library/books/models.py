from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=100)
    published = models.DateField(null=True, blank=True)
    cover = models.FileField(blank=True)

    def __str__(self):
        return self.title
