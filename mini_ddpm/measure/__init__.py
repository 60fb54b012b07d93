"""How good are the images, and the network? Distances between sets of images, judges, and the likelihood.

Digits have one judge (`digits`); colour images are measured with any extractor (`colour`).
"""

from mini_ddpm.measure.colour import RealImages, floors, real_images
from mini_ddpm.measure.digits import Reference, evaluate_images, judge_features, load_reference
from mini_ddpm.measure.distances import (
    class_spread,
    frechet_distance,
    kernel_distance,
    moments_of,
    nearest_distance,
    precision_recall,
)
from mini_ddpm.measure.likelihood import Bound, bound, loss_per_t
