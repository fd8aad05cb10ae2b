"""The network of `defect_detection_v1`: a small U-Net that compares a die with its golden reference."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

CLASSES = 6
CHANNELS = 16


class Block(nn.Sequential):
    """Two 3 x 3 convolutions, each with batch normalisation and ReLU."""

    def __init__(self, inside: int, outside: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inside, outside, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        )


class DefectNetwork(nn.Module):
    """Two levels below a stem of stride 2.

    Input UINT8 [N, 2, H, W] (image, reference), output logits FP32 [N, 6, H, W]. H and W are free: maps
    are brought to their neighbour's size, and what an odd size adds is cut off at the end.
    """

    def __init__(self) -> None:
        super().__init__()
        c = CHANNELS
        self.stem = nn.Sequential(
            nn.Conv2d(3, c, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(c), nn.ReLU(inplace=True)
        )
        self.fine = Block(c, c)
        self.middle = Block(c, 2 * c)
        self.coarse = Block(2 * c, 2 * c, dilation=2)
        self.up_middle = Block(4 * c, 2 * c)
        self.up_fine = Block(3 * c, c)
        # Four sets of logits for each place of the half-size map are the four pixels of the full-size one.
        self.head = nn.Conv2d(c, 4 * CLASSES, 3, padding=1)
        with torch.no_grad():
            # Nearly every pixel is background; its four sets come first.
            self.head.bias[:4] = 3.0

    def forward(self, pair: torch.Tensor) -> torch.Tensor:
        """Logits FP32 [N, 6, H, W]."""
        height, width = pair.shape[2], pair.shape[3]
        levels = (pair.to(torch.float32) - 128.0) / 64.0
        # The first layer could find the difference by itself; given, it is there from the first step.
        levels = torch.cat((levels, 2.0 * (levels[:, :1] - levels[:, 1:])), 1)
        fine = self.fine(self.stem(levels))
        middle = self.middle(functional.max_pool2d(fine, 2, ceil_mode=True))
        coarse = self.coarse(functional.max_pool2d(middle, 2, ceil_mode=True))
        middle = self.up_middle(torch.cat((_as_large_as(middle, coarse), middle), 1))
        fine = self.up_fine(torch.cat((_as_large_as(fine, middle), fine), 1))
        return functional.pixel_shuffle(self.head(fine), 2)[:, :, :height, :width]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Makes probabilities mean what they say.

    Attributes:
        temperature: divisor of the logits.
        offset: added to the divided logit of the background.
    """

    temperature: float
    offset: float

    def applied(self, logits: torch.Tensor) -> torch.Tensor:
        """Calibrated logits of logits [N, 6, H, W]."""
        offsets = torch.tensor([self.offset] + [0.0] * (CLASSES - 1)).reshape(1, CLASSES, 1, 1)
        return logits / self.temperature + offsets


class Served(nn.Module):
    """The network as it is served: calibrated probabilities and the anomaly map."""

    def __init__(self, network: DefectNetwork, calibration: Calibration) -> None:
        super().__init__()
        self.network = network
        self.calibration = calibration

    def forward(self, pair: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`probabilities` FP32 [N, 6, H, W], and `anomaly_map` FP32 [N, 1, H, W], which is 1 - background."""
        probabilities = torch.softmax(self.calibration.applied(self.network(pair)), 1)
        return probabilities, 1.0 - probabilities[:, :1]


def _as_large_as(target: torch.Tensor, small: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(small, size=target.shape[2:], mode="bilinear", align_corners=False)
