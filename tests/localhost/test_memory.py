"""Memory is read of living processes, at the marks of a broadcast."""

import os
import sys

import pytest

from localhost.memory import MIB, MemoryWatch, peak_memory, resident_memory

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of other processes")


@on_linux
def test_a_process_has_more_memory_once_it_holds_more() -> None:
    before = resident_memory(os.getpid())
    held = bytearray(os.urandom(MIB)) * 64
    after = resident_memory(os.getpid())

    assert before is not None
    assert after is not None
    assert after - before > 32 * MIB
    assert peak_memory() >= after - MIB
    assert len(held) == 64 * MIB


def test_nobody_tells_of_a_process_that_is_not_there() -> None:
    assert resident_memory(2**31 - 1) is None


@on_linux
def test_each_mark_is_read_once_however_the_looks_fall() -> None:
    watch = MemoryWatch([os.getpid()], people=1_000)
    read = []
    for done in (0, 0, 99, 100, 120, 700, 900):
        watch.pass_by(done)
        read.append(len(watch.readings))
    watch.end()

    assert read == [1, 1, 1, 2, 2, 3, 3]
    assert len(watch.readings) == 4
    assert all(reading is not None and reading > 1 for reading in watch.readings)


def test_a_broadcast_that_ends_at_once_has_all_its_readings() -> None:
    watch = MemoryWatch([], people=10)

    watch.end()

    assert watch.readings == [None] * 4
