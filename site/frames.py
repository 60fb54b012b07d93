"""The frames of the sliders, drawn by the functions that draw in the notebooks: build/frames/<notebook>/.

    python site/frames.py

A folder has a picture for each choice, named by the places of its values in their lists, as 3-0.webp, and about.json:
the lists, the place to begin with, and a sentence for every picture.
"""

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from PIL import Image

from mini_ddpm.course import p01, p03, p04, p08, p12
from mini_ddpm.course.figures import Slider, use_style
from mini_ddpm.course.p04 import Bell
from mini_ddpm.data import load, to_model
from mini_ddpm.diffusion import fixed_small
from mini_ddpm.guidance import classifier_free
from mini_ddpm.runs import open_run
from mini_ddpm.sampling import ancestral_step, ddim_step, sample
from mini_ddpm.schedules import NoiseSchedule, cosine_betas, linear_betas

FRAMES = Path(__file__).parents[1] / "build" / "frames"


def sliders() -> Iterator[tuple[str, Slider]]:
    """Every slider of the notebooks, with what the notebook gives it."""
    linear, cosine = (NoiseSchedule.from_betas(betas(1000)) for betas in (linear_betas, cosine_betas))
    digits = to_model(load("mnist-5k").images[:8])
    torch.manual_seed(0)
    noise = torch.randn_like(digits)
    yield "01_forward_process", p01.noise_them(digits, noise, {"linear": linear, "cosine": cosine})
    yield "03_kl_between_gaussians", p03.move_bell(Bell(0.0, 1.0))
    yield "04_posterior", p04.move_clues(NoiseSchedule.from_betas(linear_betas(50)))

    shipped = open_run("mnist", torch.device("cpu"))
    eight = classifier_free(shipped.model, torch.arange(8), shipped.config.sampling.guidance)
    torch.manual_seed(3)
    walk = sample(ancestral_step, replace(shipped.diffusion, steps=250), eight, torch.randn(8, 1, 28, 28))
    yield "08_sampling", p08.step_through(list(walk))

    short = replace(shipped.diffusion, variance=fixed_small, steps=10)

    def asked_for(digit: int, scale: float) -> torch.Tensor:
        louder = classifier_free(shipped.model, torch.full((10,), digit), scale)
        torch.manual_seed(3)
        *_, last = sample(ddim_step, short, louder, torch.randn(10, 1, 28, 28))
        return last.x_t

    yield "12_guidance", p12.turn(asked_for)


def as_image(picture: Figure | Image.Image) -> Image.Image:
    """A picture, drawn."""
    if isinstance(picture, Image.Image):
        return picture
    file = io.BytesIO()
    picture.savefig(file, dpi=100)
    plt.close(picture)
    return Image.open(file).convert("RGB")


def write(slider: Slider, folder: Path) -> None:
    """All pictures of a slider, and what is said of them."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {}
    for places in itertools.product(*(range(len(values)) for values in slider.choices.values())):
        chosen = {name: values[k] for (name, values), k in zip(slider.choices.items(), places, strict=True)}
        name = "-".join(map(str, places))
        picture, said[name] = slider.look(**chosen)
        image = as_image(picture)
        image.save(folder / f"{name}.webp", quality=85)
    first = [list(values).index(slider.start[name]) for name, values in slider.choices.items()]
    choices = {
        name: ([f"{value:g}" if not isinstance(value, str) else value for value in values], k)
        for (name, values), k in zip(slider.choices.items(), first, strict=True)
    }
    start = "-".join(map(str, first))
    about = {"choices": choices, "start": start, "first": said[start], "width": image.width, "height": image.height}
    (folder / "about.json").write_text(json.dumps(about | {"said": said}), encoding="utf-8")


if __name__ == "__main__":
    use_style()
    for stem, slider in sliders():
        write(slider, FRAMES / stem)
        print(f"{stem}: {len(list((FRAMES / stem).glob('*.webp')))} frames")
