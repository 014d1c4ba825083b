"""Declare protobuf messages by their field numbers, without generated code."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
DOUBLE, INT32, INT64, UINT32 = (
    _Field.TYPE_DOUBLE,
    _Field.TYPE_INT32,
    _Field.TYPE_INT64,
    _Field.TYPE_UINT32,
)
STRING = _Field.TYPE_STRING
ONE, MANY = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED
Messages = dict[str, dict[str, tuple[int, Any, Any]]]
"""Fields by message: number, type or the name of a message, and cardinality."""


def message_class(package: str, messages: Messages, name: str) -> Any:
    """Return the class of a message.

    Fields that are not declared are skipped when a message is parsed.

    Args:
        package: Package of the messages.
        messages: The message and those that it contains.
        name: Name of the message.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto3"
    )
    for message_name, fields in messages.items():
        message = file.message_type.add(name=message_name)
        for field_name, (number, kind, label) in fields.items():
            field = message.field.add(name=field_name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
