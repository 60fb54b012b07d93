"""The look of the course's figures."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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


def show(figure: Figure, alt: str) -> None:
    """Show a figure with a sentence for those who can't see it."""
    from IPython.display import display

    display(figure, metadata={"image/png": {"alt": alt}})
    plt.close(figure)
