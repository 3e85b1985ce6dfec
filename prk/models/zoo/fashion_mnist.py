"""The model of ddp's workload fashion-mnist."""

from prk.ddp import models
from prk.ddp.problem import Ddp
from prk.models.zoo import Input, Model

PROBLEM = Ddp(workload="fashion-mnist")

MODEL = Model(
    title="ddp's fashion-mnist",
    build=lambda: models.model(PROBLEM),
    inputs=lambda batch: [Input((batch, 1, 28, 28))],
    parameters=str(PROBLEM.trained),
)
