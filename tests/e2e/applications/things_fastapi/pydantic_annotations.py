"""Lets pydantic 1 see the annotations of classes on Python 3.14, which has them in a function (PEP 649), not in the
namespace that a metaclass gets. To be imported before fastapi."""

import typing
from annotationlib import Format, call_annotate_function, get_annotate_from_class_namespace

import pydantic.typing
from pydantic.main import ModelMetaclass

_make = ModelMetaclass.__new__


def _make_annotated(metaclass, name, bases, namespace, **options):
    annotate = get_annotate_from_class_namespace(namespace)
    if annotate is not None and "__annotations__" not in namespace:
        namespace["__annotations__"] = call_annotate_function(annotate, Format.FORWARDREF)
    return _make(metaclass, name, bases, namespace, **options)


ModelMetaclass.__new__ = _make_annotated


def _evaluate(reference, names, local_names):
    """What a forward reference names; pydantic calls a private method of it that has changed."""
    return typing.evaluate_forward_ref(reference, globals=names, locals=local_names)


pydantic.typing.evaluate_forwardref = _evaluate
