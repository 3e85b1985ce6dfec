"""The models that ddp's workloads train: of each, what goes in, as in a step of its training.

Where flop are counted, nobody computes numbers. So architecture search is not among them, whose numbers
choose which layers run, nor translation, where PyTorch's decoder looks at the numbers of its mask.
"""

from collections.abc import Callable, Mapping, Sequence

from prk.models.model import Input, Model

IMAGE = 28, 28
# A description's words in another language, and of a summary.
SENTENCE, LONG, SHORT, VOCABULARY = 16, 32, 12, 1500
USERS, ITEMS = 943, 1682

INPUTS: Mapping[str, Callable[[int], Sequence[Input]]] = {
    "captioning": lambda n: [Input((n, 1, 32, 32)), Input((n, 6), 21)],
    "detection": lambda n: [Input((n, 1, 48, 48))],
    "digits": lambda n: [Input((n, 64))],
    "face_embedding": lambda n: [Input((3 * n, 64))],
    "fashion_mnist": lambda n: [Input((n, 1, *IMAGE))],
    "fashion_mnist_light": lambda n: [Input((n, 1, *IMAGE))],
    "image_compression": lambda n: [Input((n, 1, 48, 48)), Input((n, 3, 16, 12, 12))],
    "image_generation": lambda n: [Input((n, 32)), Input((n, 784))],
    "image_to_image": lambda n: [Input((n, 1, *IMAGE))],
    "ranking": lambda n: [Input((n,), USERS)],
    "recommendation": lambda n: [Input((n,), USERS), Input((n,), ITEMS)],
    "reconstruction": lambda n: [Input((n, 3, 16, 16))],
    "self_play": lambda n: [Input((n, 2, 5, 5))],
    "spatial_transformer": lambda n: [Input((n, 1, *IMAGE))],
    "speech": lambda n: [Input((n, 128, 24))],
    "summarisation": lambda n: [Input((n, LONG), VOCABULARY), Input((n, SHORT), VOCABULARY)],
    "translation_recurrent": lambda n: [Input((n, SENTENCE), VOCABULARY), Input((n, SENTENCE), VOCABULARY)],
    "video_prediction": lambda n: [Input((n, 5, 24, 24))],
}


def model(name: str) -> Model:
    """Return a workload's model; imports PyTorch."""
    from prk.ddp import models
    from prk.ddp.problem import Ddp

    problem = Ddp(workload=name.replace("_", "-"))
    return Model(
        title=f"ddp's {problem.workload}",
        build=lambda: models.model(problem),
        inputs=INPUTS[name],
        parameters=str(problem.trained),
    )
