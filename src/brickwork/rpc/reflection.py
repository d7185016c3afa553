"""gRPC server reflection: tools such as grpcurl ask the server itself for its schema."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from brickwork.rpc.schema import Schema, known_modules


def add_reflection(server: Any, schemas: Sequence[Schema], names: Sequence[str]) -> None:
    """Let `server` tell the schemas, and those of health and reflection."""
    pool = DescriptorPool()
    for module in (*known_modules(), health_pb2, reflection_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    for schema in schemas:
        pool.AddSerializedFile(schema.file.SerializeToString())
    told = (*names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(told, server, pool=pool)
