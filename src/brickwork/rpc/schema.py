"""The protobuf schema of a package, made at run time: descriptors, message classes, and the `.proto` text for other languages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.protobuf import duration_pb2, empty_pb2, message_factory, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from brickwork.errors import ValidationError
from brickwork.rpc.shapes import Field, Message

#: What schemas may refer to.
_KNOWN = {
    ".google.protobuf.Timestamp": timestamp_pb2,
    ".google.protobuf.Duration": duration_pb2,
    ".google.protobuf.Struct": struct_pb2,
    ".google.protobuf.Value": struct_pb2,
    ".google.protobuf.Empty": empty_pb2,
}
_WORDS = {
    Proto.TYPE_STRING: "string",
    Proto.TYPE_BOOL: "bool",
    Proto.TYPE_INT64: "int64",
    Proto.TYPE_DOUBLE: "double",
    Proto.TYPE_BYTES: "bytes",
}


class Schema:
    """Messages and services of one package. `services` has a line of documentation and the methods of each."""

    def __init__(
        self,
        package: str,
        messages: Mapping[str, Message],
        services: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]],
    ) -> None:
        self.package = package
        self.messages = messages
        self.services = services
        self._pool = DescriptorPool()
        self._classes: dict[str, Any] = {}
        self.file = self._describe()
        for module in known_modules():
            self._pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        self._pool.AddSerializedFile(self.file.SerializeToString())

    def new(self, type_name: str) -> Any:
        """An empty message of the type (".shop.v1.Quote")."""
        made = self._classes.get(type_name)
        if made is None:
            made = message_factory.GetMessageClass(self._pool.FindMessageTypeByName(type_name[1:]))
            self._classes[type_name] = made
        return made()

    def parse(self, type_name: str, raw: bytes) -> Any:
        """The message in `raw`; raises `ValidationError`."""
        message = self.new(type_name)
        try:
            message.ParseFromString(raw)
        except DecodeError:
            raise ValidationError(f"these {len(raw)} bytes are no {type_name[1:]}") from None
        return message

    def proto(self) -> str:
        """The schema as a `.proto` file (proto3)."""
        lines = ["// Made by `brickwork rpc proto`.", 'syntax = "proto3";', "", f"package {self.package};", ""]
        lines += [f'import "{name}";' for name in self.file.dependency]
        for name, (doc, methods) in self.services.items():
            lines += ["", *_comment(doc), f"service {name} {{"]
            for method in methods:
                stream = "stream " if method["streams"] else ""
                reply = method["reply"].type_name  # in full: a method of the same name would hide it
                lines += _comment(method["doc"], "  ")
                lines.append(f"  rpc {method['name']}({method['request'].name}) returns ({stream}{reply});")
            lines.append("}")
        for message in self.messages.values():
            lines += ["", *_comment(message.doc), f"message {message.name} {{"]
            for field in message.fields:
                lines.append(f"  {self._declared(field)} {field.name} = {field.number};{_needed(field)}")
            lines.append("}")
        return "\n".join([*lines, ""])

    def _declared(self, field: Field) -> str:
        word = _WORDS.get(field.shape.kind) or field.shape.type_name.removeprefix(f".{self.package}.").removeprefix(".")
        if field.form == "list":
            return f"repeated {word}"
        if field.form == "map":
            assert field.key is not None
            return f"map<{_WORDS[field.key.kind]}, {word}>"
        return word if field.shape.kind == Proto.TYPE_MESSAGE else f"optional {word}"

    def _describe(self) -> FileDescriptorProto:
        file = FileDescriptorProto(name=f"{self.package.replace('.', '/')}.proto", package=self.package, syntax="proto3")
        for message in self.messages.values():
            made = file.message_type.add(name=message.name)
            for field in message.fields:
                _add(made, field, message.type_name)
        for name, (_, methods) in self.services.items():
            service = file.service.add(name=name)
            for method in methods:
                types = {"input_type": method["request"].type_name, "output_type": method["reply"].type_name}
                added = service.method.add(name=method["name"], **types)
                if method["streams"]:
                    added.server_streaming = True
        used = {field.shape.type_name for message in self.messages.values() for field in message.fields}
        used |= {method["reply"].type_name for _, methods in self.services.values() for method in methods}
        file.dependency.extend(sorted({_KNOWN[name].DESCRIPTOR.name for name in used if name in _KNOWN}))
        return file


def known_modules() -> Iterator[Any]:
    """The modules of what schemas may refer to."""
    yield from dict.fromkeys(_KNOWN.values())


def _add(made: Any, field: Field, parent: str) -> None:
    one = field.form == "one"
    added = made.field.add(name=field.name, number=field.number, json_name=field.name)
    added.label = Proto.LABEL_OPTIONAL if one else Proto.LABEL_REPEATED
    if field.form != "map":
        added.type = field.shape.kind
        if field.shape.type_name:
            added.type_name = field.shape.type_name
        if one and field.shape.kind != Proto.TYPE_MESSAGE:  # what is left out can be told from what is empty
            added.proto3_optional = True
            added.oneof_index = len(made.oneof_decl)
            made.oneof_decl.add(name=f"_{field.name}")
        return
    assert field.key is not None
    entry = made.nested_type.add(name="".join(word.title() for word in field.name.split("_")) + "Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=field.key.kind, label=Proto.LABEL_OPTIONAL)
    value = entry.field.add(name="value", number=2, type=field.shape.kind, label=Proto.LABEL_OPTIONAL)
    if field.shape.type_name:
        value.type_name = field.shape.type_name
    added.type, added.type_name = Proto.TYPE_MESSAGE, f"{parent}.{entry.name}"


def _needed(field: Field) -> str:
    return "  // required" if field.form == "one" and field.required and not field.nullable else ""


def _comment(doc: str, indent: str = "") -> list[str]:
    return [f"{indent}// {line}".rstrip() for line in doc.splitlines()]
