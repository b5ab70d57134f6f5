"""ZeroMQ on its target: messages between sockets, and what goes over the wire."""

import socket
import struct
import unittest

import zmq

MARK = struct.pack("<I", 0x01020304) + "größer".encode()


class Sockets(unittest.TestCase):
    """Sockets of one process, each with a time limit."""

    def setUp(self) -> None:
        self.context = zmq.Context()
        self.addCleanup(self.context.destroy, linger=0)

    def open(self, kind: int) -> zmq.Socket:
        made = self.context.socket(kind)
        made.rcvtimeo = made.sndtimeo = 20000
        return made

    def test_request_and_reply(self) -> None:
        for place in ("tcp://127.0.0.1", "inproc://here"):
            server, client = self.open(zmq.REP), self.open(zmq.REQ)
            if place.startswith("tcp"):
                address = f"{place}:{server.bind_to_random_port(place)}"
            else:
                server.bind(address := place)
            client.connect(address)
            client.send_multipart([MARK, b"", bytes(100000)])
            assert server.recv_multipart() == [MARK, b"", bytes(100000)]
            server.send_json({"n": 1.5})
            assert client.recv_json() == {"n": 1.5}

    def test_subscriptions(self) -> None:
        publisher, reader = self.open(zmq.XPUB), self.open(zmq.SUB)
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        reader.subscribe(b"\x01\x02")
        reader.connect(f"tcp://127.0.0.1:{port}")
        assert publisher.recv() == b"\x01\x01\x02"
        publisher.send(b"\x02\x01 no")
        publisher.send(b"\x01\x02 yes")
        assert reader.recv() == b"\x01\x02 yes"

    def test_options_of_each_width(self) -> None:
        made = self.open(zmq.DEALER)
        made.setsockopt(zmq.MAXMSGSIZE, 1 << 40)
        assert made.getsockopt(zmq.MAXMSGSIZE) == 1 << 40
        made.affinity = 5
        assert made.affinity == 5
        made.sndhwm = 258
        assert made.sndhwm == 258
        made.identity = b"\x01\x02"
        assert made.identity == b"\x01\x02"

    def test_greeting_on_the_wire(self) -> None:
        """ZMTP 3: ten bytes of signature, then the version."""
        server = self.open(zmq.PULL)
        port = server.bind_to_random_port("tcp://127.0.0.1")
        with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
            peer.sendall(b"\xff" + struct.pack(">Q", 1) + b"\x7f" + b"\x03")
            got = b""
            while len(got) < 11:
                got += peer.recv(64)
        assert got[:1] == b"\xff"
        assert got[9:11] == b"\x7f\x03"

    def test_encryption(self) -> None:
        assert zmq.has("curve")
        public, secret = zmq.curve_keypair()
        assert zmq.curve_public(secret) == public


if __name__ == "__main__":
    unittest.main()
