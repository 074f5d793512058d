"""What several paths are asked with."""

from typing import Annotated

from fastapi import Query

from avgzsl.types import RetrievalKind, TestModality

Id = Annotated[str, Query(min_length=1, max_length=4096, description="A clip of the archive.")]
Where = Annotated[
    str | None,
    Query(max_length=1000, description="Only clips that meet this, as `duration < 10 and label = dog or cat`."),
]
Modality = Annotated[
    TestModality | None,
    Query(description="By what the clips of the archive are compared; all that the run serves, if not given."),
]
Scores = Annotated[
    RetrievalKind | None,
    Query(
        description="By plain scores, or by corrected ones, which take off the bias to seen classes; corrected, if not "
        "given, where the index has them."
    ),
]
