"""The look of the course's figures."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# One colour for one thing, in every figure; colours of Okabe and Ito, that a colour-blind reader can tell apart.
IMAGE, NOISY, NOISE, MODEL, OTHER = "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#999999"
RESULT = "#000000"  # what a figure is about is its darkest curve


def use_style() -> None:
    """The look of every figure: colours that a colour-blind reader can tell apart, a faint grid, room for labels."""
    plt.style.use("tableau-colorblind10")
    plt.rcParams.update({"figure.figsize": (7, 3.8), "figure.constrained_layout.use": True, "axes.grid": True})
    plt.rcParams.update({"grid.alpha": 0.3, "font.size": 10, "axes.titlesize": 11})


def show(figure: Figure, alt: str) -> None:
    """Show a figure with a sentence for those who can't see it."""
    from IPython.display import display

    display(figure, metadata={"image/png": {"alt": alt}})
    plt.close(figure)
