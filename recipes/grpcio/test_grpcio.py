"""gRPC on its target: calls of every kind between a client and a server of one process, and TLS."""

import socket
import struct
import subprocess
import tempfile
import unittest
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

LIMIT = 60
LARGE = struct.pack("<I", 0x01020304) * 50000


class Doubler(grpc.GenericRpcHandler):
    """Methods on plain bytes: one message or many, in and out."""

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        return {
            "/t/One": grpc.unary_unary_rpc_method_handler(lambda asked, _: asked * 2),
            "/t/Many": grpc.stream_stream_rpc_method_handler(self.many),
            "/t/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
        }.get(handler_call_details.method)

    def many(self, asked: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        for one in asked:
            yield one * 2

    def fail(self, asked: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("numbers-bin", struct.pack(">H", 258)),))
        context.abort(grpc.StatusCode.OUT_OF_RANGE, f"größer: {len(asked)}")
        return b""


class Calls(unittest.TestCase):
    """Frames of HTTP/2 have big-endian lengths on every machine."""

    def setUp(self) -> None:
        self.server = grpc.server(ThreadPoolExecutor(4), handlers=(Doubler(),))
        self.addCleanup(lambda: self.server.stop(None).wait(LIMIT))

    def connected(self) -> grpc.Channel:
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        channel = grpc.insecure_channel(f"127.0.0.1:{self.port}")
        self.addCleanup(channel.close)
        return channel

    def test_one(self) -> None:
        call = self.connected().unary_unary("/t/One")
        for message in (b"", b"\x00\x01", LARGE):
            assert call(message, timeout=LIMIT) == message * 2
        packed = call(LARGE, timeout=LIMIT, compression=grpc.Compression.Gzip)
        assert packed == LARGE * 2

    def test_many(self) -> None:
        call = self.connected().stream_stream("/t/Many")
        messages = [bytes([i]) * i * 100 for i in range(50)]
        assert list(call(iter(messages), timeout=LIMIT)) == [m * 2 for m in messages]

    def test_failure(self) -> None:
        call = self.connected().unary_unary("/t/Fail")
        with self.assertRaises(grpc.RpcError) as caught:
            call(b"123", timeout=LIMIT)
        error = caught.exception
        assert error.code() == grpc.StatusCode.OUT_OF_RANGE
        assert error.details() == "größer: 3"
        assert dict(error.trailing_metadata())["numbers-bin"] == b"\x01\x02"

    def test_preface_on_the_wire(self) -> None:
        """A server begins with a SETTINGS frame: length, type 4, no flags, stream 0."""
        self.connected()
        with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT) as peer:
            peer.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            got = b""
            while len(got) < 9:
                got += peer.recv(512)
        assert int.from_bytes(got[:3]) % 6 == 0
        assert got[3] == 4
        assert got[5:9] == bytes(4)

    def test_tls(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            key, certificate = Path(folder, "key"), Path(folder, "certificate")
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                 "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
                check=True, capture_output=True,
            )  # fmt: skip
            pair = (key.read_bytes(), certificate.read_bytes())
        port = self.server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        self.server.start()
        trusted = grpc.ssl_channel_credentials(pair[1])
        options = (("grpc.ssl_target_name_override", "localhost"),)
        with grpc.secure_channel(f"127.0.0.1:{port}", trusted, options) as channel:
            assert channel.unary_unary("/t/One")(LARGE, timeout=LIMIT) == LARGE * 2


if __name__ == "__main__":
    unittest.main()
