import threading
from typing import Any

from .._tagged import inference


class Kernel(inference.Kernel):
    """The worker that takes queries, with a thread that waits for answers, or one that computes."""

    def connect(self) -> None:
        self.listener = threading.Thread()

    def together(self, lead: Any) -> float:
        if self.comm.rank == 0:
            self.listener = threading.Thread(
                target=self.listen, args=(self.comm.repetitions + 1,), daemon=True
            )
            self.listener.start()
        return super().together(lead)

    def listen(self, number: int) -> None:
        """Take answers in until the last worker has ended its work."""
        working = self.comm.size - 1
        try:
            while working:
                answer = self.comm.receive(("answers", number))
                if len(answer) > 1:
                    self.hear(answer)
                else:
                    working -= 1
        except BaseException as error:
            # The first member raises it.
            self.hear(error)

    def work(self) -> None:
        super().work()
        self.comm.send(0, self.answers_tag, self.comm.rank)

    def release(self) -> None:
        super().release()
        # Only one thread at a time receives.
        self.listener.join()
