"""Guidance: turn a model into one that follows its label more closely."""

import torch
from torch import Tensor

from mini_ddpm.losses import Model
from mini_ddpm.unet import UNet


def classifier_free(model: UNet, y: Tensor, scale: float) -> Model:
    """Push each prediction away from what the network says without a label.

    `out = out_null + scale (out_y - out_null)`. Scale 1 is the conditional model, 0 the unconditional one; above 1,
    digits become clearer and less varied, and every step runs the network twice. The network must have been
    trained with `label_dropout`. Targets that are linear in eps at given x_t (eps, x_0, v) may all be mixed this
    way; variance channels stay the conditional model's.

    Args:
        y: (B,) int64 labels.

    Source: classifier-free guidance (2207.12598), Eq. 6, whose w is `scale - 1`.
    """
    null = torch.full_like(y, model.config.classes)

    def guided(x_t: Tensor, t: Tensor) -> Tensor:
        if scale == 1:
            return model(x_t, t, y)
        both = model(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([y, null]))
        with_label, without = both.chunk(2)  # (B, C or 2 C, H, W) each
        C = x_t.shape[1]
        guidance = (scale - 1) * (with_label[:, :C] - without[:, :C])
        return torch.cat([with_label[:, :C] + guidance, with_label[:, C:]], dim=1)

    return guided
