"""ResNet-152."""

from prk.models.model import Model
from prk.models.zoo._images import images
from prk.models.zoo._resnet import resnet

MODEL = Model(
    title="ResNet-152 v1.5 (He et al., 2016), 224 x 224",
    build=lambda: resnet((3, 8, 36, 3)),
    inputs=images,
    parameters="60192808",
)
