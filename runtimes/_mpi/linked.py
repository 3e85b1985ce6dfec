"""Where a shared library looks up the functions of other ones that it calls, as the dynamic linker left it.

Linux on 64 bits only: the tables of ELF, and a handle of dlopen that points to the linker's link_map.
"""

import ctypes
import mmap
import sys
from collections.abc import Collection, Iterator

import numpy as np

# Tags of the dynamic section: two tables of relocations with their bytes, the symbols, and their names.
RELA, RELASZ, JMPREL, PLTRELSZ, SYMTAB, STRTAB = 7, 8, 23, 2, 6, 5
RELOCATION = np.dtype([("offset", "u8"), ("info", "u8"), ("addend", "i8")])
SYMBOL_BYTES = 24
READ_WRITE = 3


def slots(library: ctypes.CDLL, names: Collection[str]) -> dict[int, str]:
    """Return the addresses of the words through which the library calls functions, each with the name.

    The words can be written from now on. There are none where programs are linked otherwise.
    """
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return {}
    base, _, dynamic = (ctypes.c_uint64 * 3).from_address(library._handle)
    table = dict(_entries(dynamic))
    # A linker may leave addresses in the table as they are in the file.
    at = {tag: value + base if value < base else value for tag, value in table.items()}
    found = {}
    for start, length in ((RELA, RELASZ), (JMPREL, PLTRELSZ)):
        if not table.get(length):
            continue
        entries = np.frombuffer(ctypes.string_at(at[start], table[length]), RELOCATION)
        numbers = entries["info"] >> 32
        for offset, number in zip(entries["offset"][numbers > 0], numbers[numbers > 0], strict=True):
            symbol = ctypes.c_uint32.from_address(at[SYMTAB] + SYMBOL_BYTES * int(number))
            name = ctypes.string_at(at[STRTAB] + symbol.value).decode()
            if name in names:
                found[base + int(offset)] = name
    for address in found:
        page = ctypes.c_void_p(address & -mmap.PAGESIZE)
        ctypes.CDLL(None).mprotect(page, ctypes.c_size_t(mmap.PAGESIZE), READ_WRITE)
    return found


def _entries(dynamic: int) -> Iterator[tuple[int, int]]:
    """Yield tag and value of each entry of a dynamic section."""
    while True:
        tag, value = (ctypes.c_uint64 * 2).from_address(dynamic)
        if not tag:
            return
        yield tag, value
        dynamic += 16
