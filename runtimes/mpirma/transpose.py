"""Transpose, MPI one-sided: blocks put into, or got from, another rank's window, some of them at a time."""

from prk import decomposition, memory
from prk.transpose import loops, serial

from .._mpi import onesided
from .._mpi.largecount import message


class Kernel(serial.Kernel):
    """This rank's column blocks, with room for the blocks of a bundle that leave and that arrive."""

    def setup(self) -> None:
        super().setup()
        phases = decomposition.pairwise(self.comm.rank, self.comm.size)
        count = self.options["bundle"]
        self.bundles = [phases[first : first + count] for first in range(0, len(phases), count)]
        shape = min(count, len(phases)), self.width, self.width
        self.window, exposed = onesided.allocate(self.comm, shape, self.options["window"])
        private = memory.empty(shape)
        exposed[:], private[:] = 0.0, 0.0
        self.putting = self.options["access"] == "put"
        self.outgoing, self.incoming = (private, exposed) if self.putting else (exposed, private)
        self.passive = self.options["sync"] == "passive"
        if self.passive:
            self.window.Lock_all()

    def step(self) -> None:
        self.transpose_diagonal()
        for bundle in self.bundles:
            for (_, to), block in zip(bundle, self.outgoing, strict=False):
                loops.pack(self.A, 0, to * self.width, block, 0, 0, self.width, self.width, self.tile)
            # What is to be got is packed, and what is to be overwritten is unpacked.
            self.synchronise()
            for number, (source, to) in enumerate(bundle):
                self.move(number, source, to)
            self.synchronise()
            for (source, _), block in zip(bundle, self.incoming, strict=False):
                loops.unpack(block, 0, 0, self.B, 0, source * self.width, self.width, self.width)

    def move(self, number: int, source: int, to: int) -> None:
        """Put a block to its receiver, or get one from its sender."""
        displacement = number * self.width**2
        if self.putting:
            self.window.Put(message(self.outgoing[number]), to, displacement)
        else:
            self.window.Get(message(self.incoming[number]), source, displacement)

    def synchronise(self) -> None:
        """Complete all accesses of all ranks."""
        if self.passive:
            self.window.Flush_all()
            self.window.Sync()
            self.comm.Barrier()
            self.window.Sync()
        else:
            self.window.Fence()

    def close(self) -> None:
        if self.passive:
            self.window.Unlock_all()
        self.window.Free()
