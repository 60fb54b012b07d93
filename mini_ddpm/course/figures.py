"""The look of the course's figures, and pictures that follow a slider."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

# One colour for one thing, in every figure; colours of Okabe and Ito, that a colour-blind reader can tell apart.
IMAGE, NOISY, NOISE, MODEL, OTHER = "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#999999"
RESULT = "#000000"  # what a figure is about is its darkest curve


def use_style() -> None:
    """The look of every figure: colours that a colour-blind reader can tell apart, a faint grid, room for labels."""
    plt.style.use("tableau-colorblind10")
    plt.rcParams.update({"figure.figsize": (7, 3.8), "figure.constrained_layout.use": True, "axes.grid": True})
    plt.rcParams.update({"grid.alpha": 0.3, "font.size": 10, "axes.titlesize": 11})


def plain_ticks(axes: Axes) -> None:
    """Numbers that one reads, 0.2 and not a power of ten, on a logarithmic axis of losses."""
    low, high = axes.get_ylim()
    ticks = [tick for tick in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5) if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def show(figure: Figure | Image.Image, alt: str) -> None:
    """Show a figure with a sentence for those who can't see it."""
    from IPython.display import display

    display(figure, metadata={"image/png": {"alt": alt}})
    if isinstance(figure, Figure):
        plt.close(figure)


class Slider(NamedTuple):
    """A picture that follows a few values: a notebook draws it anew, the site has one for every choice.

    Args:
        look: gives the picture for one value of each name, and a sentence that says what is seen.
        choices: the values to choose from: numbers for a slider, words for a list.
        start: those to begin with.
    """

    look: Callable[..., tuple[Figure | Image.Image, str]]
    choices: Mapping[str, Sequence[Any]]
    start: Mapping[str, Any]

    def move(self) -> None:
        """Show it in a notebook."""
        import ipywidgets

        def draw(**values: Any) -> None:
            show(*self.look(**values))

        controls = {}
        for name, values in self.choices.items():
            kind = ipywidgets.Dropdown if isinstance(values[0], str) else ipywidgets.SelectionSlider
            controls[name] = kind(options=list(values), value=self.start[name], description=name)
        ipywidgets.interact(draw, **controls)
