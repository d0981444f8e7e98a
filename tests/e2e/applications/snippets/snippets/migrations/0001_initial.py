import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import snippets.models


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    operations = [
        migrations.CreateModel(
            name="Snippet",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("created", models.DateTimeField(auto_now_add=True)),
                ("title", models.CharField(blank=True, default="", max_length=100)),
                ("code", models.TextField()),
                ("linenos", models.BooleanField(default=False)),
                ("language", models.CharField(choices=snippets.models.LANGUAGES, default="python", max_length=100)),
                ("style", models.CharField(choices=snippets.models.STYLES, default="friendly", max_length=100)),
                ("highlighted", models.TextField()),
                ("owner", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="snippets",
                                            to=settings.AUTH_USER_MODEL)),
            ],
            options={"ordering": ["created"]},
        ),
    ]
