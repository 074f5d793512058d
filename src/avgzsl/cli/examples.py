"""Examples of every command, as its help shows them; a test runs each through the parser."""

EXAMPLES = {
    "open": (
        "avgzsl open ~/Videos",
        "avgzsl open ~/Videos --watch --no-browser --port 8000",
    ),
    "demo": ("avgzsl demo", "avgzsl demo --out out/demo --scale 0.01"),
    "generate": (
        "avgzsl generate audioset-zsl --out data --scale 0.05",
        "avgzsl generate clips --out clips --scale 0.02",
    ),
    "inspect": ("avgzsl inspect data", "avgzsl inspect data --json"),
    "fetch": ("avgzsl fetch --list", "avgzsl fetch clip clap"),
    "extract": (
        "avgzsl extract clips --out store --audio descriptors --video descriptors --text hashed-words "
        "--labels-from-folders",
        "avgzsl extract films --out store --audio clap --video clip --text clip --window 10s",
    ),
    "split": ("avgzsl split store --unseen 0.3", "avgzsl split store --like published/class-split --name published"),
    "export": ("avgzsl export store exported --incomplete drop",),
    "describe": ("avgzsl describe store --out sentences.csv",),
    "train-audio-net": ("avgzsl train-audio-net clips --manifest clips/manifest.csv --out audio-net --epochs 20",),
    "train": (
        "avgzsl train store --out run",
        "avgzsl train data --out run --method avgzslnet --preset paper lr=0.1 epochs=50",
        "avgzsl train data --out run --resume",
    ),
    "evaluate": (
        "avgzsl evaluate run",
        "avgzsl evaluate run --modality both --calibration pseudo-unseen --json results.json",
    ),
    "predict": (
        "avgzsl predict run clip.mp4",
        'avgzsl predict run clips --classes "barking, church bell" --csv found.csv',
    ),
    "pack": ("avgzsl pack run --out packed --with-weights",),
    "index": (
        "avgzsl index run clips --out index",
        "avgzsl index films --frozen --out index --window 10s",
        "avgzsl index run store --out index --split test --engine memory",
    ),
    "index-add": ("avgzsl index-add index more-clips", "avgzsl index-add index clips --prune"),
    "index-remove": ("avgzsl index-remove index old/tape.mp4", "avgzsl index-remove index --purge"),
    "index-rebuild": ("avgzsl index-rebuild index",),
    "index-info": ("avgzsl index-info index", "avgzsl index-info index --json"),
    "index-verify": ("avgzsl index-verify index", "avgzsl index-verify index --hash"),
    "index-move": ("avgzsl index-move index /old/disk/films /new/disk/films",),
    "index-evaluate": ("avgzsl index-evaluate index --split test --retrieval plain",),
    "search": (
        'avgzsl search index "church bell"',
        "avgzsl search index bell --without music --top 5",
        'avgzsl search index "dog barking" --where "duration < 10" --only-likely --json',
        "avgzsl search index --like clip.mp4 --by audio",
        'avgzsl search index bell --where "folder = city" --csv bell.csv --cut bells',
    ),
    "serve": (
        "avgzsl serve index",
        "AVGZSL_SERVE_TOKEN=$(openssl rand -hex 32) avgzsl serve index --host 0.0.0.0 --port 8000",
    ),
    "two-stage": ("avgzsl two-stage data --out stages --method avca --class-split main_split",),
    "tune": (
        "avgzsl tune data --out tuned --method avgzslnet --trials 20",
        "avgzsl tune data --out tuned --by val epochs=50",
    ),
    "benchmark": (
        "avgzsl benchmark data --out compared --methods avgzslnet,devise --seeds 3",
        "avgzsl benchmark data --out compared --class-split all --cite",
    ),
    "reproduce": ("avgzsl reproduce table1 data --out paper --seeds 3", "avgzsl reproduce all data --out paper --cite"),
    "methods": ("avgzsl methods", "avgzsl methods avgzslnet"),
    "layouts": ("avgzsl layouts",),
    "encoders": ("avgzsl encoders",),
    "engines": ("avgzsl engines",),
    "cache": ("avgzsl cache", "avgzsl cache --clear features --older-than 30"),
}
