"""How methods and data sets are shown: what they are called, their colours, and which methods are the main ones."""

from typing import Annotated

from pydantic import Field

from dreamr.config.base import Name, Spec

Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class Display(Spec):
    """What tables, figures and the page call things. No answer depends on it."""

    main: tuple[Name, ...] = Field(
        description="Methods of the main tables and figures, in the order of figures; tables begin with the last."
    )
    labels: dict[Name, str] = Field(
        description="Names for people of methods, benchmarks and training sets. What is not named here goes by its own "
        "name, a loop of your own by the label that it declares."
    )
    colours: dict[Name, Colour] = Field(
        description="Colours of methods in figures, as #rrggbb. A main method without one is given one."
    )
