"""ResNet-50."""

from prk.models.model import Model, Published
from prk.models.zoo._images import images
from prk.models.zoo._resnet import resnet

MODEL = Model(
    title="ResNet-50 v1.5 (He et al., 2016), 224 x 224",
    build=lambda: resnet((3, 4, 6, 3)),
    inputs=images,
    parameters="25557032",
    published=Published(32, 2.14e11, 7.72e9, 28, 0.029),
    note="theirs is 0.82 of our flop: v1 has the stride in a 1 x 1 (0.94), and a profiler's count of kernels "
    "by which fast algorithms need less",
)
