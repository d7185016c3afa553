"""The peer `drf`: the same with Django REST Framework, a model, a serializer, a view set and cursor pagination."""

import os
import uuid

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["BENCH_FILE"],
            "OPTIONS": {
                "timeout": 5,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=wal; PRAGMA synchronous=normal;",
            },
            "CONN_MAX_AGE": None,
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection, models  # noqa: E402
from django.db.utils import OperationalError  # noqa: E402
from django.urls import include, path  # noqa: E402
from rest_framework import pagination, routers, serializers, viewsets  # noqa: E402


class Patient(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    given_name = models.CharField(max_length=100)
    family_name = models.CharField(max_length=100, db_index=True)
    birth_date = models.DateField()
    email = models.EmailField()
    phone = models.CharField(max_length=40)
    ward = models.CharField(max_length=20, choices=[("icu", "icu"), ("er", "er"), ("general", "general")])
    weight = models.DecimalField(max_digits=6, decimal_places=2)
    active = models.BooleanField(default=True)
    notes = models.TextField(null=True, blank=True)

    class Meta:
        app_label = "bench"


class PatientSerializer(serializers.ModelSerializer):
    class Meta:
        model = Patient
        fields = "__all__"


class Pages(pagination.CursorPagination):
    page_size = 20
    ordering = "id"


class PatientViewSet(viewsets.ModelViewSet):
    queryset = Patient.objects.all()
    serializer_class = PatientSerializer
    pagination_class = Pages


router = routers.SimpleRouter(trailing_slash=False)
router.register("patients", PatientViewSet)
urlpatterns = [path("", include(router.urls))]

try:
    with connection.schema_editor() as editor:
        editor.create_model(Patient)
except OperationalError:
    pass  # the table is there

app = get_wsgi_application()
