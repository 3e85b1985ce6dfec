"""The model of ddp's workload digits."""

from prk.ddp import models
from prk.ddp.problem import Ddp
from prk.models.zoo import Input, Model

PROBLEM = Ddp(workload="digits")

MODEL = Model(
    title="ddp's digits",
    build=lambda: models.model(PROBLEM),
    inputs=lambda batch: [Input((batch, 64))],
    parameters=str(PROBLEM.trained),
)
