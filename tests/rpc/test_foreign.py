"""Callers that know the server by its .proto file, by reflection or by the health protocol, and nothing else of it."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from brickwork.kernel.component import Health
from brickwork.testing.plugin import absent

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node_modules():
    """grpc-js and proto-loader, kept between runs."""
    folder = Path(tempfile.gettempdir()) / "brickwork-grpc-js"
    if not (folder / "node_modules" / "@grpc" / "proto-loader").exists():
        if shutil.which("npm") is None:
            absent("npm is not installed; it brings the Node.js client for gRPC")
        folder.mkdir(exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", "@grpc/grpc-js@1", "@grpc/proto-loader@0.8"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=240)
        if done.returncode:
            absent(f"npm could not install the Node.js client for gRPC: {done.stderr[-300:]}")
    return folder / "node_modules"


def test_a_node_service_calls_with_the_exported_proto(shop, remote, token, node_modules, tmp_path):
    proto = tmp_path / "prices.proto"
    proto.write_text(shop.rpc.proto("shop.v1"))
    script = node_modules.parent / f"{tmp_path.name}.js"
    shutil.copy(HERE / "caller.js", script)
    try:
        command = ["node", script, proto, remote, token]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    finally:
        script.unlink()
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["quote"]["price"] == {"amount": "19.98", "currency": "EUR", "tags": ["net"]}
    assert told["quote"]["at"] == {"seconds": "1767605400", "nanos": 123456000}
    assert told["quote"]["parent"]["item"] == "parent"
    echo = told["echo"]
    assert (echo["text"], echo["whole"], echo["truth"], echo["raw"]) == ("Čtvrtek", "-9223372036854775808", False, "00ff")
    assert (echo["money"], echo["day"], echo["clock"]) == ("12345678901234567890.10", "2024-02-29", "23:59:59")
    assert echo["moment"] == {"seconds": "1767605400", "nanos": 5000}
    assert echo["length"] == {"seconds": "-90"}
    assert (echo["size"], echo["several"]) == ("large", ["1", "2"])
    assert list(echo["named"].values()) == ["one"]  # protobuf.js shows a key of 64 bits as eight characters
    assert echo["json"]["listValue"]["values"] == [{"numberValue": 1}, {"nullValue": 0}]
    assert echo["facts"]["fields"]["a"]["boolValue"] is True
    assert echo["nested"] == [{"amount": "1.50", "currency": "EUR", "tags": ["x"]}]
    assert "maybe" not in echo
    who = told["who"]["value"]
    assert (who["tenant"], who["actor"], who["correlation_id"]) == ("north", "service:till", "from-node")
    assert told["listed"] == {"value": ["bed", "lamp"]}
    assert [price["amount"] for price in told["streamed"]] == ["0", "1", "2"]
    assert told["ping"] == {}
    codes = {name: told[name]["code"] for name in ("anonymous", "missing", "gone", "late")}
    assert codes == {
        "anonymous": grpc.StatusCode.UNAUTHENTICATED.value[0],
        "missing": grpc.StatusCode.INVALID_ARGUMENT.value[0],
        "gone": grpc.StatusCode.FAILED_PRECONDITION.value[0],
        "late": grpc.StatusCode.DEADLINE_EXCEEDED.value[0],
    }
    assert told["gone"]["details"] == "gone is sold out"
    assert told["gone"]["rich"] == 1


def test_the_proto_file_says_what_the_server_speaks(shop, tmp_path):
    """protoc is the judge: what it reads from the file is what the server describes itself by."""
    (tmp_path / "prices.proto").write_text(shop.rpc.proto("shop.v1"))
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--descriptor_set_out=out.bin", "prices.proto"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    (judged,) = descriptor_pb2.FileDescriptorSet.FromString((tmp_path / "out.bin").read_bytes()).file
    schema, _ = shop.rpc.describe("shop.v1")
    ours = descriptor_pb2.FileDescriptorProto.FromString(schema.file.SerializeToString())
    ours.name = judged.name
    for file in (ours, judged):
        file.dependency.sort()
        for message in file.message_type:
            for field in message.field:
                field.ClearField("json_name")
            for entry in message.nested_type:
                for field in entry.field:
                    field.ClearField("json_name")
    assert ours == judged


def test_reflection_tells_the_schema(served):
    with grpc.insecure_channel(served) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)

        def ask(**question):
            (answer,) = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**question)]), timeout=10)
            return answer

        names = {service.name for service in ask(list_services="").list_services_response.service}
        assert {"shop.v1.Prices", "brickwork.entities.v1.Entities", "grpc.health.v1.Health"} <= names
        raw = ask(file_containing_symbol="shop.v1.Prices").file_descriptor_response.file_descriptor_proto
        described = {descriptor_pb2.FileDescriptorProto.FromString(file).package for file in raw}
        assert "shop.v1" in described


def test_reflection_can_be_turned_off(make_shop):
    shop = make_shop(rpc={"reflection": False})
    with grpc.insecure_channel(f"127.0.0.1:{shop.rpc.serve(port=0).port}") as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            list(stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_health_is_the_platforms(shop, served, monkeypatch):
    with grpc.insecure_channel(served) as channel:
        stub = health_pb2_grpc.HealthStub(channel)

        def state(service=""):
            return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status

        serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        assert (state(), state("shop.v1.Prices")) == (serving, serving)
        monkeypatch.setattr(shop.database, "health", lambda: Health(False, "gone"))
        assert state() == not_serving
        with pytest.raises(grpc.RpcError) as caught:
            state("nothing.v1.Nothing")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
