"""A lock in shared memory that costs no system call, and that the kernel opens again when its holder dies.

It is a POSIX mutex, shared between processes and robust, called through ctypes with the interpreter lock held: whoever
has the mutex is not made to wait for the interpreter by another thread of his process. A file lock costs ten times as
much on a busy machine.
"""

from __future__ import annotations

import ctypes
import errno
from mmap import mmap

SIZE = 128  # of a pthread_mutex_t there are 40 to 48 bytes, depending on the processor
ATTRIBUTES_SIZE = 64
PROCESS_SHARED = 1
ROBUST = 1

_system = ctypes.PyDLL(None)
_trylock = _system.pthread_mutex_trylock
_unlock = _system.pthread_mutex_unlock
_consistent = _system.pthread_mutex_consistent
for _function in (_trylock, _unlock, _consistent):
    _function.argtypes = (ctypes.c_void_p,)
    _function.restype = ctypes.c_int


class Mutex:
    """The mutex at the beginning of shared memory, which one of its users has to :meth:`create` before any."""

    __slots__ = ("_address", "_owner")

    def __init__(self, memory: mmap) -> None:
        self._owner = (ctypes.c_char * SIZE).from_buffer(memory)
        self._address = ctypes.addressof(self._owner)

    def create(self) -> None:
        """Make it anew, open; nobody else may be using it."""
        attributes = ctypes.create_string_buffer(ATTRIBUTES_SIZE)
        _check(_system.pthread_mutexattr_init(attributes))
        _check(_system.pthread_mutexattr_setpshared(attributes, PROCESS_SHARED))
        _check(_system.pthread_mutexattr_setrobust(attributes, ROBUST))
        _check(_system.pthread_mutex_init(ctypes.c_void_p(self._address), attributes))

    def lock(self) -> bool:
        """Take it, if nobody has it; one whose holder died is taken over."""
        fault = _trylock(self._address)
        if fault:
            if fault == errno.EBUSY:
                return False
            _check(_consistent(self._address) if fault == errno.EOWNERDEAD else fault)
        return True

    def unlock(self) -> None:
        """Open it again; by the thread that took it."""
        _unlock(self._address)

    def close(self) -> None:
        """Let go of the memory."""
        del self._owner


def _check(fault: int) -> None:
    if fault:
        raise OSError(fault, f"the system has no such mutex: {errno.errorcode.get(fault, fault)}")
