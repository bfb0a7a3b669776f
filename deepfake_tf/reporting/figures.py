"""How pictures of reports look: drawn by matplotlib, and as SVG that takes its colours from the page around it.

A page in dark mode wants light ink. So the three greys of a figure (ink, soft, lines) become those of the page when the
figure is written as SVG; the other colours read well on white and on black.
"""

import functools
import html
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, SOFT, LINE = "#1a1d21", "#5b636e", "#d8dce1"
REAL_COLOUR, FAKE_COLOUR, PLAIN_COLOUR = "#2f86d6", "#e0662c", "#7a86d9"
"""Blue and orange can be told apart by most who see colours otherwise; fakes also have another mark."""

_ON_THE_PAGE = {INK: "currentColor", SOFT: "var(--soft)", LINE: "var(--line)"}
_DPI = 150

_STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    # Text stays text: it can be read out, searched, and is sharp at every size.
    "svg.fonttype": "none",
    "svg.hashsalt": "deepfake-tf",
}


P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Makes a function draw in the style of all figures, whatever else is set in this process."""

    @functools.wraps(draw)
    def drawn(*arguments: P.args, **options: P.kwargs) -> R:
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return draw(*arguments, **options)

    return drawn


def new_figure(width_in: float = 5.2, height_in: float = 3.6) -> "Figure":
    """Returns an empty figure; sizes are in inches, 5.2 fill the width of a phone."""
    # Without pyplot: no window system is asked for, and nothing is shared between threads.
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), dpi=_DPI, layout="constrained")


@styled
def to_svg(figure: "Figure", name: str, description: str) -> str:
    """Returns a figure as an element for a page.

    Args:
        figure: what was drawn.
        name: unique on the page: it keeps the names inside the figure apart from those of others.
        description: what one who does not see it is told.
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set_visible(False)
    file = io.BytesIO()
    # Without a date and a maker: equal figures are equal files, and name no address.
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r'\s(?:xmlns(?::xlink)?|version)="[^"]*"', "", text, count=3)
    text = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{name}-", text).replace("xlink:href", "href")
    for colour, meaning in _ON_THE_PAGE.items():
        text = text.replace(colour, meaning)
    box = re.search(r'viewBox="[^"]*"', text)
    label = html.escape(description, quote=True)
    opening = f'<svg role="img" aria-label="{label}" {box.group() if box else ""}>'
    return opening + text[text.index(">") + 1 :].strip()


@styled
def to_png(figure: "Figure") -> bytes:
    """Returns a figure as a PNG file on white."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()
