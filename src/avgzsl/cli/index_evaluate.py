"""`avgzsl index-evaluate`: how well the clips of an index are found."""

from avgzsl.cli.options import Index, Json, MethodOfRun, Retrievals, Split, Url, with_options


@with_options(split="Only train, val or test; all labelled clips if not given.")
def index_evaluate(
    index: Index,
    *,
    split: Split = None,
    retrieval: Retrievals = None,
    url: Url = None,
    method: MethodOfRun = None,
    json: Json = False,
) -> None:
    """Measure how well the clips of an index are found by the names of their classes."""
    from avgzsl.archive.collection import open_index
    from avgzsl.archive.retrieval import index_evaluate as evaluate
    from avgzsl.cli import show
    from avgzsl.methods import marked_label, settings_of
    from avgzsl.reports.tables import sheets

    collection = open_index(index, url, method)
    evaluation = evaluate(collection, split, retrieval=retrieval)
    if json:
        show.json(evaluation)
        return
    name = marked_label(evaluation.method, settings_of(collection.run.method))
    show.sheets(sheets(evaluation.results, name))
    if evaluation.retrieval == "corrected":
        print("by corrected scores, without the bias to seen classes; --retrieval plain gives those of the paper")
    print(f"{evaluation.unlabelled} clips without a label were not counted")
