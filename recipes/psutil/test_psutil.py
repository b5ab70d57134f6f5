"""psutil on its target: its figures against those that Python and /proc give."""

import os
import socket
import sys
import time
import unittest

import psutil


class Figures(unittest.TestCase):
    """What comes through the C module, and what is read from /proc."""

    def test_memory(self) -> None:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = psutil.virtual_memory()
        assert abs(memory.total - pages) < pages / 20, (memory.total, pages)
        assert 0 < memory.available <= memory.total

    def test_disk(self) -> None:
        usage, of_python = psutil.disk_usage("/"), os.statvfs("/")
        assert usage.total == of_python.f_blocks * of_python.f_frsize

    def test_this_process(self) -> None:
        process = psutil.Process()
        assert process.pid == os.getpid()
        assert process.ppid() == os.getppid()
        assert process.memory_info().rss > 1 << 20
        assert abs(time.time() - process.create_time()) < 3600
        assert process.nice() == os.getpriority(os.PRIO_PROCESS, 0)
        assert psutil.cpu_count() == os.cpu_count()

    def test_affinity(self) -> None:
        assert set(psutil.Process().cpu_affinity()) == os.sched_getaffinity(0)

    def test_addresses_are_not_turned_round(self) -> None:
        for address in psutil.net_if_addrs().get("lo", []):
            if address.family == socket.AF_INET:
                assert address.address == "127.0.0.1", address
                assert address.netmask == "255.0.0.0", address

    def test_compiled_for_this_interpreter(self) -> None:
        from psutil import _psutil_linux

        assert _psutil_linux.version == int(psutil.__version__.replace(".", ""))
        assert sys.byteorder in ("little", "big")


if __name__ == "__main__":
    unittest.main()
