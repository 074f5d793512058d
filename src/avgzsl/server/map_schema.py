"""What the API answers of the map: lists with a place for each clip, for there may be a hundred thousand."""

from typing import Literal

from pydantic import BaseModel, Field

from avgzsl.types import TestModality

Plane = Literal["t-SNE", "PCA"]
NamedBy = Literal["classes", "phrases"]


class Points(BaseModel):
    """Clips on the map: each list has one place for each clip."""

    id: list[str]
    x: list[float] = Field(description="Between 0 and 1, as `y`.")
    y: list[float]
    label: list[int] = Field(description="The place of its label among `labels`; -1 without one.")
    cluster: list[int] = Field(description="The `number` of its cluster.")


class Star(BaseModel):
    """A class name on the map."""

    label: str
    seen: bool
    x: float
    y: float


class Cluster(BaseModel):
    """Clips that lie together in the space of the run, and the name that comes nearest to them."""

    number: int
    name: str
    clips: int


class Clusters(BaseModel):
    """The largest first; names differ. They are guesses: nobody gave them."""

    modality: TestModality
    clusters: list[Cluster]
    named_by: NamedBy | None = Field(
        description="What names were chosen from: the `classes` of the run, everyday `phrases`, or, where words cannot "
        "be compared with clips here, nothing."
    )


class Map(Clusters):
    """Clips and class names in the plane, between 0 and 1; `total` clips could have been drawn."""

    total: int
    sample: Literal["all", "spread"] = Field(
        description="Which are drawn: `all`, or as many as were asked for, `spread` evenly over the order in which "
        "they were indexed, the same ones each time."
    )
    plane: Plane = Field(description="How the plane was found: `PCA` where this server has no t-SNE.")
    laid_out: int = Field(description="So many clips were laid out so; others stand by those that they are nearest to.")
    note: str | None = Field(description="What would make a better map.")
    clips: Points
    labels: list[str] = Field(description="Labels of the clips, the most frequent first.")
    classes: list[Star]
